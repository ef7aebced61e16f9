'use client'

import { type KeyboardEvent, useEffect, useRef, useState } from 'react'
import type { Row } from '@/lib/schemas'
import { full } from '@/lib/time'
import { effective, STATUS_LABELS } from '@/lib/verdicts'
import { useNow } from '@/components/useNow'
import { useStreamTime } from '@/lib/live/clock'
import styles from './TriageBar.module.css'
import { inHours, type Wanted } from './useTriage'

const SNOOZES = [
  [1, '1 hour'],
  [4, '4 hours'],
  [24, '1 day'],
  [168, '1 week'],
] as const

/** What was decided of a transaction, and the ways to decide; a note goes along with whichever is chosen. */
export function TriageBar({
  row,
  onDecide,
  onUndo,
  alerts,
  noting,
  onNoted,
}: {
  row: Row
  onDecide: (wanted: Wanted) => void
  onUndo: () => void
  /** On how many alerts is decided together. */
  alerts: number
  noting: boolean
  onNoted: () => void
}) {
  const writing = useRef<HTMLTextAreaElement>(null)
  useEffect(() => {
    if (!noting) return
    writing.current?.focus()
    onNoted()
  }, [noting, onNoted])
  const [note, setNote] = useState(row.triage?.note ?? '')
  const [hours, setHours] = useState(1)
  const now = useStreamTime(useNow(10_000))
  const status = effective(row.triage, now)
  const changed = note !== (row.triage?.note ?? '')
  const decide = (wanted: Wanted) => onDecide({ ...wanted, note: changed ? note : undefined })
  const pressed = (event: KeyboardEvent) => {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
      if (changed) decide({ status: null })
      writing.current?.blur()
    } else if (event.key === 'Escape') {
      setNote(row.triage?.note ?? '')
      writing.current?.blur()
    } else return
    event.preventDefault()
    event.nativeEvent.stopImmediatePropagation()
  }
  return (
    <section className={styles.bar} aria-label="Triage">
      <div className={styles.status}>
        <p data-testid="triage-status" data-status={status}>
          <strong>{STATUS_LABELS[status]}</strong>
          {alerts > 1 && <span> · a decision is on all {alerts} alerts</span>}
          {row.triage && (
            <span className="muted">
              {' by '}
              <bdi>{row.triage.decided_by}</bdi>, {full(row.triage.decided_at).slice(0, 19)}
              {row.triage.until && `, until ${full(row.triage.until).slice(0, 16)}`}
            </span>
          )}
        </p>
        <button type="button" onClick={onUndo} aria-keyshortcuts="Shift+U" title="Take back your last decision (U)">
          Undo last
        </button>
      </div>
      <div className={styles.buttons}>
        <button type="button" onClick={() => decide({ status: 'acknowledged' })} aria-keyshortcuts="a">
          Acknowledge
        </button>
        <button type="button" onClick={() => decide({ status: 'confirmed' })} aria-keyshortcuts="c">
          Confirm fraud
        </button>
        <button type="button" onClick={() => decide({ status: 'false_positive' })} aria-keyshortcuts="p">
          False positive
        </button>
        <span className={styles.snooze}>
          <button
            type="button"
            onClick={() => decide({ status: 'snoozed', until: inHours(hours) })}
            aria-keyshortcuts="z"
          >
            Snooze
          </button>
          <select aria-label="Snooze for" value={hours} onChange={(event) => setHours(Number(event.target.value))}>
            {SNOOZES.map(([span, name]) => (
              <option key={span} value={span}>
                {name}
              </option>
            ))}
          </select>
        </span>
        {status !== 'open' && (
          <button type="button" onClick={() => decide({ status: 'open' })}>
            Reopen
          </button>
        )}
      </div>
      <label className={styles.note}>
        <span className="visually-hidden">Note</span>
        <textarea
          ref={writing}
          value={note}
          onKeyDown={pressed}
          aria-keyshortcuts="w"
          onChange={(event) => setNote(event.target.value)}
          rows={changed || note ? 3 : 1}
          maxLength={1000}
          placeholder="Note (w), Ctrl+Enter keeps it"
        />
      </label>
      {changed && (
        <button type="button" onClick={() => decide({ status: null })}>
          Write only the note
        </button>
      )}
    </section>
  )
}
