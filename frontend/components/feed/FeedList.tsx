'use client'

import { type ReactNode, useCallback, useEffect, useMemo, useRef, useState, useSyncExternalStore } from 'react'
import { useRouter } from 'next/navigation'
import { ProblemNote } from '@/components/common/ProblemNote'
import { Drawer } from '@/components/drawer/Drawer'
import { useTail } from '@/components/shell/tail'
import { Notice } from '@/components/triage/Notice'
import { inHours, subjectOf, useTriage, type Wanted } from '@/components/triage/useTriage'
import { ApiError } from '@/lib/api'
import { nextOpen, wasRead } from '@/lib/deciding'
import { useKeys } from '@/lib/keys'
import { LiveList, type Listing } from '@/lib/liveList'
import { count } from '@/lib/numbers'
import { streamNow } from '@/lib/live/clock'
import type { Row, TriageStatus } from '@/lib/schemas'
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
  const cameAt = useRef(-Infinity)
  const current = useRef<string | null>(null)
  useEffect(() => {
    current.current = selected ?? open
  }, [selected, open])
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
  const go = (id: string | null) => {
    setSelected(id)
    if (open !== null) onOpen(id)
    cameAt.current = Date.now()
  }
  const decide = async (id: string, wanted: Wanted, row: Row | undefined) => {
    if (!wasRead(cameAt.current, Date.now())) {
      return triage.say(`${row ? subjectOf(row) : id} came here just now: decide again if you mean it.`)
    }
    const next = nextOpen(feed.rows, id, streamNow())
    const decided = await triage.decide(id, wanted, row)
    // A list of transactions is watched, one of anomalies is worked through.
    if (decided && kind === 'anomalies' && current.current === id && next !== null) go(next)
  }
  const undo = async () => {
    const [id] = (await triage.undo()) ?? []
    if (id !== undefined && kind === 'anomalies') go(id)
  }
  const press = (status: TriageStatus) => {
    const id = selected ?? open
    if (id === null) return false
    void decide(id, { status, until: status === 'snoozed' ? inHours(1) : undefined }, rowOf(id))
  }
  useKeys({
    ' ': (event) => {
      // On a button the space bar presses it.
      if (event.target !== table.current && event.target !== document.body) return false
      if (paused) follow()
      else setPaused(true)
    },
    f: follow,
    Escape: () => (open !== null ? close() : setSelected(null)),
    a: () => press('acknowledged'),
    c: () => press('confirmed'),
    p: () => press('false_positive'),
    z: () => press('snoozed'),
    U: () => void undo(),
    u: () => {
      const row = rowOf(selected)
      if (row) router.push(`/users/${encodeURIComponent(row.user_id)}`)
    },
  })
  const select = useCallback(
    (id: string) => {
      cameAt.current = -Infinity
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
      {open !== null && (
        <Drawer
          id={open}
          listed={rowOf(open)}
          onDecide={(wanted, row) => void decide(open, wanted, row)}
          onUndo={() => void undo()}
          onClose={close}
        />
      )}
      <Notice said={triage.said} dismiss={triage.dismiss} onUndo={() => void undo()} />
    </div>
  )
}
