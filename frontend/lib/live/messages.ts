/** What the live stream tells, as the pages see it. */
import * as z from 'zod/mini'
import { problem, type Problem, row, type Row, triage } from '../schemas'

/** What to listen to: all transactions or only flagged ones, those that match `q`. */
export interface Topic {
  of: 'transactions' | 'anomalies'
  q: string
}

/** The topic of pages that list nothing. */
export const STATUS_ONLY: Topic = { of: 'anomalies', q: '' }

export const status = z.looseObject({
  clock: z.optional(z.looseObject({ kind: z.string(), at: z.nullable(z.string()) })),
  clock_says: z._default(z.string(), ''),
  at: z.string(),
  engine: z.string(),
  rate: z.number(),
  lag: z.number(),
  latency_p95: z.number(),
  transactions: z.number(),
  flagged: z.record(z.string(), z.number()),
  open_anomalies: z.nullable(z.number()),
  budget_says: z._default(z.string(), ''),
  database_up: z.boolean(),
  last_stored_at: z.nullable(z.string()),
})

const change = z.looseObject({ transaction_id: z.string(), triage: z.nullable(triage) })

export type Status = z.infer<typeof status>
export type Change = z.infer<typeof change>

/** `mark` is how far the stream has come: the place to go on from after a break. */
export type Message =
  | { kind: 'rows'; mark: string; rows: Row[] }
  | { kind: 'missed'; mark: string; count: number }
  | { kind: 'triage'; mark: string; changes: Change[] }
  | { kind: 'status'; mark: string; status: Status }
  | { kind: 'reset'; mark: string }
  | { kind: 'down'; problem: Problem }

/** The names of the events that `messageOf` understands. */
export const EVENTS = ['rows', 'missed', 'triage', 'status', 'reset'] as const

/** An event as it came: what one tab hands to the others, for a text costs nothing to copy. */
export interface RawEvent {
  name: (typeof EVENTS)[number]
  mark: string
  data: string
}

const bodies = {
  rows: z.looseObject({ rows: z.array(row) }),
  missed: z.looseObject({ count: z.number() }),
  triage: z.looseObject({ changes: z.array(change) }),
}

/** What an event of the stream says. Throws when its data is not what such an event carries. */
export function messageOf({ name, mark, data }: RawEvent): Message {
  const value: unknown = JSON.parse(data)
  switch (name) {
    case 'rows':
      return { kind: 'rows', mark, rows: z.parse(bodies.rows, value).rows }
    case 'missed':
      return { kind: 'missed', mark, count: z.parse(bodies.missed, value).count }
    case 'triage':
      return { kind: 'triage', mark, changes: z.parse(bodies.triage, value).changes }
    case 'reset':
      return { kind: 'reset', mark }
    case 'status': {
      const down = (value as { down?: unknown }).down
      if (down !== undefined) return { kind: 'down', problem: z.parse(problem, down) }
      return { kind: 'status', mark, status: z.parse(status, value) }
    }
  }
}
