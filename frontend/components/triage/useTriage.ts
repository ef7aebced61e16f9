'use client'

import { useQueryClient } from '@tanstack/react-query'
import { useCallback, useState } from 'react'
import * as z from 'zod/mini'
import { ApiError, post } from '@/lib/api'
import { outcome } from '@/lib/deciding'
import { decidedMore, type Made, takenBack } from '@/lib/pace'
import { money } from '@/lib/money'
import { type Row, triage as triageSchema, type TriageStatus } from '@/lib/schemas'
import { streamNow } from '@/lib/live/clock'
import { effective, STATUS_LABELS } from '@/lib/verdicts'

const decision = z.looseObject({
  step: z.nullable(z.number()),
  events: z.array(z.looseObject({ transaction_id: z.string(), before: z.nullable(triageSchema) })),
  unknown: z.array(z.string()),
  unchanged: z.array(z.string()),
})
const undone = z.looseObject({
  undone: z.nullable(
    z.looseObject({
      action: z.string(),
      events: z.array(z.looseObject({ transaction_id: z.string() })),
      kept: z.number(),
    }),
  ),
})

/** `status` null keeps the status and writes only the note; a snooze needs `until`. */
export interface Wanted {
  status: TriageStatus | null
  until?: string
  note?: string
}

/** What became of the last decision, for people. */
export interface Said {
  text: string
  failed: boolean
  undoable: boolean
}

/** Decide on transactions and take decisions back; every list hears of it through the live stream. */
export function useTriage() {
  const queries = useQueryClient()
  const [said, setSaid] = useState<Said | null>(null)
  const [made, setMade] = useState<Made>([])

  const attempt = useCallback(
    async <T>(act: () => Promise<[Said, T]>): Promise<T | null> => {
      try {
        const [what, result] = await act()
        setSaid(what)
        await queries.invalidateQueries({ queryKey: ['transaction'] })
        return result
      } catch (error) {
        if (!(error instanceof ApiError)) throw error
        setSaid({ text: `Nothing was decided. ${error.message}`, failed: true, undoable: false })
        return null
      }
    },
    [queries],
  )

  /** Decide in one step on transactions that are `subject` to people; true when that changed the status of any. */
  const decide = useCallback(
    (ids: readonly string[], { status, until = undefined, note = undefined }: Wanted, subject: string) =>
      attempt<boolean>(async () => {
        const answer = await post(decision, '/api/triage', { ids, status, until: until ?? null, note: note ?? null })
        const { events, unknown, unchanged } = answer
        if (events.length === 0 && unchanged.length === 0) {
          return [{ text: `No longer stored: ${subject}.`, failed: true, undoable: false }, false]
        }
        if (events.length === 0) {
          const already = status === null ? 'noted' : STATUS_LABELS[status].toLowerCase()
          const text = `Already ${already}: ${subject}. Nothing has changed.`
          return [{ text, failed: false, undoable: false }, false]
        }
        if (status !== null) setMade((before) => decidedMore(before, events.length, Date.now()))
        const before = (ids.length === 1 && events[0]?.before) || null
        const left = unknown.length + unchanged.length
        const others = left ? `; ${left} of them needed nothing` : ''
        const text = outcome(status, subject, before && effective(before, streamNow())) + others
        return [{ text, failed: false, undoable: answer.step !== null }, status !== null]
      }),
    [attempt],
  )

  /**
   * Take the last decision back; the transactions that it was about, none when there was nothing to take back.
   * `nameOf` says what they are to people.
   */
  const undo = useCallback(
    (nameOf: (ids: readonly string[]) => string) =>
      attempt<readonly string[]>(async () => {
        const { undone: taken } = await post(undone, '/api/triage/undo', {})
        if (taken === null) return [{ text: 'There is nothing to undo.', failed: false, undoable: false }, []]
        const ids = taken.events.map((event) => event.transaction_id)
        if (taken.action !== 'note') setMade((before) => takenBack(before, ids.length))
        const kept = taken.kept ? `; ${taken.kept} decided again since were kept` : ''
        const text = `Undone: ${taken.action.replaceAll('_', ' ')}, ${nameOf(ids)}${kept}`
        return [{ text, failed: false, undoable: false }, ids]
      }),
    [attempt],
  )

  const say = useCallback((text: string) => setSaid({ text, failed: false, undoable: false }), [])
  const dismiss = useCallback(() => setSaid(null), [])
  return { decide, undo, say, said, dismiss, made }
}

export type Deciding = ReturnType<typeof useTriage>

/** The user and amount of a transaction, in a few words. */
export const subjectOf = (row: Row): string => `${row.user_id} ${money(row.amount, row.currency)} ${row.currency}`

/** So many hours from now by the stream's clock, for a snooze. */
export function inHours(hours: number): string {
  return new Date(streamNow() + hours * 3_600_000).toISOString()
}
