/** Alerts of a burst as one case: what belongs together is looked at once and decided on once. */
import type { Row } from './schemas'
import { effective, headline } from './verdicts'

/** Alerts of one user belong to one case while each is within this time of the one before, as in the console. */
const GAP_MICROS = 5 * 60_000_000

const SEVERITIES = ['normal', 'unusual', 'suspicious', 'critical']

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
      of.set(together.reduce(worse).transaction_id, together)
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

/** The one more worth looking at: by severity, then score as it is shown; the older of equals. */
function worse(a: Row, b: Row): Row {
  const [x, y] = [headline(a), headline(b)]
  const rank = (verdict: typeof x) =>
    verdict ? SEVERITIES.indexOf(verdict.severity) * 1_000 + Math.round(verdict.score * 100) : -1
  return rank(y) > rank(x) ? b : a
}
