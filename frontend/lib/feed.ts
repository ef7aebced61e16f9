/**
 * The rows of a list that is both live and stored: new ones come in at the top, older ones are asked for at the end.
 * Pure; `LiveList` connects it to the API and to the stream.
 */
import type { Change } from './live/messages'
import type { Page, Row } from './schemas'
import { urgency } from './verdicts'

/** Rows kept while the list follows the feed; who scrolls down may have as many as they ask for. */
export const MOST_ROWS = 5_000
/** Rows kept while the list is held. */
export const MOST_HELD = 5_000

/**
 * `rows` and `held` are newest first, or with `ranked` the worst first; `held` came in while the list was held. `next`
 * is where further rows go on: a cursor, `null` when there are none, `undefined` when that is not known (yet, or any
 * more). `torn` says that rows between the first page and these were missed. `received` counts what came in live.
 */
export interface Feed {
  ranked: boolean
  rows: readonly Row[]
  next: string | null | undefined
  held: readonly Row[]
  heldCount: number
  torn: boolean
  received: number
}

/** A list before anything is known. */
export function emptyFeed(ranked = false): Feed {
  return { ranked, rows: [], next: undefined, held: [], heldCount: 0, torn: false, received: 0 }
}

export type Action =
  | { do: 'newest'; page: Page; hold: boolean }
  | { do: 'older'; page: Page }
  | { do: 'live'; rows: readonly Row[]; hold: boolean }
  | { do: 'release' }
  | { do: 'restore'; rows: readonly Row[] }
  | { do: 'tear' }
  | { do: 'triage'; changes: readonly Change[]; keeps: (row: Row) => boolean }

/** The list after `action`; the same object when nothing changed. */
export function feed(state: Feed, action: Action): Feed {
  switch (action.do) {
    case 'newest':
      return action.hold && state.rows.length > 0 ? newestHeld(state, action.page) : newest(state, action.page)
    case 'older':
      return older(state, action.page)
    case 'live':
      return live(state, action.rows, action.hold)
    case 'release':
      return state.heldCount === 0 ? state : release(state)
    case 'restore':
      return restored(state, action.rows)
    case 'tear':
      return { ...state, torn: true }
    case 'triage':
      return triaged(state, action.changes, action.keeps)
  }
}

/** Both lists as one, in `order`, each transaction once; where both have it, as it is in `more`. */
export function merged(rows: readonly Row[], more: readonly Row[], order: Order = byTime): readonly Row[] {
  if (more.length === 0) return rows
  const fresh = [...more].sort(order)
  const ids = new Set(fresh.map((row) => row.transaction_id))
  const result: Row[] = []
  let at = 0
  for (const row of rows) {
    if (ids.has(row.transaction_id)) continue
    while (at < fresh.length && order(fresh[at]!, row) < 0) result.push(fresh[at++]!)
    result.push(row)
  }
  return result.concat(fresh.slice(at))
}

type Order = (a: Row, b: Row) => number

/** The worst first, and the newest first among equals, as the API ranks them. */
export function byWorst(a: Row, b: Row): number {
  return urgency(b) - urgency(a) || byTime(a, b)
}

const orderOf = (state: Feed): Order => (state.ranked ? byWorst : byTime)

/** Newest first; within one microsecond by id, as the API orders them. */
function byTime(a: Row, b: Row): number {
  return b.micros - a.micros || (a.transaction_id < b.transaction_id ? 1 : -1)
}

function newest(state: Feed, page: Page): Feed {
  if (state.ranked) return { ...state, rows: page.rows, next: page.next, held: [], heldCount: 0, torn: false }
  const known = new Set(state.rows.map((row) => row.transaction_id))
  const joins = page.next === null || page.rows.some((row) => known.has(row.transaction_id))
  if (joins && state.next !== undefined) return { ...state, torn: false, rows: merged(state.rows, page.rows) }
  // There is a gap between this page and what is here: older rows are asked for again, by its cursor.
  const last = page.rows.at(-1)
  const later = page.next === null ? state.rows : state.rows.filter((row) => last && byTime(row, last) < 0)
  return { ...state, torn: false, rows: merged(later, page.rows), next: page.next }
}

/** The newest page while the list is held: what is new waits, and only what is listed already is brought up to date. */
function newestHeld(state: Feed, page: Page): Feed {
  if (state.ranked) return { ...state, torn: true }
  const answered = new Map(page.rows.map((row) => [row.transaction_id, row]))
  const rows = state.rows.map((row) => answered.get(row.transaction_id) ?? row)
  const joins = page.next === null || rows.some((row) => answered.has(row.transaction_id))
  return holding({ ...state, rows, torn: state.torn || !joins }, unknown(state, page.rows))
}

function older(state: Feed, page: Page): Feed {
  const known = new Set(state.rows.map((row) => row.transaction_id))
  const rows = state.ranked
    ? [...state.rows, ...page.rows.filter((row) => !known.has(row.transaction_id))]
    : merged(state.rows, page.rows)
  return { ...state, rows, next: page.next }
}

function live(state: Feed, rows: readonly Row[], hold: boolean): Feed {
  const fresh = unknown(state, rows)
  if (fresh.length === 0) return state
  const next = { ...state, received: state.received + fresh.length }
  return hold ? holding(next, fresh) : trimmed(placed(next, fresh))
}

/** With these rows in their places; of a ranked list, those after its last row come with the page they are on. */
function placed(state: Feed, fresh: readonly Row[]): Feed {
  const here = state.ranked ? fresh.filter((row) => reaches(state, row)) : fresh
  return { ...state, rows: merged(state.rows, here, orderOf(state)) }
}

/** Whether the list goes on at least to the place of this row. */
function reaches(state: Feed, row: Row): boolean {
  const last = state.rows.at(-1)
  return state.next === null || (last !== undefined && orderOf(state)(row, last) < 0)
}

/** Those that are neither listed nor held. */
function unknown(state: Feed, rows: readonly Row[]): readonly Row[] {
  const known = new Set([...state.rows, ...state.held].map((row) => row.transaction_id))
  return rows.filter((row) => !known.has(row.transaction_id))
}

/** With these rows among those that wait. */
function holding(state: Feed, fresh: readonly Row[]): Feed {
  const held = merged(state.held, fresh, orderOf(state)).slice(0, MOST_HELD)
  return { ...state, held, heldCount: state.heldCount + fresh.length }
}

function release(state: Feed): Feed {
  const lost = state.heldCount > state.held.length
  return trimmed({ ...placed(state, state.held), held: [], heldCount: 0, torn: state.torn || lost })
}

function trimmed(state: Feed): Feed {
  if (state.rows.length <= MOST_ROWS) return state
  return { ...state, rows: state.rows.slice(0, MOST_ROWS), next: undefined }
}

/** Rows that belong in the list again; those after its last one come with the page they are on. */
function restored(state: Feed, rows: readonly Row[]): Feed {
  const here = rows.filter((row) => reaches(state, row))
  return here.length === 0 ? state : { ...state, rows: merged(state.rows, here, orderOf(state)) }
}

function triaged(state: Feed, changes: readonly Change[], keeps: (row: Row) => boolean): Feed {
  const decisions = new Map(changes.map((change) => [change.transaction_id, change.triage]))
  const decide = (rows: readonly Row[]): readonly Row[] => {
    if (!rows.some((row) => decisions.has(row.transaction_id))) return rows
    return rows.flatMap((row) => {
      const triage = decisions.get(row.transaction_id)
      if (triage === undefined) return [row]
      const decided = { ...row, triage }
      return keeps(decided) ? [decided] : []
    })
  }
  const rows = decide(state.rows)
  const held = decide(state.held)
  if (rows === state.rows && held === state.held) return state
  return { ...state, rows, held, heldCount: state.heldCount - (state.held.length - held.length) }
}
