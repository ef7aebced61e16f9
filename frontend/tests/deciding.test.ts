import { describe, expect, test } from 'vitest'
import { emptyFeed, feed } from '@/lib/feed'
import type { Row } from '@/lib/schemas'
import { afterKey, chosen, held, nextOpen, outcome, READ_WITHIN_MS, wasRead } from '@/lib/deciding'
import { pageOf, rowAt } from './rows'

const decided = {
  transaction_id: 'b',
  status: 'confirmed' as const,
  until: null,
  note: '',
  decided_by: 'ann',
  decided_at: '2026-03-01T12:00:00Z',
}
const rows = [
  rowAt(4, 'a', { flagged: true }),
  rowAt(3, 'b', { flagged: true, triage: decided }),
  rowAt(2, 'c', { flagged: true }),
  rowAt(1, 'd', { flagged: false }),
]

describe('after a decision', () => {
  test('the next open alert below follows, or else the first one above', () => {
    expect(nextOpen(rows, 'a', 0)).toBe('c')
    expect(nextOpen(rows, 'c', 0)).toBe('a')
  })

  test('nothing follows when no other alert is open', () => {
    expect(nextOpen([rows[1]!, rows[3]!], 'b', 0)).toBeNull()
  })

  test('a second key within half a second does not fall on the row that followed', () => {
    expect(wasRead(1_000, 1_000 + READ_WITHIN_MS - 1)).toBe(false)
    expect(wasRead(1_000, 1_000 + READ_WITHIN_MS)).toBe(true)
    expect(wasRead(-Infinity, 0)).toBe(true)
  })

  test('it leads on where a list is worked through and something changed, and nowhere else', () => {
    const open = { rows, id: 'a', before: 'open', status: 'confirmed', clock: 0 } as const
    const here = chosen('a')
    expect(afterKey(here, open, 5)).toEqual({ id: 'c', cameAt: 5 })
    expect(afterKey(here, open, 5, false)).toBe(here)
    expect(afterKey(here, { ...open, before: 'confirmed' }, 5)).toBe(here)
    expect(afterKey(here, { ...open, status: null }, 5)).toBe(here)
    expect(afterKey(chosen('d'), open, 5)).toEqual(chosen('d'))
    expect(afterKey({ id: 'a', cameAt: 0 }, open, READ_WITHIN_MS - 1)).toBeNull()
  })

  test('what it replaced is named', () => {
    expect(outcome('acknowledged', 'u-1 9.00 EUR', 'confirmed')).toBe('Acknowledged, was confirmed fraud: u-1 9.00 EUR')
    expect(outcome('confirmed', 'u-1 9.00 EUR', null)).toBe('Confirmed fraud: u-1 9.00 EUR')
    expect(outcome(null, 'u-1 9.00 EUR', 'confirmed')).toBe('Note written: u-1 9.00 EUR')
  })
})

/** On each of two lists: a thousand in all. */
const DECISIONS = 500

/** Numbers from 0 to below 1, the same ones every time. */
function chance(seed: number): () => number {
  return () => (seed = (seed * 16_807) % 2_147_483_647) / 2_147_483_647
}

const template = rowAt(0)
const alert = (micros: number, score: number): Row => ({
  ...template,
  micros,
  transaction_id: `t${micros}`,
  verdicts: template.verdicts.map((verdict) => ({ ...verdict, score })),
})

describe.each([
  ['the worst first', true],
  ['the newest first', false],
])('a thousand decisions under a hundred transactions a second, %s', (_, ranked) => {
  test('each fall on the alert that was read', () => {
    const next = chance(ranked ? 7 : 8)
    let [made, now] = [0, 0]
    const arrived = (milliseconds: number) => {
      now += milliseconds
      const fresh: Row[] = []
      // One in twenty is flagged.
      for (; made < now / 10; made++) if (made % 20 === 0) fresh.push(alert(made, next()))
      list = feed(list, { do: 'live', rows: fresh, hold: held(place) })
    }
    const keeps = (row: Row) => row.triage === null
    let list = feed(emptyFeed(ranked), { do: 'newest', page: pageOf([], null), hold: false })
    let place = chosen(null)
    const done = new Set<string>()
    arrived(500)
    while (done.size < DECISIONS) {
      if (place.id === null) {
        // What came in meanwhile is let in, and the reader goes to the first row.
        list = feed(list, { do: 'release' })
        place = chosen(list.rows[0]!.transaction_id)
      }
      const read: string = place.id!
      const at = list.rows.findIndex((row) => row.transaction_id === read)
      arrived(next() * 1_000)
      expect(list.rows[at]!.transaction_id, 'no row moves under the eyes').toBe(read)
      // A key is often pressed twice, and the second time it is meant for the same alert.
      for (const later of next() < 0.5 ? [0] : [0, next() * READ_WITHIN_MS * 0.99]) {
        arrived(later)
        const id: string = place.id!
        const deciding = { rows: list.rows, id, before: 'open', status: 'confirmed', clock: now } as const
        const after = afterKey(place, deciding, now)
        if (after === null) continue
        expect(id).toBe(read)
        expect(done).not.toContain(read)
        done.add(read)
        const change = { transaction_id: read, triage: { ...decided, transaction_id: read } }
        list = feed(list, { do: 'triage', changes: [change], keeps })
        // Where no other one is open, the reader lets in what waits.
        place = after === place ? chosen(null) : after
        if (place.id === null) break
      }
    }
    expect(done.size).toBe(DECISIONS)
  })
})
