/** What a row says for itself: its leading verdict, its reasons in words, what was decided of it. */
import type { Reason, Row, Triage, TriageStatus, Verdict } from './schemas'

const SEVERITIES = ['normal', 'unusual', 'suspicious', 'critical'] as const
/** Where the score's bands of severity begin, but for the first. */
const BANDS = [0.5, 0.7, 0.9]
const bandOf = (score: number): number => BANDS.filter((band) => score >= band).length

/** From this contribution on, a reason is worth a word. */
const WEIGHTY = 0.05

/**
 * The verdict a row is listed under: the enhanced detector's, unless only another one flagged it. That one is then worth
 * what the enhanced detector makes of it, which knows the user.
 */
export function headline(row: Row): Verdict | undefined {
  const leading = row.verdicts.find((verdict) => verdict.detector === 'enhanced') ?? row.verdicts[0]
  if (leading === undefined || leading.flagged || !row.flagged) return leading
  const only = row.verdicts.filter((verdict) => verdict.flagged).sort((a, b) => b.score - a.score)[0]
  return only && (leading.status === 'ok' || leading.status === 'backfilled') ? worth(only, leading.score) : only
}

/** A verdict as one of another score. */
function worth(verdict: Verdict, score: number): Verdict {
  const part = verdict.score > 0 ? score / verdict.score : 0
  const reasons = verdict.reasons.map((reason) => ({ ...reason, contribution: reason.contribution * part }))
  const severity = SEVERITIES[Math.max(bandOf(score), verdict.flagged ? 1 : 0)]!
  return { ...verdict, score, severity, reasons }
}

/**
 * The place of a row in a queue, the highest first: by severity, then by the score as it is shown. The engine counts it
 * in the same way, in billionths.
 */
export function urgency(row: Row): number {
  const billionths = Math.round((headline(row)?.score ?? 0) * 1e9)
  return 1_000 * bandOf(billionths / 1e9) + Math.floor((billionths + 5e6) / 1e7)
}

/** The reasons of a verdict, the weightiest first. */
export function ordered(verdict: Verdict): Reason[] {
  return [...verdict.reasons].sort((a, b) => b.contribution - a.contribution)
}

/** The reasons that name something: all but what is left of the score besides them. */
function named(verdict: Verdict): Reason[] {
  return ordered(verdict).filter((reason) => reason.factor !== 'other')
}

/** The factors that made the score, in a few words: `amount, location`. */
export function factors(verdict: Verdict): string {
  const reasons = named(verdict)
  const weighty = reasons.filter((reason) => reason.contribution >= WEIGHTY)
  return [...new Set((weighty.length ? weighty : reasons.slice(0, 1)).map((reason) => reason.factor))].join(', ')
}

/** The weightiest reason as a sentence, or its factors where no sentence was written. */
export function why(verdict: Verdict): string {
  return named(verdict)[0]?.text || factors(verdict)
}

/** Which detectors flagged it: `both`, `enhanced`, `basic only`, or nothing; with one detector in use its name. */
export function flaggedBy(row: Row): string {
  const names = row.verdicts.filter((verdict) => verdict.flagged).map((verdict) => verdict.detector)
  if (names.length > 1) return 'both'
  return names[0] === 'basic' && row.verdicts.length > 1 ? 'basic only' : (names[0] ?? '')
}

/** Whether one detector flagged what the other did not. */
export function disagreed(row: Row): boolean {
  return new Set(row.verdicts.map((verdict) => verdict.flagged)).size > 1
}

/** The status at `now` (milliseconds): a snooze that is over is open again. */
export function effective(triage: Triage | null, now: number): TriageStatus {
  if (triage === null) return 'open'
  if (triage.status !== 'snoozed') return triage.status
  return triage.until !== null && Date.parse(triage.until) > now ? 'snoozed' : 'open'
}

export const STATUS_LABELS: Readonly<Record<TriageStatus, string>> = {
  open: 'Open',
  acknowledged: 'Acknowledged',
  confirmed: 'Confirmed fraud',
  false_positive: 'False positive',
  snoozed: 'Snoozed',
  over_budget: 'Over budget',
}
