'use client'

import { useEffect } from 'react'
import styles from './Notice.module.css'
import type { Deciding } from './useTriage'

const SHOWN_MS = 8_000

/** One line on what was just decided, with the way back. */
export function Notice({ said, dismiss, onUndo }: Pick<Deciding, 'said' | 'dismiss'> & { onUndo: () => void }) {
  useEffect(() => {
    if (said === null || said.failed) return
    const timer = setTimeout(dismiss, SHOWN_MS)
    return () => clearTimeout(timer)
  }, [said, dismiss])
  return (
    <div role="status" className={styles.place}>
      {said && (
        <div className={styles.notice} data-failed={said.failed} data-testid="notice">
          <bdi>{said.text}</bdi>
          {said.undoable && (
            <button type="button" onClick={onUndo}>
              Undo
            </button>
          )}
          <button type="button" onClick={dismiss} aria-label="Close the message">
            ×
          </button>
        </div>
      )}
    </div>
  )
}
