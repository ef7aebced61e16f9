import { describe, expect, test } from 'vitest'
import { livenessOf, type Still } from '@/lib/live/liveness'
import type { Status } from '@/lib/live/messages'
import type { Heard } from '@/lib/live/status'
import { STATUS as QUIET } from './connection'

const NOW = Date.UTC(2026, 2, 1)
const STATUS: Status = { ...QUIET, at: '2026-03-01T00:00:10Z', last_stored_at: '2026-03-01T00:00:09.6Z' }
const heard = (change: Partial<Heard> = {}, status: Partial<Status> = {}): Heard => ({
  status: { ...STATUS, ...status },
  heardAt: NOW,
  down: null,
  rates: [],
  ...change,
})
const state = (value: Heard, still: Still = null, later = 0) => livenessOf(value, still, NOW + later).state

describe('the live marker', () => {
  test('says live only while it hears from an engine that stores', () => {
    expect(livenessOf(heard(), null, NOW)).toMatchObject({ state: 'live', detail: 'last transaction 0.4 s ago' })
  })

  test('waits for the first word', () => {
    expect(state(heard({ status: null }))).toBe('waiting')
  })

  test('is never live over old news', () => {
    expect(state(heard(), null, 3_500)).toBe('stale')
    expect(state(heard({}, { last_stored_at: '2026-02-28T23:59:00Z' }))).toBe('stale')
    expect(state(heard({}, { database_up: false }))).toBe('stale')
  })

  test('tells a feed without transactions from one that does not get on', () => {
    const old = { last_stored_at: '2026-02-28T23:59:00Z' }
    expect(livenessOf(heard({}, old), null, NOW).label).toBe('Quiet')
    expect(livenessOf(heard({}, { ...old, lag: 8_043 }), null, NOW).label).toBe('Stalled')
  })

  test('says that it was paused, unless there is worse to say', () => {
    expect(state(heard(), 'paused')).toBe('paused')
    expect(state(heard({}, { database_up: false }), 'paused')).toBe('stale')
  })

  test('tells a list that was paused from one that is only read', () => {
    expect(livenessOf(heard(), 'paused', NOW).label).toBe('Paused')
    expect(livenessOf(heard(), 'held', NOW).label).toBe('Held')
  })

  test('says why it is down, and how old what is shown is', () => {
    const problem = {
      type: 'about:blank',
      title: 'Service Unavailable',
      status: 503,
      detail: 'the engine does not answer',
    }
    expect(livenessOf(heard({ down: problem }), null, NOW + 60_000)).toEqual({
      state: 'down',
      label: 'Down',
      detail: 'The engine does not answer, last transaction 60 s ago',
    })
  })

  test('ages by the difference of clocks, not by whose clock is right', () => {
    const skewed = heard({}, { at: '2020-01-01T00:00:01Z', last_stored_at: '2020-01-01T00:00:00Z' })
    expect(livenessOf(skewed, null, NOW).detail).toBe('last transaction 1.0 s ago')
  })
})
