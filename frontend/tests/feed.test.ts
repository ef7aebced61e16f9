import { describe, expect, test } from 'vitest'
import { emptyFeed, feed, MOST_HELD, MOST_ROWS, type Feed } from '@/lib/feed'
import type { Row } from '@/lib/schemas'
import { pageOf, rowAt } from './rows'

const ids = (state: Feed) => state.rows.map((row) => row.transaction_id)
const live = (state: Feed, rows: Row[], hold = false) => feed(state, { do: 'live', rows, hold })
const from = (first: number, last: number) =>
  Array.from({ length: last - first + 1 }, (_, index) => rowAt(first + index))
const newest = (state: Feed, rows: Row[], next: string | null, hold = false) =>
  feed(state, { do: 'newest', page: pageOf(rows, next), hold })
const started = () => newest(emptyFeed(), [rowAt(3), rowAt(2)], 'cursor 2')

describe('a live list', () => {
  test('puts what comes in where its event time says, newest first', () => {
    expect(ids(live(started(), [rowAt(2.5), rowAt(4)]))).toEqual(['t4', 't3', 't2.5', 't2'])
  })

  test('tells microseconds apart, and within one the higher id comes first, as in the API', () => {
    const state = live(started(), [rowAt(5.000001, 'b'), rowAt(5.000002, 'a'), rowAt(5.000001, 'c')])
    expect(ids(state).slice(0, 3)).toEqual(['a', 'c', 'b'])
  })

  test('shows and counts a row once, however often a resumed stream tells it', () => {
    const state = live(live(started(), [rowAt(4)]), [rowAt(4), rowAt(3)])
    expect(ids(state)).toEqual(['t4', 't3', 't2'])
    expect(state.received).toBe(1)
  })

  test('goes back in time by the cursor of the oldest page', () => {
    const state = feed(started(), { do: 'older', page: pageOf([rowAt(1), rowAt(0)], null) })
    expect(ids(state)).toEqual(['t3', 't2', 't1', 't0'])
    expect(state.next).toBeNull()
  })

  test('keeps rows that came in before the first page was there', () => {
    const early = live(emptyFeed(), [rowAt(9)])
    expect(ids(newest(early, [rowAt(3), rowAt(2)], 'c'))).toEqual(['t9', 't3', 't2'])
  })

  test('forgets the oldest rows beyond its bound, and where they went on', () => {
    const state = live(started(), from(10, 10 + MOST_ROWS - 1))
    expect(state.rows).toHaveLength(MOST_ROWS)
    expect(ids(state)).not.toContain('t2')
    expect(state.next).toBeUndefined()
  })
})

describe('a held list', () => {
  test('leaves its rows alone and counts what came in', () => {
    const state = live(live(started(), [rowAt(4)], true), [rowAt(5)], true)
    expect(ids(state)).toEqual(['t3', 't2'])
    expect(state.heldCount).toBe(2)
    expect(ids(feed(state, { do: 'release' }))).toEqual(['t5', 't4', 't3', 't2'])
  })

  test('leaves its rows alone when the newest page is answered, too', () => {
    const state = newest(live(started(), [rowAt(4)], true), [rowAt(5), rowAt(4), rowAt(2.5), rowAt(2)], 'c', true)
    expect(ids(state)).toEqual(['t3', 't2'])
    expect(state.heldCount).toBe(3)
    expect(state.torn).toBe(false)
    expect(ids(feed(state, { do: 'release' }))).toEqual(['t5', 't4', 't3', 't2.5', 't2'])
  })

  test('is torn by a page that it cannot join, and has the first page all the same', () => {
    const state = newest(started(), [rowAt(9), rowAt(8)], 'cursor 8', true)
    expect(ids(state)).toEqual(['t3', 't2'])
    expect(state.torn).toBe(true)
    expect(ids(newest(emptyFeed(), [rowAt(3)], null, true))).toEqual(['t3'])
  })

  test('loses nothing of a burst while there is room for it', () => {
    const state = feed(live(started(), from(10, 1009), true), { do: 'release' })
    expect(state.rows).toHaveLength(1002)
    expect(state.torn).toBe(false)
  })

  test('knows that rows are missing when more came in than it keeps', () => {
    const state = live(started(), from(10, 10 + MOST_HELD), true)
    expect(state.heldCount).toBe(MOST_HELD + 1)
    expect(state.held).toHaveLength(MOST_HELD)
    expect(feed(state, { do: 'release' }).torn).toBe(true)
  })
})

describe('a torn list', () => {
  const torn = () => feed(started(), { do: 'tear' })

  test('is whole again by a newest page that reaches its rows', () => {
    const state = newest(torn(), [rowAt(5), rowAt(4), rowAt(3)], 'cursor 3')
    expect(ids(state)).toEqual(['t5', 't4', 't3', 't2'])
    expect(state).toMatchObject({ torn: false, next: 'cursor 2' })
  })

  test('begins again with a newest page that does not, so that no gap is hidden in it', () => {
    const state = newest(torn(), [rowAt(9), rowAt(8)], 'cursor 8')
    expect(ids(state)).toEqual(['t9', 't8'])
    expect(state).toMatchObject({ torn: false, next: 'cursor 8' })
  })
})

describe('decisions', () => {
  const confirmed = {
    transaction_id: 't3',
    status: 'confirmed' as const,
    until: null,
    note: '',
    decided_by: 'ann',
    decided_at: '2026-03-01T00:00:00Z',
  }

  test('show on the row', () => {
    const state = feed(started(), {
      do: 'triage',
      changes: [{ transaction_id: 't3', triage: confirmed }],
      keeps: () => true,
    })
    expect(state.rows[0]?.triage?.status).toBe('confirmed')
  })

  test('take the row out of a list that does not want it any more', () => {
    const keeps = (row: Row) => row.triage === null
    const state = live(started(), [rowAt(4)], true)
    const changes = ['t3', 't4'].map((id) => ({ transaction_id: id, triage: { ...confirmed, transaction_id: id } }))
    const decided = feed(state, { do: 'triage', changes, keeps })
    expect(ids(decided)).toEqual(['t2'])
    expect(decided.heldCount).toBe(0)
  })

  test('that were taken back bring the row back where it was, but not below the oldest row', () => {
    const state = feed(started(), { do: 'restore', rows: [rowAt(2.5), rowAt(1)] })
    expect(ids(state)).toEqual(['t3', 't2.5', 't2'])
    expect(state.received).toBe(0)
  })

  test('about other rows change nothing', () => {
    const state = started()
    expect(
      feed(state, { do: 'triage', changes: [{ transaction_id: 'x', triage: confirmed }], keeps: () => true }),
    ).toBe(state)
  })
})

describe('a ranked list', () => {
  const scored = (second: number, score: number) => {
    const row = rowAt(second)
    return { ...row, verdicts: row.verdicts.map((verdict) => ({ ...verdict, score })) }
  }
  const ranked = () => newest(emptyFeed(true), [scored(2, 0.9), scored(7, 0.8), scored(1, 0.8)], 'r1')

  test('takes in what comes at its place, the newest first among equals', () => {
    const state = live(ranked(), [scored(8, 0.85), scored(9, 0.99), scored(5, 0.8)])
    expect(ids(state)).toEqual(['t9', 't2', 't8', 't7', 't5', 't1'])
    expect(state.heldCount).toBe(0)
  })

  test('goes by severity, then by the score as it is shown, then by time', () => {
    const state = newest(emptyFeed(true), [scored(1, 0.5)], 'r1')
    const rows = [scored(2, 0.899), scored(3, 0.901), scored(4, 0.896), scored(5, 0.894), scored(6, 0.9)]
    expect(ids(live(state, rows))).toEqual(['t6', 't3', 't4', 't2', 't5', 't1'])
  })

  test('leaves what comes after its last row to the page it is on, unless there is none', () => {
    expect(ids(live(ranked(), [scored(9, 0.3)]))).toEqual(['t2', 't7', 't1'])
    const whole = newest(emptyFeed(true), [scored(2, 0.9)], null)
    expect(ids(live(whole, [scored(9, 0.3)]))).toEqual(['t2', 't9'])
    expect(ids(live(newest(emptyFeed(true), [], null), [scored(9, 0.3)]))).toEqual(['t9'])
  })

  test('counts what comes while it is held, and takes it in when it is let go', () => {
    const state = live(ranked(), [scored(9, 0.99)], true)
    expect(ids(state)).toEqual(['t2', 't7', 't1'])
    expect(state.heldCount).toBe(1)
    expect(ids(feed(state, { do: 'release' }))).toEqual(['t9', 't2', 't7', 't1'])
  })

  test('gets back what a decision took, where it was', () => {
    const state = feed(ranked(), { do: 'restore', rows: [scored(4, 0.85)] })
    expect(ids(state)).toEqual(['t2', 't4', 't7', 't1'])
  })

  test('appends further pages, each transaction once', () => {
    const state = feed(ranked(), { do: 'older', page: pageOf([scored(7, 0.8), scored(0, 0.1)], null) })
    expect(ids(state)).toEqual(['t2', 't7', 't1', 't0'])
  })
})
