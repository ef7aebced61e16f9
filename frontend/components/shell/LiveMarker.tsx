'use client'

import { useNow } from '@/components/useNow'
import { livenessOf } from '@/lib/live/liveness'
import { useHeard } from '@/lib/live/status'
import { count, rate } from '@/lib/numbers'
import styles from './LiveMarker.module.css'
import { useTail } from './tail'

/** Whether the page is live, how fast transactions come in, and how old the newest one is. */
export function LiveMarker() {
  const heard = useHeard()
  const { paused, standing } = useTail()
  const now = useNow()
  const { state, label, detail } = livenessOf(
    heard,
    paused ? 'paused' : standing?.held ? 'held' : null,
    now || heard.heardAt,
  )
  const { status } = heard
  const fresh = status !== null && (state === 'live' || state === 'paused')
  return (
    <div className={styles.marker} data-testid="live" data-state={state}>
      <span className={styles.state} role="status">
        <span className={styles.dot} aria-hidden />
        {label}
      </span>
      {fresh && (
        <dl className={styles.figures}>
          <div>
            <dt className="visually-hidden">Transactions per second</dt>
            <dd>{rate(status.rate)}</dd>
          </div>
          {status.clock_says && (
            <div>
              <dt className="visually-hidden">The stream&apos;s time (UTC)</dt>
              <dd data-testid="stream-clock">{status.clock_says}</dd>
            </div>
          )}
          <div>
            <dt>p95</dt>
            <dd>{count(status.latency_p95 * 1000)} ms</dd>
          </div>
          <div>
            <dt>lag</dt>
            <dd>{count(status.lag)}</dd>
          </div>
        </dl>
      )}
      <span className={styles.detail} data-testid="data-age">
        {detail}
      </span>
    </div>
  )
}
