/** What a row says for itself: its leading verdict, its reasons in words, what was decided of it. */
import type { Reason, Row, Triage, TriageStatus, Verdict } from './schemas'

/** From this contribution on, a reason is worth a word. */
const WEIGHTY = 0.05

/** The verdict a row is listed under: the enhanced detector's, unless only another one flagged it. */
export function headline(row: Row): Verdict | undefined {
  const leading = row.verdicts.find((verdict) => verdict.detector === 'enhanced') ?? row.verdicts[0]
  if (leading === undefined || leading.flagged || !row.flagged) return leading
  return row.verdicts.filter((verdict) => verdict.flagged).sort((a, b) => b.score - a.score)[0]
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

/** Which detectors flagged it: `both`, `enhanced`, `basic`, or nothing. */
export function flaggedBy(row: Row): string {
  const names = row.verdicts.filter((verdict) => verdict.flagged).map((verdict) => verdict.detector)
  return names.length > 1 ? 'both' : (names[0] ?? '')
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
}
