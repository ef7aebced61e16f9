import { describe, expect, test } from 'vitest'
import { decimals, money, roundMoney } from '@/lib/money'

describe('money', () => {
  test.each([
    ['9200', 'EUR', '9,200.00'],
    ['0.1', 'USD', '0.10'],
    ['12873', 'JPY', '12,873'],
    ['1.5', 'KWD', '1.500'],
    ['1.5', 'CLF', '1.5000'],
    ['-3.2', 'EUR', '-3.20'],
    ['7', 'XYZ', '7.00'],
  ])('%s %s is %s', (amount, currency, text) => {
    expect(money(amount, currency)).toBe(text)
  })

  test('keeps every digit that was given, where a number would not', () => {
    expect(money('999999999999999.12345678', 'EUR')).toBe('999,999,999,999,999.12345678')
    expect(money('0.00000001', 'JPY')).toBe('0.00000001')
  })

  test('rounds what was calculated to the minor unit', () => {
    expect(roundMoney(158.187, 'BRL')).toBe('158.19')
    expect(roundMoney(4878.4, 'JPY')).toBe('4,878')
  })

  test('has two decimals for a code it does not know', () => {
    expect(decimals('ABC')).toBe(2)
  })
})
