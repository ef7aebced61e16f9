'use client'

import { useQuery } from '@tanstack/react-query'
import { useEffect, useRef } from 'react'
import * as z from 'zod/mini'
import { ProblemNote } from '@/components/common/ProblemNote'
import { ApiError, get } from '@/lib/api'
import { count } from '@/lib/numbers'
import styles from './Bulk.module.css'
import { inHours, type Wanted } from './useTriage'

const found = z.looseObject({ ids: z.array(z.string()), matches: z.number() })

const WAYS: readonly (readonly [string, () => Wanted])[] = [
  ['Acknowledge', () => ({ status: 'acknowledged' })],
  ['Confirm fraud', () => ({ status: 'confirmed' })],
  ['False positive', () => ({ status: 'false_positive' })],
  ['Snooze 1 hour', () => ({ status: 'snoozed', until: inHours(1) })],
]

interface Properties {
  /** What all have in common. */
  q: string
  /** Whether they are the open ones of these. */
  open: boolean
  onDecide: (ids: readonly string[], wanted: Wanted) => void
  onClose: () => void
}

/** Asks what to decide of all anomalies that match, those that it counted and no others. */
export function Bulk({ q, open, onDecide, onClose }: Properties) {
  const dialog = useRef<HTMLDialogElement>(null)
  useEffect(() => dialog.current?.showModal(), [])
  const { data, error } = useQuery({
    queryKey: ['open anomalies', q],
    queryFn: ({ signal }) => get(found, '/api/open-anomalies', { q }, signal),
    gcTime: 0,
    staleTime: Infinity,
  })
  return (
    <dialog ref={dialog} className={styles.bulk} onClose={onClose} aria-labelledby="bulk-title" data-testid="bulk">
      <h2 id="bulk-title">
        {data
          ? `Decide on ${count(data.ids.length)} ${open ? 'open ' : ''}${data.ids.length === 1 ? 'anomaly' : 'anomalies'}`
          : 'Counting…'}
      </h2>
      <p>
        {q ? (
          <>
            All that match <code>{q}</code>, in one step that can be undone.
          </>
        ) : (
          'All there are, in one step that can be undone.'
        )}
        {data && data.matches > data.ids.length && ` The newest of ${count(data.matches)}.`}
      </p>
      {error instanceof ApiError && <ProblemNote problem={error.problem} />}
      <div className={styles.ways}>
        {WAYS.map(([name, wanted]) => (
          <button
            key={name}
            type="button"
            disabled={!data?.ids.length}
            onClick={() => {
              onDecide(data!.ids, wanted())
              dialog.current?.close()
            }}
          >
            {name}
          </button>
        ))}
        <button type="button" onClick={() => dialog.current?.close()}>
          Cancel
        </button>
      </div>
    </dialog>
  )
}
