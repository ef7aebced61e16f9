/** Alerts of a burst as one case: what belongs together is looked at once and decided on once. */
import { byWorst } from './feed'
import type { Row } from './schemas'
import { effective } from './verdicts'

/** Alerts of one user belong to one case while each is within this time of the one before, as in the console. */
const GAP_MICROS = 5 * 60_000_000

/** `rows` has one row for each case, its worst open alert; `of` has the alerts that are decided on with it. */
export interface Cases {
  rows: readonly Row[]
  of: ReadonlyMap<string, readonly Row[]>
}

/** The cases among these rows, in their order, at `now` (milliseconds). */
export function casesOf(rows: readonly Row[], now: number): Cases {
  const of = new Map<string, readonly Row[]>()
  const byUser = new Map<string, Row[]>()
  for (const row of [...rows].sort((a, b) => a.micros - b.micros)) {
    const alerts = byUser.get(row.user_id)
    if (alerts) alerts.push(row)
    else byUser.set(row.user_id, [row])
  }
  for (const alerts of byUser.values()) {
    for (const burst of bursts(alerts)) {
      const open = burst.filter((row) => effective(row.triage, now) === 'open')
      const together = open.length ? open : burst
      of.set([...together].sort(byWorst)[0]!.transaction_id, together)
    }
  }
  return { rows: rows.filter((row) => of.has(row.transaction_id)), of }
}

function bursts(alerts: readonly Row[]): Row[][] {
  const found: Row[][] = []
  for (const row of alerts) {
    const last = found.at(-1)
    if (last && row.micros - last.at(-1)!.micros <= GAP_MICROS) last.push(row)
    else found.push([row])
  }
  return found
}
