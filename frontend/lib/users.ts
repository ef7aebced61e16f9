/** What the API tells of users and their habits. */
import * as z from 'zod/mini'
import { row } from './schemas'

const summary = z.looseObject({
  user_id: z.string(),
  seen: z.number(),
  needed: z.number(),
  flagged: z.number(),
  last_at: z.nullable(z.string()),
  mean_amount: z.number(),
  currency: z.string(),
  threshold: z.number(),
})

export const users = z.looseObject({ at: z.string(), users: z.array(summary), more: z.boolean() })

const shares = z.array(z.looseObject({ value: z.string(), count: z.number(), share: z.number() }))

const profile = z.looseObject({
  user_id: z.string(),
  as_of: z.nullable(z.string()),
  seen: z.number(),
  needed: z.number(),
  mean_amount: z.number(),
  sd_amount: z.number(),
  per_day: z.number(),
  threshold: z.number(),
  recent_amounts: z.array(z.number()),
  hours: z.array(z.number()),
  weekdays: z.array(z.number()),
  countries: shares,
  categories: shares,
  merchants: shares,
  devices: shares,
  payment_methods: shares,
  flagged: z.number(),
  currency: z.string(),
  thresholds: z.array(z.looseObject({ at: z.string(), threshold: z.number() })),
})

export const user = z.looseObject({ at: z.string(), profile, anomalies: z.array(row) })

export type UserSummary = z.infer<typeof summary>
export type Profile = z.infer<typeof profile>
export type ShareOf = Profile['countries'][number]
