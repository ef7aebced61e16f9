'use client'

import { type QueryClient, useQuery } from '@tanstack/react-query'
import Link from 'next/link'
import { useEffect, useRef } from 'react'
import * as z from 'zod/mini'
import { ProblemNote } from '@/components/common/ProblemNote'
import { Severity } from '@/components/common/Severity'
import { TriageBar } from '@/components/triage/TriageBar'
import type { Wanted } from '@/components/triage/useTriage'
import { ApiError, get } from '@/lib/api'
import { money } from '@/lib/money'
import { score } from '@/lib/numbers'
import { row as rowSchema, type Row, triage as triageSchema } from '@/lib/schemas'
import { clock, full } from '@/lib/time'
import { disagreed, headline, STATUS_LABELS } from '@/lib/verdicts'
import styles from './Drawer.module.css'
import { Facts } from './Facts'
import { Verdicts } from './Verdicts'

const logLine = z.looseObject({
  sequence: z.number(),
  at: z.string(),
  decided_by: z.string(),
  action: z.string(),
  after: z.nullable(triageSchema),
})
const explanation = z.looseObject({ counterfactual: z.nullable(z.looseObject({ text: z.string() })) })
const detail = z.looseObject({ row: rowSchema, triage_log: z.array(logLine) })

type LogLine = z.infer<typeof logLine>

interface Properties {
  id: string
  /** The transaction as the list has it, which is there at once. */
  listed: Row | undefined
  /** The alerts of its case, which are decided on with it. */
  alerts: readonly Row[]
  /** Whether the note is to be written. */
  noting: boolean
  onNoted: () => void
  onDecide: (wanted: Wanted, row: Row) => void
  onUndo: () => void
  onClose: () => void
}

/** A transaction that a drawer has been open on, if it is still known. */
export function detailOf(queries: QueryClient, id: string): Row | undefined {
  const known = queries.getQueriesData<z.infer<typeof detail>>({ queryKey: ['transaction', id] })
  return known.map(([, data]) => data?.row).find(Boolean)
}

/** Everything about one transaction, beside the list it is in. */
export function Drawer({ id, listed, alerts, noting, onNoted, onDecide, onUndo, onClose }: Properties) {
  const { data, error } = useQuery({
    queryKey: ['transaction', id, listed?.triage?.decided_at],
    queryFn: ({ signal }) => get(detail, `/api/transactions/${encodeURIComponent(id)}`, {}, signal),
    refetchInterval: 5_000,
    placeholderData: (before) => (before?.row.transaction_id === id ? before : undefined),
  })
  const flagged = (data?.row ?? listed)?.flagged ?? false
  const { data: explained } = useQuery({
    queryKey: ['explanation', id],
    queryFn: ({ signal }) => get(explanation, `/api/explanations/${encodeURIComponent(id)}`, {}, signal),
    enabled: flagged,
    staleTime: Infinity,
    retry: false,
  })
  const counterfactual = explained?.counterfactual ?? null
  const closing = useRef<HTMLButtonElement>(null)
  useEffect(() => {
    // Unless its note is being written already.
    const drawer = closing.current?.closest('aside')
    if (!drawer?.contains(document.activeElement)) closing.current?.focus({ preventScroll: true })
  }, [])
  const row = data?.row ?? listed
  const verdict = row && headline(row)
  return (
    <aside className={styles.drawer} aria-label={`Transaction ${id}`} data-testid="drawer" data-id={id}>
      <header className={styles.header}>
        <div>
          {verdict && <Severity severity={verdict.severity} />}
          <h2>
            {row ? (
              <>
                {money(row.amount, row.currency)} <bdi>{row.currency}</bdi>
              </>
            ) : (
              <bdi>{id}</bdi>
            )}
          </h2>
          {row && (
            <p>
              <Link href={`/users/${encodeURIComponent(row.user_id)}`}>
                <bdi>{row.user_id}</bdi>
              </Link>
              <span className="muted">
                {' at '}
                <bdi>{row.merchant.name ?? row.merchant.id ?? 'an unnamed merchant'}</bdi>
              </span>
            </p>
          )}
        </div>
        <button ref={closing} type="button" onClick={onClose} aria-label="Close" title="Close (Esc)">
          ×
        </button>
      </header>
      <div className={styles.body} tabIndex={0} role="region" aria-label="Details">
        {error instanceof ApiError && (
          <div className={styles.section}>
            <ProblemNote problem={error.problem} passing={error.passing} />
          </div>
        )}
        {!row && !error && <p className={`${styles.section} muted`}>Loading…</p>}
        {row && (
          <>
            <TriageBar
              key={`${id} ${row.triage?.note}`}
              row={row}
              onDecide={(wanted) => onDecide(wanted, row)}
              onUndo={onUndo}
              alerts={Math.max(1, alerts.length)}
              noting={noting}
              onNoted={onNoted}
            />
            {alerts.length > 1 && <Case alerts={alerts} shown={id} />}
            <div className={styles.section}>
              {disagreed(row) && <p className={styles.disagree}>The detectors disagree.</p>}
              {counterfactual && (
                <p className={styles.counterfactual} data-testid="counterfactual">
                  <bdi>{counterfactual.text.replace(/^n/, 'N')}</bdi>
                </p>
              )}
              <Verdicts verdicts={[...row.verdicts].sort((a) => (a.detector === 'enhanced' ? -1 : 1))} />
            </div>
            <div className={styles.section}>
              <h3>Transaction</h3>
              <Facts row={row} />
            </div>
          </>
        )}
        {data && data.triage_log.length > 0 && <History lines={data.triage_log} />}
      </div>
    </aside>
  )
}

function Case({ alerts, shown }: { alerts: readonly Row[]; shown: string }) {
  return (
    <div className={styles.section} data-testid="case">
      <h3>Case of {alerts.length} alerts</h3>
      <ol className={styles.case} tabIndex={0} aria-label="Alerts of the case">
        {[...alerts].reverse().map((row) => {
          const verdict = headline(row)
          return (
            <li key={row.transaction_id} aria-current={row.transaction_id === shown ? 'true' : undefined}>
              <span className="muted">{clock(row.timestamp).slice(0, 8)}</span>
              <span>{verdict && score(verdict.score)}</span>
              <span>
                {money(row.amount, row.currency)} <bdi className="muted">{row.currency}</bdi>
              </span>
              <bdi>{row.merchant.name ?? row.merchant.id}</bdi>
            </li>
          )
        })}
      </ol>
    </div>
  )
}

function History({ lines }: { lines: readonly LogLine[] }) {
  return (
    <div className={styles.section}>
      <h3>History</h3>
      <ol className={styles.history}>
        {lines.map((line) => (
          <li key={line.sequence}>
            <span className="muted">{full(line.at).slice(0, 19)}</span> <bdi>{line.decided_by}</bdi>:{' '}
            {line.action.replaceAll('_', ' ')}
            {line.after ? ` → ${STATUS_LABELS[line.after.status]}` : ' → no decision'}
            {line.after?.note && (
              <>
                <br />
                <bdi className="muted">{line.after.note}</bdi>
              </>
            )}
          </li>
        ))}
      </ol>
    </div>
  )
}
