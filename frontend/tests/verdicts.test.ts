import { describe, expect, test } from 'vitest'
import { figuresOf } from '@/lib/engine'
import { effective, factors, flaggedBy, headline } from '@/lib/verdicts'
import { rowAt } from './rows'

const verdict = (detector: string, score: number, flagged: boolean, reasons: unknown[] = []) => ({
  detector,
  score,
  threshold: 0.7,
  flagged,
  severity: 'suspicious',
  model_version: '1',
  reasons,
})

describe('a row', () => {
  test('is listed under the enhanced verdict', () => {
    const row = rowAt(1, 'a', { verdicts: [verdict('basic', 0.9, true), verdict('enhanced', 0.8, true)] })
    expect(headline(row)?.detector).toBe('enhanced')
  })

  test('is listed under another one when only that flagged it', () => {
    const row = rowAt(1, 'a', { verdicts: [verdict('enhanced', 0.2, false), verdict('basic', 0.9, true)] })
    expect(headline(row)?.detector).toBe('basic')
    expect(flaggedBy(row)).toBe('basic only')
  })

  test('is worth what the detector makes of it that knows the user', () => {
    const row = rowAt(1, 'a', { verdicts: [verdict('enhanced', 0.2, false), verdict('basic', 0.9, true)] })
    expect([headline(row)?.score, headline(row)?.severity]).toEqual([0.2, 'unusual'])
  })

  test('names the factors that weigh, the weightiest first, each once', () => {
    const reason = (factor: string, contribution: number) => ({ feature: 'f', factor, contribution })
    const reasons = [
      reason('time', 0.06),
      reason('amount', 0.5),
      reason('amount', 0.2),
      reason('merchant', 0.01),
      reason('other', 0.3),
    ]
    const row = rowAt(1, 'a', { verdicts: [verdict('enhanced', 0.8, true, reasons)] })
    expect(factors(headline(row)!)).toBe('amount, time')
  })

  test('is open again when its snooze is over', () => {
    const until = '2026-03-01T12:00:00Z'
    const triage = {
      transaction_id: 'a',
      status: 'snoozed' as const,
      until,
      note: '',
      decided_by: 'ann',
      decided_at: until,
    }
    expect(effective(triage, Date.parse(until) - 1)).toBe('snoozed')
    expect(effective(triage, Date.parse(until))).toBe('open')
    expect(effective(null, 0)).toBe('open')
  })
})

describe('figures', () => {
  test('of a detector are read off its counts', () => {
    const counted = {
      detector: 'basic',
      labelled: 200,
      anomalous: 10,
      flagged: 8,
      caught: 4,
      kinds: [],
      bands: [],
      estimated: null,
    }
    expect(figuresOf(counted)).toEqual({ precision: 0.5, recall: 0.4, f1: 0.4444444444444445, alertRate: 0.04 })
    expect(figuresOf({ ...counted, flagged: 0, caught: 0 })).toMatchObject({ precision: null, recall: 0, f1: null })
  })
})
