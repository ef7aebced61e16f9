import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Message } from '@/lib/live/messages'
import { Source } from '@/lib/live/source'
import { Connection, STATUS } from './connection'

const newest = () => Connection.all.at(-1)!
let told: Message[]
let source: Source

beforeEach(() => {
  vi.useFakeTimers()
  vi.stubGlobal('EventSource', Connection)
  Connection.all = []
  told = []
  source = new Source({ of: 'anomalies', q: 'amount>5' }, (message) => told.push(message))
})

afterEach(() => {
  source.close()
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

describe('the live stream', () => {
  test('asks for its topic and tells what it hears', () => {
    expect(newest().url).toBe('/api/stream?of=anomalies&q=amount%3E5')
    newest().tell('status', STATUS, 'e1.7.0')
    newest().tell('missed', { count: 3 }, 'e1.7.0')
    expect(told.map((message) => message.kind)).toEqual(['status', 'missed'])
  })

  test('goes on after its last mark when it broke off', () => {
    newest().tell('rows', { rows: [] }, 'e1.41.2')
    newest().onerror?.()
    expect(newest().closed).toBe(true)
    expect(told.at(-1)).toMatchObject({ kind: 'down' })
    vi.advanceTimersByTime(10_000)
    expect(newest().url).toContain('after=e1.41.2')
  })

  test('says why there is no engine, and tries again', () => {
    const down = { type: 'about:blank', title: 'The engine does not answer', status: 503, detail: 'Start it.' }
    newest().tell('status', { at: STATUS.at, down })
    expect(told).toEqual([{ kind: 'down', problem: down }])
    vi.advanceTimersByTime(500)
    expect(Connection.all).toHaveLength(2)
  })

  test('waits longer after each failure, but never longer than ten seconds, and shortly again after a success', () => {
    const wait = () => {
      newest().onerror?.()
      const from = Date.now()
      vi.advanceTimersToNextTimer()
      return Date.now() - from
    }
    const waits = Array.from({ length: 8 }, wait)
    expect(waits[0]).toBeLessThanOrEqual(500)
    expect(waits[7]).toBeGreaterThanOrEqual(5_000)
    expect(Math.max(...waits)).toBeLessThanOrEqual(10_000)
    newest().tell('status', STATUS)
    expect(wait()).toBeLessThanOrEqual(500)
  })

  test('takes silence for a break', () => {
    newest().tell('status', STATUS, 'e1.7.0')
    vi.advanceTimersByTime(5_000)
    expect(newest().closed).toBe(false)
    vi.advanceTimersByTime(1_001)
    expect(Connection.all[0]!.closed).toBe(true)
    expect(told.at(-1)).toMatchObject({ kind: 'down' })
  })

  test('refuses what it does not understand instead of showing it', () => {
    newest().tell('rows', { rows: [{ transaction_id: 5 }] }, 'e1.8.0')
    expect(told).toEqual([expect.objectContaining({ kind: 'down' })])
    vi.advanceTimersByTime(500)
    expect(newest().url).not.toContain('after=')
  })

  test('is over when it is closed', () => {
    source.close()
    vi.advanceTimersByTime(60_000)
    expect(Connection.all).toHaveLength(1)
  })
})
