import type { Problem } from './schemas'

/** The type of problems that these pages and their server find by themselves; the title says what it is. */
const OURS = 'urn:anomaly-tui:web'

/** A problem of ours; `detail` tells the reader what to do. */
export function problem(status: number, title: string, detail: string): Problem {
  return { type: OURS, title, status, detail }
}

/** A problem in one line. The engine's titles are the names of HTTP statuses, which tell a reader nothing. */
export function summary({ type, title, detail, caret }: Problem): string {
  if (caret !== undefined) return 'This filter cannot be understood'
  if (type !== 'about:blank' || detail === '') return title
  return detail.charAt(0).toUpperCase() + detail.slice(1)
}
