import { expect, test } from 'vitest'
import { lastHour, spanOf } from '@/lib/engine'

const at = (minute: number) => new Date(Date.UTC(2026, 2, 1, 12, minute)).toISOString()
const volume = (...minutes: number[]) => minutes.map((minute) => ({ at: at(minute), transactions: 60, flagged: 1 }))

test('soon after a start the chart begins where the transactions do, not an hour before', () => {
  const shown = lastHour(volume(50, 51, 53), at(54))
  expect(shown.map((minute) => minute.at)).toEqual([49, 50, 51, 52, 53].map(at))
  expect(shown.map((minute) => minute.transactions)).toEqual([0, 60, 60, 0, 60])
  expect(spanOf(shown)).toBe('last 5 minutes')
})

test('a whole hour is an hour, and nothing older', () => {
  const shown = lastHour(volume(...Array.from({ length: 70 }, (_, minute) => minute - 10)), at(60))
  expect(shown).toHaveLength(60)
  expect(shown[0]!.at).toBe(at(0))
  expect(spanOf(shown)).toBe('last hour')
})

test('the minute that is not over is shown only when there is no other', () => {
  expect(lastHour(volume(54), at(54)).at(-1)!.transactions).toBe(60)
  expect(lastHour(volume(53, 54), at(54)).at(-1)!.at).toBe(at(53))
  expect(lastHour([], at(54))).toHaveLength(5)
})
