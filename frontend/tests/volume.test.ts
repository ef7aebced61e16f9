import { expect, test } from 'vitest'
import { spanOf, steps, totalsOf } from '@/lib/engine'

const at = (minute: number) => new Date(Date.UTC(2026, 2, 1, 12, minute)).toISOString()
const volume = (...minutes: number[]) => minutes.map((minute) => ({ at: at(minute), transactions: 60, flagged: 1 }))

test('soon after a start the chart begins where the transactions do, not an hour before', () => {
  const shown = steps({ volume: volume(50, 51, 53), until: at(54), step: 60 })
  expect(shown.map((minute) => minute.at)).toEqual([49, 50, 51, 52, 53].map(at))
  expect(shown.map((minute) => minute.transactions)).toEqual([0, 60, 60, 0, 60])
  expect(spanOf(shown.length, 60)).toBe('last 5 minutes')
})

test('a whole hour is an hour, and nothing older', () => {
  const shown = steps({
    volume: volume(...Array.from({ length: 70 }, (_, minute) => minute - 10)),
    until: at(60),
    step: 60,
  })
  expect(shown).toHaveLength(60)
  expect(shown[0]!.at).toBe(at(0))
  expect(spanOf(shown.length, 60)).toBe('last hour')
})

test('the minute that is not over is shown only when there is no other', () => {
  expect(steps({ volume: volume(54), until: at(54), step: 60 }).at(-1)!.transactions).toBe(60)
  expect(steps({ volume: volume(53, 54), until: at(54), step: 60 }).at(-1)!.at).toBe(at(53))
  expect(steps({ volume: [], until: at(54), step: 60 })).toHaveLength(5)
})

test('a stream whose clock runs faster is counted by hour', () => {
  const hour = (number: number) => new Date(Date.UTC(2026, 2, 1, number)).toISOString()
  const volume = Array.from({ length: 60 }, (_, number) => ({ at: hour(number), transactions: 40, flagged: 2 }))
  const shown = steps({ volume, until: hour(60), step: 3_600 })
  expect(shown).toHaveLength(48)
  expect(shown.at(-1)!.at).toBe(hour(59))
  expect(spanOf(shown.length, 3_600)).toBe('last 2 days')
  expect(spanOf(12, 3_600)).toBe('last 12 hours')
})

test('what is counted of a span is what its chart shows', () => {
  const shown = steps({ volume: volume(50, 51, 54), until: at(54), step: 60 })
  expect(totalsOf(shown)).toEqual({ transactions: 120, flagged: 2 })
})
