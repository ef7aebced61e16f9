/** What the API tells of the engine and of all that is stored. */
import * as z from 'zod/mini'

const worker = z.looseObject({
  name: z.string(),
  state: z.string(),
  detail: z.string(),
  restarts: z.number(),
  since: z.nullable(z.string()),
  heartbeat_at: z.nullable(z.string()),
  last_error: z.nullable(z.string()),
})

const partition = z.looseObject({
  partition: z.number(),
  state: z.string(),
  next_offset: z.number(),
  lag: z.number(),
  epoch: z.number(),
})

const drift = z.looseObject({ detector: z.string(), feature: z.string(), psi: z.number() })

const quality = z.looseObject({
  detector: z.string(),
  labelled: z.number(),
  anomalous: z.number(),
  flagged: z.number(),
  caught: z.number(),
  kinds: z.array(z.looseObject({ kind: z.string(), anomalous: z.number(), caught: z.number() })),
  bands: z._default(
    z.array(z.looseObject({ low: z.number(), verdicts: z.number(), estimated: z.number(), anomalous: z.number() })),
    [],
  ),
  estimated: z._default(z.nullable(z.number()), null),
})

export const snapshot = z.looseObject({
  at: z.string(),
  started_at: z.string(),
  rate: z.number(),
  lag: z.number(),
  latency_p50: z.number(),
  latency_p95: z.number(),
  latency_p99: z.number(),
  writer_queue: z.number(),
  transactions: z.number(),
  flagged: z.record(z.string(), z.number()),
  dead_letters: z.number(),
  duplicates: z.number(),
  skipped: z._default(z.record(z.string(), z.number()), {}),
  late: z.number(),
  offset_gaps: z.number(),
  model_versions: z.record(z.string(), z.string()),
  open_anomalies: z.nullable(z.number()),
})

export const stats = z.looseObject({
  at: z.string(),
  snapshot,
  counted_at: z.string(),
  until: z.string(),
  step: z.number(),
  totals: z.looseObject({
    transactions: z.number(),
    verdicts: z.record(z.string(), z.number()),
    flagged: z.record(z.string(), z.number()),
    dead_letters: z.number(),
  }),
  volume: z.array(z.looseObject({ at: z.string(), transactions: z.number(), flagged: z.number() })),
  categories: z.array(
    z.looseObject({ category: z.string(), transactions: z.number(), flagged: z.number(), share: z.number() }),
  ),
  quality: z.array(quality),
})

export const health = z.looseObject({
  at: z.string(),
  status: z.enum(['ok', 'degraded', 'down']),
  version: z.string(),
  started_at: z.string(),
  workers: z.array(worker),
  partitions: z.array(partition),
  broker: z.string(),
  database: z.string(),
  database_up: z.boolean(),
  last_stored_at: z.nullable(z.string()),
  drift: z.array(drift),
  model_versions: z.record(z.string(), z.string()),
})

export const deadLetters = z.looseObject({
  at: z.string(),
  rows: z.array(
    z.looseObject({
      topic: z.string(),
      partition: z.number(),
      offset: z.number(),
      reason: z.string(),
      excerpt: z.string(),
      stored_at: z.string(),
    }),
  ),
  next: z.nullable(z.string()),
})

export type Stats = z.infer<typeof stats>
export type Step = Stats['volume'][number]
export type Quality = z.infer<typeof quality>
export type Health = z.infer<typeof health>
export type Worker = z.infer<typeof worker>

/** Figures read off counts against ground truth; null where there is nothing to divide by. */
export function figuresOf({ flagged, caught, anomalous, labelled }: Quality) {
  const precision = flagged ? caught / flagged : null
  const recall = anomalous ? caught / anomalous : null
  const sum = (precision ?? 0) + (recall ?? 0)
  const f1 = precision === null || recall === null ? null : sum ? (2 * precision * recall) / sum : 0
  return { precision, recall, f1, alertRate: labelled ? flagged / labelled : null }
}

const LEAST_STEPS = 5
const MINUTE = 60
const MOST_MINUTES = 60
const MOST_HOURS = 48

/**
 * The engine leaves out minutes (or hours, where `step` says so) without a transaction: here is every one before `until`,
 * oldest first, but none before the first that had one, five at least. The one that is not over would look like a fall, so
 * it is in it only when there is no other.
 */
export function steps({ volume, until, step }: Pick<Stats, 'volume' | 'until' | 'step'>): Step[] {
  const known = new Map(volume.map((each) => [Date.parse(each.at), each]))
  const long = step * 1_000
  const now = Math.floor(Date.parse(until) / long) * long
  const last = known.size === 1 && known.has(now) ? now : now - long
  const most = step === MINUTE ? MOST_MINUTES : MOST_HOURS
  const first = Math.min(...[...known.keys()].filter((at) => at > last - most * long), last)
  const length = Math.max(LEAST_STEPS, (last - first) / long + 1)
  return Array.from({ length }, (_, index) => {
    const at = last - (length - 1 - index) * long
    return known.get(at) ?? { at: new Date(at).toISOString(), transactions: 0, flagged: 0 }
  })
}

/** What the chart of the volume shows in sum, so that every figure of one span is the same. */
export function totalsOf(shown: readonly Step[]): { transactions: number; flagged: number } {
  return shown.reduce(
    (sum, step) => ({ transactions: sum.transactions + step.transactions, flagged: sum.flagged + step.flagged }),
    { transactions: 0, flagged: 0 },
  )
}

/** How long so many steps are: `last hour`, `last 12 minutes`, `last 2 days`. */
export function spanOf(length: number, step: number): string {
  if (step === MINUTE) return length >= MOST_MINUTES ? 'last hour' : `last ${length} minutes`
  return length >= MOST_HOURS ? 'last 2 days' : `last ${length} hours`
}

/** The span of all figures over time. */
export const wholeSpan = (step: number): string => spanOf(step === MINUTE ? MOST_MINUTES : MOST_HOURS, step)

const coursePoint = z.looseObject({
  at: z.string(),
  rate: z.number(),
  latency_p95: z.number(),
  lag: z.number(),
  writer_queue: z.number(),
})

/** Rate, latency and lag of the last hour, a point each `every` seconds. */
export const course = z.looseObject({ at: z.string(), every: z.number(), points: z.array(coursePoint) })

const event = z.looseObject({
  at: z.string(),
  kind: z.string(),
  level: z.string(),
  subject: z.string(),
  text: z.string(),
  instance: z.string(),
})

/** The timeline: what changed, newest first. */
export const events = z.looseObject({ at: z.string(), events: z.array(event) })

const logLine = z.looseObject({ at: z.string(), level: z.string(), source: z.string(), message: z.string() })

/** Lines of the engine's log, oldest first. */
export const logs = z.looseObject({ at: z.string(), lines: z.array(logLine) })

export const controlled = z.looseObject({ at: z.string(), worker })

export type CoursePoint = z.infer<typeof coursePoint>
export type TimelineEvent = z.infer<typeof event>
