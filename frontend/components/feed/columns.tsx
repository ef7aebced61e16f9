import type { ReactNode } from 'react'
import { Severity } from '@/components/common/Severity'
import { money } from '@/lib/money'
import { score } from '@/lib/numbers'
import type { Row } from '@/lib/schemas'
import { clock, dayAndClock } from '@/lib/time'
import { effective, factors, flaggedBy, headline, STATUS_LABELS } from '@/lib/verdicts'

/** One column: `name` also places it, by the style sheet of the table. */
export interface Column {
  name: string
  title: string
  cell: (row: Row, now: number, alerts: number) => ReactNode
}

const user: Column = {
  name: 'user',
  title: 'User',
  cell: (row, _, alerts) => (
    <>
      <bdi>{row.user_id}</bdi>
      {alerts > 1 && (
        <strong data-alerts={alerts}>
          {' '}
          ×{alerts}
          <span className="visually-hidden"> alerts</span>
        </strong>
      )}
    </>
  ),
}
const amount: Column = { name: 'amount', title: 'Amount', cell: (row) => money(row.amount, row.currency) }
const currency: Column = { name: 'currency', title: 'Cur', cell: (row) => <bdi>{row.currency}</bdi> }
const country: Column = { name: 'country', title: 'Cc', cell: (row) => <bdi>{row.location.country}</bdi> }
const reasons: Column = {
  name: 'why',
  title: 'Why',
  cell: (row) => {
    const verdict = headline(row)
    if (verdict?.status === 'warming') return <span className="muted">warming up</span>
    return verdict && verdict.severity !== 'normal' ? factors(verdict) : null
  },
}
const merchant: Column = {
  name: 'merchant',
  title: 'Merchant',
  cell: ({ merchant: { id, name, category } }) => (
    <>
      <bdi>{name ?? id}</bdi>
      {category && <bdi className="muted"> {category.replaceAll('_', ' ')}</bdi>}
    </>
  ),
}
const status: Column = {
  name: 'status',
  title: 'Triage',
  cell: (row, now) => {
    const name = effective(row.triage, now)
    return row.flagged || row.triage ? (
      <span data-status={name} className={name === 'open' ? undefined : 'muted'}>
        {STATUS_LABELS[name]}
      </span>
    ) : null
  },
}

export const TRANSACTION_COLUMNS: readonly Column[] = [
  { name: 'time', title: 'Time (UTC)', cell: (row) => <time dateTime={row.timestamp}>{clock(row.timestamp)}</time> },
  user,
  amount,
  currency,
  merchant,
  country,
  {
    name: 'score',
    title: 'Score',
    cell: (row) => {
      const verdict = headline(row)
      return verdict ? (
        <>
          <Severity severity={verdict.severity} quiet /> {score(verdict.score)}
        </>
      ) : null
    },
  },
  reasons,
  status,
]

export const ANOMALY_COLUMNS: readonly Column[] = [
  {
    name: 'severity',
    title: 'Severity',
    cell: (row) => {
      const verdict = headline(row)
      return verdict ? <Severity severity={verdict.severity} /> : null
    },
  },
  {
    name: 'score',
    title: 'Score',
    cell: (row) => {
      const verdict = headline(row)
      return verdict ? score(verdict.score) : null
    },
  },
  {
    name: 'time',
    title: 'Time (UTC)',
    cell: (row) => <time dateTime={row.timestamp}>{dayAndClock(row.timestamp)}</time>,
  },
  user,
  amount,
  currency,
  merchant,
  country,
  { name: 'by', title: 'By', cell: (row) => flaggedBy(row) },
  reasons,
  status,
]
