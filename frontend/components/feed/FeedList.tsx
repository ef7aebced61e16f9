'use client'

import { type ReactNode, useCallback, useEffect, useMemo, useRef, useState, useSyncExternalStore } from 'react'
import { useQueryClient } from '@tanstack/react-query'
import { useRouter } from 'next/navigation'
import { ProblemNote } from '@/components/common/ProblemNote'
import { detailOf, Drawer } from '@/components/drawer/Drawer'
import { useTail } from '@/components/shell/tail'
import { Bulk } from '@/components/triage/Bulk'
import { inHours, subjectOf, useTriage, type Wanted } from '@/components/triage/useTriage'
import { useNow } from '@/components/useNow'
import { ApiError } from '@/lib/api'
import { casesOf } from '@/lib/cases'
import { afterKey, chosen, held, type Place } from '@/lib/deciding'
import { useKeys } from '@/lib/keys'
import { LiveList, type Listing } from '@/lib/liveList'
import { count } from '@/lib/numbers'
import { streamNow, useStreamTime } from '@/lib/live/clock'
import type { Row, TriageStatus } from '@/lib/schemas'
import { effective } from '@/lib/verdicts'
import type { Column } from './columns'
import styles from './FeedList.module.css'
import { Foot } from './Foot'
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
  /** One row for each case instead of each alert. */
  grouped?: boolean
  /** What `A` decides on. */
  toDecide?: { q: string; open: boolean }
}

/** A live list with its drawer. It lists what it was made with: another listing needs another key. */
export function FeedList({
  listing,
  label,
  kind,
  columns,
  open,
  onOpen,
  empty,
  grouped = false,
  toDecide,
}: Properties) {
  const [list] = useState(() => new LiveList(listing))
  const { feed, loading, problem } = useSyncExternalStore(list.watch, list.current, list.current)
  const { paused, setPaused, setStanding } = useTail()
  const [place, setPlace] = useState(() => chosen(open))
  const selected = place.id
  const [scrolled, setScrolled] = useState(false)
  const table = useRef<HTMLDivElement>(null)
  const triage = useTriage()
  const [noting, setNoting] = useState(false)
  const [asking, setAsking] = useState(false)
  const current = useRef<string | null>(null)
  useEffect(() => {
    current.current = selected ?? open
  }, [selected, open])
  const router = useRouter()

  // Rows must not move under the reader's eyes: a list that is read is held.
  const hold = held(place, paused, scrolled)
  useEffect(() => list.setHold(hold), [list, hold])
  const follow = useCallback(() => {
    setPlace(chosen(null))
    setPaused(false)
    table.current?.scrollTo({ top: 0 })
    list.release()
  }, [list, setPaused])
  const fresh = feed.heldCount
  useEffect(() => setStanding({ held: hold, fresh, follow }), [hold, fresh, follow, setStanding])
  useEffect(() => () => setStanding(null), [setStanding])

  // A snooze that is over makes its alert open again.
  const now = useStreamTime(useNow(10_000))
  const cases = useMemo(() => (grouped ? casesOf(feed.rows, now) : null), [grouped, feed.rows, now])
  const rows = cases?.rows ?? feed.rows
  const queries = useQueryClient()
  const close = () => {
    onOpen(null)
    table.current?.focus({ preventScroll: true })
  }
  const rowOf = (id: string | null) => feed.rows.find((row) => row.transaction_id === id)
  const alertsOf = (id: string) => cases?.of.get(id) ?? []
  /** What these transactions are to people: of one that is not listed, the drawer may know more than its id. */
  const nameOf = (ids: readonly string[], row?: Row) => {
    if (ids.length > 1) {
      const users = new Set(ids.map((id) => rowOf(id)?.user_id))
      const [user] = users
      return users.size === 1 && user ? `${ids.length} alerts of ${user}` : `${count(ids.length)} alerts`
    }
    const known = row ?? rowOf(ids[0] ?? null) ?? detailOf(queries, ids[0] ?? '')
    return known ? subjectOf(known) : 'one alert'
  }
  const go = (next: Place) => {
    setPlace(next)
    if (open !== null) onOpen(next.id)
  }
  const decide = async (id: string, wanted: Wanted, row: Row | undefined) => {
    const alerts = alertsOf(id).map((alert) => alert.transaction_id)
    const ids = alerts.length ? alerts : [id]
    const subject = nameOf(ids, row)
    const here = { ...place, id: current.current }
    const clock = streamNow()
    const deciding = { rows, id, before: effective(row?.triage ?? null, clock), status: wanted.status, clock }
    // A list of transactions is watched, one of anomalies is worked through: the next one need not wait for the answer.
    const next = afterKey(here, deciding, Date.now(), kind === 'anomalies')
    if (next === null) return triage.say(`${subject} came here just now: decide again if you mean it.`)
    if (next !== here) go(next)
    const decided = await triage.decide(ids, wanted, subject)
    if (!decided && next !== here && current.current === next.id) go({ id, cameAt: Date.now() })
  }
  const undo = async () => {
    const [id] = (await triage.undo(nameOf)) ?? []
    if (id !== undefined && kind === 'anomalies') go({ id, cameAt: Date.now() })
  }
  const press = (status: TriageStatus) => {
    const id = selected ?? open
    // A key between `w` and the note is a letter of the note.
    if (id === null || noting) return false
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
    Escape: () => (open !== null ? close() : setPlace(chosen(null))),
    a: () => press('acknowledged'),
    c: () => press('confirmed'),
    p: () => press('false_positive'),
    z: () => press('snoozed'),
    U: () => void undo(),
    w: () => {
      const id = selected ?? open
      if (id === null) return false
      setNoting(true)
      onOpen(id)
    },
    A: () => (toDecide ? setAsking(true) : false),
    u: () => {
      const row = rowOf(selected)
      if (row) router.push(`/users/${encodeURIComponent(row.user_id)}`)
    },
  })
  const select = useCallback(
    (id: string) => {
      setPlace(chosen(id))
      if (open !== null) onOpen(id)
    },
    [open, onOpen],
  )
  const loadOlder = useCallback(() => void list.loadOlder(), [list])
  const passing = useMemo(() => problem !== null && new ApiError(problem).passing, [problem])

  return (
    <>
      <div className={styles.split}>
        <div
          className={styles.list}
          data-testid="list"
          data-loading={loading}
          data-received={feed.received}
          data-loaded={feed.rows.length}
        >
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
            rows={rows}
            alerts={cases ? (id) => alertsOf(id).length : undefined}
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
            alerts={alertsOf(open)}
            noting={noting}
            onNoted={() => setNoting(false)}
            onDecide={(wanted, row) => void decide(open, wanted, row)}
            onUndo={() => void undo()}
            onClose={close}
          />
        )}
      </div>
      <Foot triage={triage} onUndo={() => void undo()} onAll={toDecide && (() => setAsking(true))} />
      {asking && toDecide && (
        <Bulk
          {...toDecide}
          onDecide={(ids, wanted) => void triage.decide(ids, wanted, nameOf(ids))}
          onClose={() => setAsking(false)}
        />
      )}
    </>
  )
}
