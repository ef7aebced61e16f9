import { expect, test } from 'vitest'
import { decidedMore, progress, takenBack } from '@/lib/pace'

test('what is done, left, and done in the last minute', () => {
  const made = decidedMore(decidedMore([], 2, 1_000), 3, 70_000)
  expect(progress(made, 1_094, 75_000)).toBe('5 done · 1,094 left · 3 a minute')
  expect(progress(takenBack(made, 3), 97, 75_000)).toBe('2 done · 97 left')
  expect(progress([], null, 0)).toBe('0 done')
  expect(progress([], 50, 0, '12 beyond the budget of 50 a day')).toBe(
    '0 done · 50 left · 12 beyond the budget of 50 a day',
  )
})
