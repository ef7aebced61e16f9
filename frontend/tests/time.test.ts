import { describe, expect, test } from 'vitest'
import { clock, full, microseconds, span } from '@/lib/time'

describe('times', () => {
  test('are exact to the microsecond', () => {
    const before = microseconds('2026-11-25T15:07:19.016997Z')
    expect(microseconds('2026-11-25T15:07:19.016998Z') - before).toBe(1)
    expect(before).toBe(Date.UTC(2026, 10, 25, 15, 7, 19) * 1000 + 16_997)
  })

  test('may leave the fraction out, and have another zone', () => {
    expect(microseconds('2026-11-25T16:07:19+01:00')).toBe(microseconds('2026-11-25T15:07:19.0Z'))
  })

  test('that are none are refused', () => {
    expect(() => microseconds('yesterday')).toThrow(RangeError)
  })

  test('read in UTC', () => {
    expect(clock('2026-11-25T15:07:19.016997Z')).toBe('15:07:19.016')
    expect(full('2026-11-25T15:07:19.016997Z')).toBe('2026-11-25 15:07:19.016997 UTC')
  })

  test.each([
    [0.42, '0.4 s'],
    [59, '59 s'],
    [119, '119 s'],
    [150, '2 min'],
    [7300, '2 h'],
    [200_000, '2 d'],
    [-1, '0.0 s'],
  ])('%d seconds are %s', (seconds, text) => {
    expect(span(seconds)).toBe(text)
  })
})
