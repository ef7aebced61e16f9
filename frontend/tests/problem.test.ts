import { describe, expect, test } from 'vitest'
import { problem, summary } from '@/lib/problem'

describe('a problem in one line', () => {
  const engines = { type: 'about:blank', title: 'Not Found', status: 404, detail: 'user u-1 has no profile' }

  test('is what the engine says, not the name of a status', () => {
    expect(summary(engines)).toBe('User u-1 has no profile')
    expect(summary({ ...engines, detail: '' })).toBe('Not Found')
  })

  test('is the title of ours', () => {
    expect(summary(problem(503, 'The engine does not answer', 'Start it.'))).toBe('The engine does not answer')
  })

  test('leaves to the caret what is wrong with a filter', () => {
    expect(summary({ ...engines, caret: 'x\n^' })).toBe('This filter cannot be understood')
  })
})
