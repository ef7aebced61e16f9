import { Bar } from '@/components/charts/Bar'
import { Severity } from '@/components/common/Severity'
import { score } from '@/lib/numbers'
import type { Reason, Verdict } from '@/lib/schemas'
import { ordered } from '@/lib/verdicts'
import styles from './Verdicts.module.css'

/** What each detector said, and why, the weightiest reason first. */
export function Verdicts({ verdicts }: { verdicts: readonly Verdict[] }) {
  return (
    <div className={styles.verdicts}>
      {verdicts.map((verdict) => (
        <section key={verdict.detector} aria-label={`Verdict of the ${verdict.detector} detector`}>
          <div className={styles.head}>
            <h3>{verdict.detector}</h3>
            <Severity severity={verdict.severity} />
            <span className={styles.outcome}>{outcome(verdict)}</span>
          </div>
          <Scale verdict={verdict} />
          {verdict.status === 'error' && <p className={styles.error}>{verdict.error}</p>}
          <ul className={styles.reasons} data-testid="reasons">
            {ordered(verdict)
              .filter(tells)
              .map((reason, index) => (
                <ReasonLine key={index} reason={reason} />
              ))}
          </ul>
        </section>
      ))}
    </div>
  )
}

/** Whether a reason moved the score by as much as can be written. */
function tells({ contribution }: Reason): boolean {
  return contribution >= 0.005
}

function outcome({ status, flagged }: Verdict): string {
  if (status === 'error') return 'failed'
  if (status === 'warming') return 'warming up, does not flag yet'
  const said = flagged ? 'flagged' : 'not flagged'
  return status === 'backfilled' ? `${said}, judged after the first fit` : said
}

/** The score from 0 to 1 with the threshold marked on it. */
function Scale({ verdict }: { verdict: Verdict }) {
  return (
    <div className={styles.scale}>
      <svg
        viewBox="0 0 100 10"
        preserveAspectRatio="none"
        role="img"
        aria-label={`Score ${score(verdict.score)}, threshold ${score(verdict.threshold)}`}
      >
        <rect width="100" height="10" className={styles.track} />
        <rect width={verdict.score * 100} height="10" className={styles.fill} data-severity={verdict.severity} />
        <rect x={Math.min(verdict.threshold * 100, 99.6)} width="0.7" height="10" className={styles.threshold} />
      </svg>
      <span>
        <strong>{score(verdict.score)}</strong> <span className="muted">of {score(verdict.threshold)} to flag</span>
      </span>
    </div>
  )
}

function ReasonLine({ reason }: { reason: Reason }) {
  const name = reason.feature.replaceAll('_', ' ')
  return (
    <li>
      <span className={styles.feature} title={`factor: ${reason.factor}`}>
        {name}
      </span>
      <Bar share={Math.min(1, Math.max(0.005, reason.contribution))} />
      <span className={styles.contribution}>+{score(reason.contribution)}</span>
      <bdi className={styles.text}>
        {reason.text || [reason.observed, reason.expected].filter(Boolean).join(', usually ')}
      </bdi>
    </li>
  )
}
