import { createLoader } from 'nuqs/server'
import { describe, expect, test } from 'vitest'
import { anomaliesUrl, transactionsUrl, usersUrl } from '@/lib/url'
import { withParameters } from '@/lib/api'
import { both, characters, completed, ofIds, ofUser, usersBy } from '@/lib/filters'

describe('the URL of a page', () => {
  test('holds every filter', () => {
    const load = createLoader(anomaliesUrl)
    expect(load('?q=amount%3E500&status=confirmed&severity=critical&sort=score&group=case&open=t%2F1')).toEqual({
      q: 'amount>500',
      status: 'confirmed',
      severity: 'critical',
      sort: 'score',
      group: 'case',
      open: 't/1',
    })
  })

  test('has defaults for what is missing and for what is nonsense', () => {
    const defaults = { q: '', status: 'open', severity: 'all', sort: 'score', group: 'alert', open: null }
    expect(createLoader(anomaliesUrl)('')).toEqual(defaults)
    expect(createLoader(anomaliesUrl)('?status=nonsense&sort=1')).toEqual(defaults)
    expect(createLoader(usersUrl)('?order=worst')).toEqual({ prefix: '', q: '', order: 'flagged' })
    expect(createLoader(transactionsUrl)('')).toEqual({ q: '', open: null })
  })

  test('leaves out what has no value', () => {
    expect(withParameters('/api/x', { q: '', limit: 5, cursor: null, of: 'a&b' })).toBe('/api/x?limit=5&of=a%26b')
    expect(withParameters('/api/x', { q: undefined })).toBe('/api/x')
  })
})

describe('filters', () => {
  test('that are joined keep their meaning', () => {
    expect(both('amount>5 or country:FR', 'severity>=critical')).toBe('(amount>5 or country:FR) severity>=critical')
    expect(both('  ', 'is:flagged')).toBe('is:flagged')
    expect(both('is:flagged', '')).toBe('is:flagged')
  })

  test('name a user of any letters', () => {
    expect(ofUser('a "b" \\')).toBe('user="a \\"b\\" \\\\"')
  })

  test('name transactions', () => {
    expect(ofIds(['a', 'b"c'])).toBe('id="a","b\\"c"')
  })

  test('look for users by id, by what they did, or by both', () => {
    expect(usersBy('u-0', '')).toEqual({ prefix: 'u-0' })
    expect(usersBy('', 'category:fuel')).toEqual({ q: 'category:fuel' })
    expect(usersBy('u-0', 'a or b')).toEqual({ q: '(a or b) user:u-0*' })
  })

  test('are completed by characters, not by UTF-16 units', () => {
    const text = '"😀" cou'
    expect(characters(text, text.length)).toBe(7)
    expect(completed(text, { word: 'country', start: 4, end: 7 })).toEqual({ text: '"😀" country', cursor: 12 })
  })
})
