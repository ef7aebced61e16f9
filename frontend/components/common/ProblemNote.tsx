import type { Problem } from '@/lib/schemas'
import styles from './ProblemNote.module.css'

/** Why something cannot be shown, and what to do; `passing` says that the page tries again by itself. */
export function ProblemNote({ problem, passing = false }: { problem: Problem; passing?: boolean }) {
  return (
    <div className={styles.note} role="alert" data-testid="problem">
      <strong>{problem.caret ? 'This filter cannot be understood' : problem.title}</strong>
      <p>{problem.detail}</p>
      {passing && <p className="muted">Trying again.</p>}
    </div>
  )
}
