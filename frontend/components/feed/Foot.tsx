'use client'

import { Notice } from '@/components/triage/Notice'
import type { Deciding } from '@/components/triage/useTriage'
import { useNow } from '@/components/useNow'
import { useHeard } from '@/lib/live/status'
import { progress } from '@/lib/pace'
import styles from './FeedList.module.css'

/** The keys that are used most; `?` has them all. */
const WORKING = [
  ['j k', 'move'],
  ['Enter', 'open'],
  ['a', 'acknowledge'],
  ['c', 'fraud'],
  ['p', 'false positive'],
  ['U', 'undo'],
  ['?', 'all keys'],
] as const
const WATCHING = [
  ['j k', 'move'],
  ['Enter', 'open'],
  ['Space', 'pause'],
  ['/', 'filter'],
  ['?', 'all keys'],
] as const

interface Properties {
  triage: Deciding
  onUndo: () => void
  /** Opens the dialog on all that match; none where the list is not worked through. */
  onAll?: () => void
}

/** The line below a list: what was just decided, and how far the work has come. It lies over no row. */
export function Foot({ triage, onUndo, onAll = undefined }: Properties) {
  const { status } = useHeard()
  const now = useNow(5_000)
  return (
    <footer className={styles.foot}>
      <Notice said={triage.said} dismiss={triage.dismiss} onUndo={onUndo} />
      {triage.said === null && (
        <ul className={styles.hints} aria-hidden="true" data-testid="hints">
          {(onAll ? WORKING : WATCHING).map(([keys, does]) => (
            <li key={does}>
              {keys.split(' ').map((key) => (
                <kbd key={key}>{key}</kbd>
              ))}{' '}
              {does}
            </li>
          ))}
        </ul>
      )}
      {onAll && (
        <div className={styles.progress}>
          <span data-testid="progress">
            {progress(triage.made, status?.open_anomalies ?? null, now, status?.budget_says)}
          </span>
          <button type="button" onClick={onAll} aria-keyshortcuts="Shift+A" data-testid="all-matching">
            All matching…
          </button>
        </div>
      )}
    </footer>
  )
}
