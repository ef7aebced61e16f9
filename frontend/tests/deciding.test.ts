import { describe, expect, test } from 'vitest'
import { nextOpen, outcome, READ_WITHIN_MS, wasRead } from '@/lib/deciding'
import { rowAt } from './rows'

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

  test('what it replaced is named', () => {
    expect(outcome('acknowledged', 'u-1 9.00 EUR', 'confirmed')).toBe('Acknowledged, was confirmed fraud: u-1 9.00 EUR')
    expect(outcome('confirmed', 'u-1 9.00 EUR', null)).toBe('Confirmed fraud: u-1 9.00 EUR')
    expect(outcome(null, 'u-1 9.00 EUR', 'confirmed')).toBe('Note written: u-1 9.00 EUR')
  })
})
