/**
 * What the engine's API answers, checked on arrival. Fields the pages do not show are let through unread, so that a
 * newer engine does not break an older page.
 */
import * as z from 'zod/mini'
import { microseconds } from './time'

// The compiled parsers need `eval`, which the content security policy forbids.
z.config({ jitless: true })

const text = z._default(z.nullable(z.string()), null)
const number = z._default(z.nullable(z.number()), null)

export const severity = z.enum(['normal', 'unusual', 'suspicious', 'critical'])
export const triageStatus = z.enum(['open', 'acknowledged', 'confirmed', 'false_positive', 'snoozed', 'over_budget'])

const reason = z.looseObject({
  feature: z.string(),
  factor: z.string(),
  contribution: z.number(),
  observed: z._default(z.string(), ''),
  expected: z._default(z.string(), ''),
  text: z._default(z.string(), ''),
})

const verdict = z.looseObject({
  detector: z.string(),
  score: z.number(),
  threshold: z.number(),
  flagged: z.boolean(),
  severity,
  model_version: z.string(),
  status: z._default(z.string(), 'ok'),
  reasons: z._default(z.array(reason), []),
  error: text,
})

export const triage = z.looseObject({
  transaction_id: z.string(),
  status: triageStatus,
  until: text,
  note: z._default(z.string(), ''),
  decided_by: z.string(),
  decided_at: z.string(),
})

/** A transaction with its verdicts; `micros` is its event time, exact, for ordering. */
export const row = z.pipe(
  z.looseObject({
    transaction_id: z.string(),
    user_id: z.string(),
    amount: z.string(),
    currency: z.string(),
    timestamp: z.string(),
    location: z._default(z.looseObject({ country: text, city: text, latitude: number, longitude: number }), {
      country: null,
      city: null,
      latitude: null,
      longitude: null,
    }),
    transaction_type: text,
    merchant: z._default(z.looseObject({ id: text, name: text, category: text }), {
      id: null,
      name: null,
      category: null,
    }),
    payment_method: text,
    device: z._default(z.looseObject({ id: text, type: text, ip: text }), { id: null, type: null, ip: null }),
    extra: z.optional(z.nullable(z.record(z.string(), z.unknown()))),
    flagged: z.boolean(),
    verdicts: z.array(verdict),
    stored_at: z.string(),
    truth: z._default(z.nullable(z.looseObject({ anomalous: z.boolean(), kind: text })), null),
    triage: z._default(z.nullable(triage), null),
  }),
  z.transform((value) => ({ ...value, micros: microseconds(value.timestamp) })),
)

export const page = z.looseObject({ at: z.string(), rows: z.array(row), next: z.nullable(z.string()) })

export const problem = z.looseObject({
  type: z._default(z.string(), 'about:blank'),
  title: z.string(),
  status: z.number(),
  detail: z._default(z.string(), ''),
  position: z.optional(z.number()),
  length: z.optional(z.number()),
  expected: z.optional(z.array(z.string())),
  caret: z.optional(z.string()),
})

export type Severity = z.infer<typeof severity>
export type TriageStatus = z.infer<typeof triageStatus>
export type Reason = z.infer<typeof reason>
export type Verdict = z.infer<typeof verdict>
export type Triage = z.infer<typeof triage>
export type Row = z.infer<typeof row>
export type Page = z.infer<typeof page>
export type Problem = z.infer<typeof problem>
