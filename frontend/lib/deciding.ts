/** Working through a list: which alert comes next, and whether the one that a key would decide on can have been read. */
import type { Row, TriageStatus } from './schemas'
import { effective, STATUS_LABELS } from './verdicts'

/** Milliseconds that a row must have been chosen by the page before anybody can have read it. */
export const READ_WITHIN_MS = 500

/** The next open alert after `id`, or else the first one before it; null when no other is open. */
export function nextOpen(rows: readonly Row[], id: string, now: number): string | null {
  const at = rows.findIndex((row) => row.transaction_id === id)
  const open = (row: Row) => row.flagged && row.transaction_id !== id && effective(row.triage, now) === 'open'
  const next = rows.slice(at + 1).find(open) ?? rows.slice(0, Math.max(at, 0)).find(open)
  return next?.transaction_id ?? null
}

/** Whether a row that the page itself went to at `cameAt` has been there for long enough to be meant by a key. */
export const wasRead = (cameAt: number, now: number): boolean => now - cameAt >= READ_WITHIN_MS

/** What a decision did, in words: it names the decision that it replaced. */
export function outcome(status: TriageStatus | null, subject: string, before: TriageStatus | null): string {
  if (status === null) return `Note written: ${subject}`
  const was = before !== null && before !== 'open' ? `, was ${STATUS_LABELS[before].toLowerCase()}` : ''
  return `${STATUS_LABELS[status]}${was}: ${subject}`
}
