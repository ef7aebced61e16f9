'use client'

import { Notice } from '@/components/triage/Notice'
import type { Deciding } from '@/components/triage/useTriage'
import { useNow } from '@/components/useNow'
import { useHeard } from '@/lib/live/status'
import { progress } from '@/lib/pace'
import styles from './FeedList.module.css'

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
      {onAll && (
        <div className={styles.progress}>
          <span data-testid="progress">{progress(triage.made, status?.open_anomalies ?? null, now)}</span>
          <button type="button" onClick={onAll} aria-keyshortcuts="Shift+A" data-testid="all-matching">
            All matching…
          </button>
        </div>
      )}
    </footer>
  )
}
