'use client'

import Link from 'next/link'
import { Severity } from '@/components/common/Severity'
import table from '@/components/common/Table.module.css'
import { useNow } from '@/components/useNow'
import { useStreamTime } from '@/lib/live/clock'
import { withParameters } from '@/lib/api'
import { money } from '@/lib/money'
import type { Row } from '@/lib/schemas'
import { dayAndClock } from '@/lib/time'
import { effective, headline, STATUS_LABELS, why } from '@/lib/verdicts'

/** The last anomalies of one user, with the weightiest reason of each. */
export function UserAnomalies({ rows }: { rows: readonly Row[] }) {
  const now = useStreamTime(useNow(10_000))
  if (rows.length === 0) {
    return (
      <p className="muted" style={{ padding: '0 14px 14px' }}>
        None of this user&apos;s transactions was flagged.
      </p>
    )
  }
  return (
    <table className={table.table}>
      <thead>
        <tr>
          <th scope="col">Severity</th>
          <th scope="col">Time (UTC)</th>
          <th scope="col" className="number">
            Amount
          </th>
          <th scope="col">Merchant</th>
          <th scope="col">Why</th>
          <th scope="col">Triage</th>
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => {
          const verdict = headline(row)
          return (
            <tr key={row.transaction_id}>
              <td>{verdict && <Severity severity={verdict.severity} />}</td>
              <td style={{ whiteSpace: 'nowrap' }}>
                <Link href={withParameters('/anomalies', { status: 'all', open: row.transaction_id })}>
                  {dayAndClock(row.timestamp)}
                </Link>
              </td>
              <td className="number" style={{ whiteSpace: 'nowrap' }}>
                {money(row.amount, row.currency)} <bdi className="muted">{row.currency}</bdi>
              </td>
              <td>
                <bdi>{row.merchant.name ?? row.merchant.id}</bdi>
              </td>
              <td>
                <bdi>{verdict && why(verdict)}</bdi>
              </td>
              <td>{STATUS_LABELS[effective(row.triage, now)]}</td>
            </tr>
          )
        })}
      </tbody>
    </table>
  )
}
