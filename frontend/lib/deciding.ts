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

/** Where a reader of a list is: on which row, and since when (milliseconds) if the page went there by itself. */
export interface Place {
  id: string | null
  cameAt: number
}

/** On a row that the reader chose, or on none. */
export const chosen = (id: string | null): Place => ({ id, cameAt: -Infinity })

/** Whether a list keeps its rows where they are: they must not move under the eyes of whoever reads one of them. */
export const held = (place: Place, paused = false, scrolled = false): boolean => paused || scrolled || place.id !== null

/**
 * Where a key at `now` leads that decides `status` on the transaction `id` of these rows, which was `before`: to the next
 * open alert of a list that is worked through, or nowhere else. Null when the key cannot be meant for that row.
 */
export function afterKey(
  place: Place,
  { rows, id, before, status, clock }: Deciding,
  now: number,
  worked = true,
): Place | null {
  if (!wasRead(place.cameAt, now)) return null
  const changes = status !== null && before !== status
  const next = worked && changes && place.id === id ? nextOpen(rows, id, clock) : null
  return next === null ? place : { id: next, cameAt: now }
}

/** A decision on a transaction that is `id` among these rows; `clock` is the stream's. */
export interface Deciding {
  rows: readonly Row[]
  id: string
  before: TriageStatus
  status: TriageStatus | null
  clock: number
}

/** What a decision did, in words: it names the decision that it replaced. */
export function outcome(status: TriageStatus | null, subject: string, before: TriageStatus | null): string {
  if (status === null) return `Note written: ${subject}`
  const was = before !== null && before !== 'open' ? `, was ${STATUS_LABELS[before].toLowerCase()}` : ''
  return `${STATUS_LABELS[status]}${was}: ${subject}`
}
