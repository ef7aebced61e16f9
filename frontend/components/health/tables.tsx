'use client'

import { useState } from 'react'
import table from '@/components/common/Table.module.css'
import type { Health, Worker } from '@/lib/engine'
import { count } from '@/lib/numbers'
import { span } from '@/lib/time'
import { Controls } from './Controls'
import styles from './Health.module.css'

const MARKS: Readonly<Record<string, string>> = { running: '✓', starting: '…', stopped: '■', failed: '✕' }

/** The supervised workers; `at` is when they were asked, by the engine's clock. */
export function Workers({ workers, at }: { workers: readonly Worker[]; at: string }) {
  const since = (time: string | null) => (time === null ? '–' : span((Date.parse(at) - Date.parse(time)) / 1000))
  const [problem, setProblem] = useState<string | null>(null)
  return (
    <>
      {problem !== null && (
        <p role="alert" className={styles.refused}>
          {problem}
        </p>
      )}
      <table className={`${table.table} ${styles.workers}`} data-testid="workers">
        <thead>
          <tr>
            <th scope="col">Worker</th>
            <th scope="col">State</th>
            <th scope="col" className={`number ${styles.wide}`}>
              For
            </th>
            <th scope="col" className={`number ${styles.wide}`}>
              Restarts
            </th>
            <th scope="col">Detail</th>
            <th scope="col">
              <span className="visually-hidden">Start, stop, restart</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {workers.map((worker) => (
            <tr key={worker.name} data-testid="worker" data-name={worker.name} data-state={worker.state}>
              <td>{worker.name}</td>
              <td>
                <State name={worker.state} />
              </td>
              <td className={`number ${styles.wide}`}>{since(worker.since)}</td>
              <td className={`number ${styles.wide}`}>{count(worker.restarts)}</td>
              <td className={styles.detail}>
                <bdi>{worker.detail}</bdi>
                {worker.last_error && <bdi className={styles.error}>{worker.last_error}</bdi>}
              </td>
              <td>
                <Controls worker={worker} onProblem={setProblem} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  )
}

function State({ name }: { name: string }) {
  return (
    <span className={styles.state} data-state={name}>
      <span aria-hidden>{MARKS[name] ?? '!'}</span> {name}
    </span>
  )
}

/** How far each partition has come. */
export function Partitions({ partitions }: { partitions: Health['partitions'] }) {
  if (partitions.length === 0) return <p className={styles.none}>None is assigned to this engine.</p>
  return (
    <table className={table.table}>
      <thead>
        <tr>
          <th scope="col">Partition</th>
          <th scope="col">State</th>
          <th scope="col" className="number">
            Next offset
          </th>
          <th scope="col" className="number">
            Lag
          </th>
        </tr>
      </thead>
      <tbody>
        {partitions.map((partition) => (
          <tr key={partition.partition}>
            <td>{partition.partition}</td>
            <td>
              <State name={partition.state} />
            </td>
            <td className="number">{count(partition.next_offset)}</td>
            <td className="number">{partition.lag < 0 ? '–' : count(partition.lag)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}

const MOVED = 0.2

/** The features that moved most from what the models were fitted on; from 0.2 on a model is out of date. */
export function Drift({ drift }: { drift: Health['drift'] }) {
  if (drift.length === 0) return <p className={styles.none}>Not measured yet.</p>
  const worst = [...drift].sort((a, b) => b.psi - a.psi).slice(0, 8)
  return (
    <table className={table.table}>
      <tbody>
        {worst.map(({ detector, feature, psi }) => (
          <tr key={`${detector} ${feature}`}>
            <td>{feature.replaceAll('_', ' ')}</td>
            <td className="muted">{detector}</td>
            <td className="number">
              <span className={psi >= MOVED ? styles.moved : undefined}>
                {psi.toFixed(2)}
                {psi >= MOVED && ' moved'}
              </span>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}
