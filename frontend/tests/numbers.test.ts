import { expect, test } from 'vitest'
import { brief, pace, percent, rate, score } from '@/lib/numbers'

test.each([
  ['a pace', pace(0.42), '0.4'],
  ['a fast pace', pace(60_189), '60,189'],
  ['the pace of one transaction', pace(0), '–'],
  ['a score', score(0.857), '.86'],
  ['the highest score', score(0.996), '1.0'],
  ['a small share', percent(0.004), '0.4 %'],
  ['a share', percent(0.123), '12.3 %'],
  ['no share', percent(0), '0.0 %'],
  ['a low rate', rate(0.42), '0.4/s'],
  ['a high rate', rate(1_234.5), '1,235/s'],
  ['a number with all its digits', brief(9_999), '9,999'],
  ['a large number', brief(12_345), '12.3K'],
])('%s', (_, shown, expected) => expect(shown).toBe(expected))
