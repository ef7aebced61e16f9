'use client'

import { useQueryClient } from '@tanstack/react-query'
import { useCallback, useState } from 'react'
import * as z from 'zod/mini'
import { ApiError, post } from '@/lib/api'
import type { TriageStatus } from '@/lib/schemas'
import { STATUS_LABELS } from '@/lib/verdicts'

const decision = z.looseObject({
  step: z.nullable(z.number()),
  events: z.array(z.looseObject({ transaction_id: z.string() })),
  unknown: z.array(z.string()),
})
const undone = z.looseObject({
  undone: z.nullable(z.looseObject({ action: z.string(), events: z.array(z.unknown()), kept: z.number() })),
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

  const attempt = useCallback(
    async (act: () => Promise<Said>) => {
      try {
        setSaid(await act())
        await queries.invalidateQueries({ queryKey: ['transaction'] })
      } catch (error) {
        if (!(error instanceof ApiError)) throw error
        setSaid({ text: `Nothing was decided. ${error.message}`, failed: true, undoable: false })
      }
    },
    [queries],
  )

  const decide = useCallback(
    (id: string, { status, until = undefined, note = undefined }: Wanted) =>
      attempt(async () => {
        const body = { ids: [id], status, until: until ?? null, note: note ?? null }
        const answer = await post(decision, '/api/triage', body)
        const done = status === null ? 'Note written' : STATUS_LABELS[status]
        if (answer.unknown.length) return { text: `${id} is not stored any more.`, failed: true, undoable: false }
        return { text: `${done}: ${id}`, failed: false, undoable: answer.step !== null }
      }),
    [attempt],
  )

  const undo = useCallback(
    () =>
      attempt(async () => {
        const { undone: taken } = await post(undone, '/api/triage/undo', {})
        if (taken === null) return { text: 'There is nothing to undo.', failed: false, undoable: false }
        const kept = taken.kept ? `; ${taken.kept} decided anew since were kept` : ''
        return { text: `Undone: ${taken.action.replaceAll('_', ' ')}${kept}`, failed: false, undoable: false }
      }),
    [attempt],
  )

  const dismiss = useCallback(() => setSaid(null), [])
  return { decide, undo, said, dismiss }
}

export type Deciding = ReturnType<typeof useTriage>

/** An hour from now, for a snooze. */
export function inHours(hours: number): string {
  return new Date(Date.now() + hours * 3_600_000).toISOString()
}
