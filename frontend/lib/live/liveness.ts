import { summary } from '../problem'
import { span } from '../time'
import type { Heard } from './status'

const SILENT_AFTER_MS = 3_000
const QUIET_AFTER_SECONDS = 15

export type Liveness = { state: 'waiting' | 'live' | 'paused' | 'stale' | 'down'; label: string; detail: string }

/** Why a list stands still: its reader paused it, or reads a row of it; null while it moves. */
export type Still = 'paused' | 'held' | null

/** Whether what is on the screen is live, and how old it is, at `now` (this browser's clock in milliseconds). */
export function livenessOf(heard: Heard, still: Still, now: number): Liveness {
  const { status, heardAt, down } = heard
  const silent = now - heardAt
  const last = status?.last_stored_at ? `last transaction ${span(ageOf(heard, now) ?? 0)} ago` : 'no transaction yet'
  if (down !== null)
    return { state: 'down', label: 'Down', detail: status ? `${summary(down)}, ${last}` : summary(down) }
  if (status === null) return { state: 'waiting', label: 'Connecting', detail: 'waiting for the engine' }
  if (silent > SILENT_AFTER_MS) return { state: 'stale', label: 'Stale', detail: `no news for ${span(silent / 1000)}` }
  if (!status.database_up) return { state: 'stale', label: 'Database down', detail: last }
  if (still) return { state: 'paused', label: still === 'paused' ? 'Paused' : 'Held', detail: last }
  if ((ageOf(heard, now) ?? 0) > QUIET_AFTER_SECONDS) {
    return { state: 'stale', label: status.lag > 0 ? 'Stalled' : 'Quiet', detail: last }
  }
  return { state: 'live', label: 'Live', detail: last }
}

/** Seconds since the engine stored its newest transaction, by the engine's clock as far as it is known. */
export function ageOf({ status, heardAt }: Heard, now: number): number | null {
  if (status === null || status.last_stored_at === null) return null
  return (Date.parse(status.at) - Date.parse(status.last_stored_at) + (now - heardAt)) / 1000
}
