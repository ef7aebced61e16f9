import type { Severity as Name } from '@/lib/schemas'
import styles from './Severity.module.css'

const LABELS: Readonly<Record<Name, string>> = {
  critical: 'Critical',
  suspicious: 'Suspicious',
  unusual: 'Unusual',
  normal: 'Normal',
}

const SHAPES: Readonly<Record<Name, string>> = {
  critical: 'M6 1 11.5 11H.5Z',
  suspicious: 'M6 .5 11.5 6 6 11.5.5 6Z',
  unusual: 'M6 2a4 4 0 1 0 0 8 4 4 0 0 0 0-8Zm0 2a2 2 0 1 1 0 4 2 2 0 0 1 0-4Z',
  normal: 'M6 4.6a1.4 1.4 0 1 0 0 2.8 1.4 1.4 0 0 0 0-2.8Z',
}

/** A severity by shape, colour and word; `quiet` leaves the word to screen readers. */
export function Severity({ severity, quiet = false }: { severity: Name; quiet?: boolean }) {
  return (
    <span className={styles.severity} data-severity={severity}>
      <svg viewBox="0 0 12 12" width="11" height="11" aria-hidden>
        <path d={SHAPES[severity]} fill="currentColor" fillRule="evenodd" />
      </svg>
      <span className={quiet ? 'visually-hidden' : undefined}>{LABELS[severity]}</span>
    </span>
  )
}
