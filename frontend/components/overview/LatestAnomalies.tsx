'use client'

import Link from 'next/link'
import { useState, useSyncExternalStore } from 'react'
import { Panel } from '@/components/common/Panel'
import { Severity } from '@/components/common/Severity'
import table from '@/components/common/Table.module.css'
import { withParameters } from '@/lib/api'
import { LiveList } from '@/lib/liveList'
import { STATUS_ONLY } from '@/lib/live/messages'
import { money } from '@/lib/money'
import { score } from '@/lib/numbers'
import type { Row } from '@/lib/schemas'
import { clock } from '@/lib/time'
import { streamNow } from '@/lib/live/clock'
import { effective, factors, headline } from '@/lib/verdicts'
import styles from './Overview.module.css'

const SHOWN = 12

/** The newest anomalies that nobody has decided on, as they come in. */
export function LatestAnomalies() {
  const [list] = useState(
    () =>
      new LiveList({
        path: '/api/anomalies',
        parameters: { status: 'open' },
        topic: STATUS_ONLY,
        keeps: (row) => row.flagged && effective(row.triage, streamNow()) === 'open',
      }),
  )
  const { feed, loading, problem } = useSyncExternalStore(list.watch, list.current, list.current)
  const rows = feed.rows.slice(0, SHOWN)
  return (
    <Panel title="Latest open anomalies" aside={<Link href="/anomalies">All anomalies</Link>} flush>
      {rows.length > 0 ? (
        <table className={`${table.table} ${styles.latest}`}>
          <thead>
            <tr>
              <th scope="col">Severity</th>
              <th scope="col" className="number">
                Score
              </th>
              <th scope="col">Time</th>
              <th scope="col" className={styles.wide}>
                User
              </th>
              <th scope="col" className="number">
                Amount
              </th>
              <th scope="col" className={styles.wide}>
                Merchant
              </th>
              <th scope="col" className={styles.wide}>
                Why
              </th>
            </tr>
          </thead>
          <tbody>
            {rows.map((row) => (
              <Line key={row.transaction_id} row={row} />
            ))}
          </tbody>
        </table>
      ) : (
        <p className={styles.none}>
          {problem ? '–' : loading ? 'Loading…' : 'None. What the detectors flag appears here at once.'}
        </p>
      )}
    </Panel>
  )
}

function Line({ row }: { row: Row }) {
  const verdict = headline(row)
  return (
    <tr className={styles.anomaly} data-testid="latest" data-id={row.transaction_id}>
      <td>{verdict && <Severity severity={verdict.severity} />}</td>
      <td className="number">{verdict && score(verdict.score)}</td>
      <td>
        <Link href={withParameters('/anomalies', { open: row.transaction_id })}>
          {clock(row.timestamp).slice(0, 8)}
        </Link>
      </td>
      <td className={styles.wide}>
        <Link href={`/users/${encodeURIComponent(row.user_id)}`}>
          <bdi>{row.user_id}</bdi>
        </Link>
      </td>
      <td className="number">
        {money(row.amount, row.currency)} <bdi className="muted">{row.currency}</bdi>
      </td>
      <td className={`${styles.merchant} ${styles.wide}`}>
        <bdi>{row.merchant.name ?? row.merchant.id}</bdi>
      </td>
      <td className={`${styles.why} ${styles.wide}`}>{verdict && factors(verdict)}</td>
    </tr>
  )
}
