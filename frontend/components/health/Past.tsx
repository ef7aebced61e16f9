'use client'

import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { Panel } from '@/components/common/Panel'
import { Choice } from '@/components/feed/Toolbar'
import { get } from '@/lib/api'
import { events, logs } from '@/lib/engine'
import { dayAndClock } from '@/lib/time'
import styles from './Past.module.css'

const SHOWN = 200
const MARKS: Readonly<Record<string, string>> = { info: '·', warning: '!', error: '✕', critical: '✕' }

const EVENTS = [
  ['engine', 'But decisions'],
  ['trouble', 'Trouble'],
  ['all', 'All'],
] as const
const LEVELS = [
  ['all', 'All'],
  ['warning', 'Warnings +'],
] as const

/** What changed: starts, crashes, outages, fits, rebalances, losses and decisions, newest first. */
export function Timeline() {
  const [wanted, setWanted] = useState<(typeof EVENTS)[number][0]>('engine')
  const { data } = useQuery({
    queryKey: ['events'],
    queryFn: ({ signal }) => get(events, '/api/events', { limit: SHOWN }, signal),
    refetchInterval: 3_000,
    placeholderData: keepPreviousData,
  })
  const shown = (data?.events ?? []).filter(
    ({ kind, level }) => wanted === 'all' || (wanted === 'trouble' ? level !== 'info' : kind !== 'decision'),
  )
  return (
    <Panel
      title="Timeline"
      aside={<Choice label="Events" value={wanted} options={EVENTS} onChoose={setWanted} />}
      flush
    >
      <Lines
        name="timeline"
        empty={data ? 'Nothing of this kind has happened.' : 'Loading…'}
        lines={shown.map(({ at, level, kind, subject, text }) => ({ at, level, about: subject || kind, text }))}
      />
    </Panel>
  )
}

/** The newest lines of the engine's log, newest first. */
export function Log() {
  const [wanted, setWanted] = useState<(typeof LEVELS)[number][0]>('all')
  const { data } = useQuery({
    queryKey: ['logs'],
    queryFn: ({ signal }) => get(logs, '/api/logs', { limit: SHOWN }, signal),
    refetchInterval: 3_000,
    placeholderData: keepPreviousData,
  })
  const shown = [...(data?.lines ?? [])].reverse().filter(({ level }) => wanted === 'all' || level !== 'info')
  return (
    <Panel title="Log" aside={<Choice label="Level" value={wanted} options={LEVELS} onChoose={setWanted} />} flush>
      <Lines
        name="log"
        empty={data ? 'Nothing has been logged.' : 'Loading…'}
        lines={shown.map(({ at, level, source, message }) => ({ at, level, about: source, text: message }))}
      />
    </Panel>
  )
}

interface LinesProperties {
  name: string
  empty: string
  lines: readonly { at: string; level: string; about: string; text: string }[]
}

function Lines({ name, empty, lines }: LinesProperties) {
  if (lines.length === 0) return <p className={styles.none}>{empty}</p>
  return (
    <ol className={styles.lines} data-testid={name} tabIndex={0} aria-label={name}>
      {lines.map(({ at, level, about, text }, index) => (
        <li key={`${at} ${index}`} data-level={level} data-testid="line">
          <span className={styles.mark} title={level} aria-hidden>
            {MARKS[level] ?? '·'}
          </span>
          <span className="muted">{dayAndClock(at)}</span>
          <bdi className={styles.about}>{about}</bdi>
          <bdi className={styles.text}>
            {level !== 'info' && <span className="visually-hidden">{level}: </span>}
            {text}
          </bdi>
        </li>
      ))}
    </ol>
  )
}
