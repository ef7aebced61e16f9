import { describe, expect, test } from 'vitest'
import { casesOf } from '@/lib/cases'
import { rowAt } from './rows'

const enhanced = { detector: 'enhanced', threshold: 0.7, flagged: true, severity: 'critical', model_version: '1' }
const alert = (minute: number, id: string, user: string, score = 0.95, changes: object = {}) =>
  rowAt(minute * 60, id, { user_id: user, verdicts: [{ ...enhanced, score }], ...changes })
const decided = {
  transaction_id: 'b',
  status: 'confirmed' as const,
  until: null,
  note: '',
  decided_by: 'ann',
  decided_at: '2026-03-01T12:00:00Z',
}

describe('alerts of one user within five minutes of each other', () => {
  test('are one case, listed by its worst alert in the order of the list', () => {
    const rows = [
      alert(20, 'e', 'u-1'),
      alert(6, 'd', 'u-2'),
      alert(5, 'c', 'u-1', 0.96),
      alert(2, 'b', 'u-1', 0.99),
      alert(0, 'a', 'u-1', 0.93),
    ]
    const { rows: leads, of } = casesOf(rows, 0)
    expect(leads.map((row) => row.transaction_id)).toEqual(['e', 'd', 'b'])
    expect(of.get('b')?.map((row) => row.transaction_id)).toEqual(['a', 'b', 'c'])
  })

  test('that are decided on already are not decided on again', () => {
    const rows = [alert(2, 'b', 'u-1', 0.99, { triage: decided }), alert(1, 'a', 'u-1')]
    const { rows: leads, of } = casesOf(rows, 0)
    expect(leads.map((row) => row.transaction_id)).toEqual(['a'])
    expect(of.get('a')).toHaveLength(1)
  })

  test('the newest of equals leads', () => {
    const equals = [alert(2, 'b', 'u-1', 0.951), alert(1, 'a', 'u-1', 0.952)]
    expect(casesOf(equals, 0).rows.map((row) => row.transaction_id)).toEqual(['b'])
  })
})
