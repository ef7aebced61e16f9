/** Filters in the engine's language: composed here, understood only there. */
import * as z from 'zod/mini'
import { get } from './api'

/** Both filters at once; an empty one matches everything. */
export function both(a: string, b: string): string {
  if (a.trim() === '') return b
  if (b.trim() === '') return a
  return `(${a}) ${b}`
}

/** The transactions of one user, whatever characters the id has. */
export const ofUser = (id: string): string => `user=${quoted(id)}`

/** Users whose id begins with `prefix`, among those that match `filter`: the API takes either, and this is both. */
export function usersBy(prefix: string, filter: string): { prefix: string } | { q: string } {
  if (filter.trim() === '') return { prefix }
  return { q: prefix === '' ? filter : both(filter, `user:${prefix}*`) }
}

/** These transactions. */
export const ofIds = (ids: readonly string[]): string => `id=${ids.map(quoted).join(',')}`

function quoted(text: string): string {
  return `"${text.replace(/["\\]/g, '\\$&')}"`
}

/** How many of the newest transactions match, and the fields that the filter is about. */
export const matches = z.looseObject({ matches: z.number(), of: z.number(), fields: z.array(z.string()) })

/** A list that a filter is for: the filter is looked for `within` another one, among those of a triage status. */
export interface Within {
  of?: 'transactions' | 'anomalies'
  within?: string
  status?: string
}

/** The question what the engine makes of a filter; asked once, however many want to know. */
export function checkOf(q: string, { of = 'transactions', within = '', status = 'all' }: Within) {
  return {
    queryKey: ['filter', q, of, within, status],
    queryFn: ({ signal }: { signal: AbortSignal }) => get(matches, '/api/filter', { q, of, within, status }, signal),
    enabled: q.trim() !== '',
  }
}

const completion = z.looseObject({ word: z.string(), start: z.number(), end: z.number() })

/** `word` may stand in the place of the characters from `start` to `end`. */
export type Completion = z.infer<typeof completion>

export const completions = z.looseObject({ completions: z.array(completion) })

/** The filter with a completion in it, and where the cursor is then; positions count characters, not UTF-16 units. */
export function completed(text: string, { word, start, end }: Completion): { text: string; cursor: number } {
  const characters = [...text]
  const before = characters.slice(0, start).join('') + word
  return { text: before + characters.slice(end).join(''), cursor: before.length }
}

/** A position in a text as the engine counts it: characters before a UTF-16 offset. */
export function characters(text: string, offset: number): number {
  return [...text.slice(0, offset)].length
}
