import { summary } from '@/lib/problem'
import type { Problem } from '@/lib/schemas'
import styles from './ProblemNote.module.css'

/** Why something cannot be shown, and what to do; `passing` says that the page tries again by itself. */
export function ProblemNote({ problem, passing = false }: { problem: Problem; passing?: boolean }) {
  const said = summary(problem)
  // The filter box says what is wrong with it, once.
  if (problem.caret !== undefined) return <p className="muted">Nothing is listed until the filter is corrected.</p>
  return (
    <div className={styles.note} role="alert" data-testid="problem">
      <strong>{said}</strong>
      {said.toLowerCase() !== problem.detail.toLowerCase() && <p>{problem.detail}</p>}
      {passing && <p className="muted">Trying again.</p>}
    </div>
  )
}
