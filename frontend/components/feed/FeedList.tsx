'use client'

import { type ReactNode, useCallback, useEffect, useMemo, useRef, useState, useSyncExternalStore } from 'react'
import { useRouter } from 'next/navigation'
import { ProblemNote } from '@/components/common/ProblemNote'
import { Drawer } from '@/components/drawer/Drawer'
import { useTail } from '@/components/shell/tail'
import { Notice } from '@/components/triage/Notice'
import { inHours, useTriage } from '@/components/triage/useTriage'
import { ApiError } from '@/lib/api'
import { useKeys } from '@/lib/keys'
import { LiveList, type Listing } from '@/lib/liveList'
import { count } from '@/lib/numbers'
import type { Column } from './columns'
import styles from './FeedList.module.css'
import { RowTable } from './RowTable'

interface Properties {
  listing: Listing
  label: string
  kind: 'transactions' | 'anomalies'
  columns: readonly Column[]
  open: string | null
  onOpen: (id: string | null) => void
  /** What to say when there is nothing to list. */
  empty: ReactNode
}

/** A live list with its drawer. It lists what it was made with: another listing needs another key. */
export function FeedList({ listing, label, kind, columns, open, onOpen, empty }: Properties) {
  const [list] = useState(() => new LiveList(listing))
  const { feed, loading, problem } = useSyncExternalStore(list.watch, list.current, list.current)
  const { paused, setPaused, setHeld } = useTail()
  const [selected, setSelected] = useState<string | null>(open)
  const [scrolled, setScrolled] = useState(false)
  const table = useRef<HTMLDivElement>(null)
  const triage = useTriage()
  const router = useRouter()

  // Rows must not move under the reader's eyes: a list that is read is held.
  const hold = paused || scrolled || selected !== null
  useEffect(() => list.setHold(hold), [list, hold])
  useEffect(() => setHeld(hold), [hold, setHeld])
  useEffect(() => () => setHeld(false), [setHeld])

  const follow = () => {
    setSelected(null)
    setPaused(false)
    table.current?.scrollTo({ top: 0 })
    list.release()
  }
  const close = () => {
    onOpen(null)
    table.current?.focus({ preventScroll: true })
  }
  const rowOf = (id: string | null) => feed.rows.find((row) => row.transaction_id === id)
  const decide = (status: 'acknowledged' | 'confirmed' | 'false_positive' | 'snoozed') => () => {
    const id = selected ?? open
    if (id === null) return false
    void triage.decide(id, { status, until: status === 'snoozed' ? inHours(1) : undefined })
  }
  useKeys({
    p: () => (paused ? follow() : setPaused(true)),
    n: follow,
    Escape: () => (open !== null ? close() : setSelected(null)),
    a: decide('acknowledged'),
    c: decide('confirmed'),
    f: decide('false_positive'),
    z: decide('snoozed'),
    U: () => void triage.undo(),
    u: () => {
      const row = rowOf(selected)
      if (row) router.push(`/users/${encodeURIComponent(row.user_id)}`)
    },
  })
  const select = useCallback(
    (id: string) => {
      setSelected(id)
      if (open !== null) onOpen(id)
    },
    [open, onOpen],
  )
  const loadOlder = useCallback(() => void list.loadOlder(), [list])
  const passing = useMemo(() => problem !== null && new ApiError(problem).passing, [problem])

  return (
    <div className={styles.split}>
      <div
        className={styles.list}
        data-testid="list"
        data-loading={loading}
        data-received={feed.received}
        data-loaded={feed.rows.length}
      >
        {feed.heldCount > 0 && (
          <button type="button" className={styles.fresh} data-primary onClick={follow} data-testid="new-rows">
            {count(feed.heldCount)} new
          </button>
        )}
        {problem && feed.rows.length > 0 && (
          <div className={styles.banner}>
            <ProblemNote problem={problem} passing={passing} />
          </div>
        )}
        <RowTable
          table={table}
          label={label}
          kind={kind}
          columns={columns}
          rows={feed.rows}
          complete={feed.next === null}
          selected={selected}
          onSelect={select}
          onOpen={onOpen}
          onScrolled={setScrolled}
          onEnd={loadOlder}
        />
        {feed.rows.length === 0 && (
          <div className={styles.instead} data-testid={loading ? 'loading' : problem ? undefined : 'empty'}>
            {problem ? <ProblemNote problem={problem} passing={passing} /> : loading ? <p>Loading…</p> : empty}
          </div>
        )}
      </div>
      {open !== null && <Drawer id={open} listed={rowOf(open)} triage={triage} onClose={close} />}
      <Notice {...triage} />
    </div>
  )
}
