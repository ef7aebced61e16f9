'use client'

import { useCallback, useEffect, useReducer, useRef, useState } from 'react'
import { ApiError, get, type Parameters } from '@/lib/api'
import { emptyFeed, feed, type Feed } from '@/lib/feed'
import type { Topic } from '@/lib/live/messages'
import { listen } from '@/lib/live/share'
import { page, type Problem, type Row } from '@/lib/schemas'

const FIRST_ROWS = 100
const MORE_ROWS = 200
const RETRY_MS = 2_000

/** What to list: `path` and `parameters` for what is stored, `topic` for what comes in; `keeps` says what stays. */
export interface Listing {
  path: string
  parameters: Parameters
  topic: Topic
  keeps: (row: Row) => boolean
  ranked?: boolean
}

export interface LiveFeed extends Feed {
  loading: boolean
  problem: Problem | null
  loadOlder: () => void
  release: () => void
}

/** A list that is live and goes back in time. Its listing must not change: give the component a key of it. */
export function useFeed(listing: Listing, hold: boolean): LiveFeed {
  const { path, parameters, topic, keeps, ranked = false } = useState(listing)[0]
  const [state, dispatch] = useReducer(feed, ranked, emptyFeed)
  const [loading, setLoading] = useState(true)
  const [problem, setProblem] = useState<Problem | null>(null)
  const holding = useRef(hold)
  const asking = useRef<'newest' | 'older' | null>(null)
  const again = useRef(false)

  useEffect(() => {
    holding.current = hold
  }, [hold])

  const ask = useCallback(
    async (what: 'newest' | 'older', more: Parameters): Promise<void> => {
      if (asking.current !== null) {
        again.current ||= what === 'newest'
        return
      }
      asking.current = what
      try {
        const answer = await get(page, path, { ...parameters, ...more })
        dispatch({ do: what, page: answer })
        setProblem(null)
        setLoading(false)
      } catch (error) {
        setProblem((error as ApiError).problem)
        setLoading(false)
      } finally {
        asking.current = null
        if (again.current) {
          again.current = false
          void ask('newest', { limit: FIRST_ROWS })
        }
      }
    },
    [path, parameters],
  )

  useEffect(() => {
    void ask('newest', { limit: FIRST_ROWS })
    let met = false
    return listen(topic, (message) => {
      // What was stored between the first answer and the first word of the stream is in neither.
      if (message.kind !== 'down' && !met) {
        met = true
        void ask('newest', { limit: FIRST_ROWS })
      }
      if (message.kind === 'rows') {
        dispatch({ do: 'live', rows: message.rows.filter(keeps), hold: holding.current })
      } else if (message.kind === 'missed' || message.kind === 'reset') {
        dispatch({ do: 'tear' })
      } else if (message.kind === 'triage') {
        dispatch({ do: 'triage', changes: message.changes, keeps })
      }
    })
  }, [ask, topic, keeps])

  useEffect(() => {
    if (state.torn && !hold) void ask('newest', { limit: FIRST_ROWS })
  }, [state.torn, hold, ask])

  // A list that could not be asked for is asked for again, as long as that may help.
  const passing = problem !== null && new ApiError(problem).passing
  useEffect(() => {
    if (!passing) return
    const timer = setInterval(() => void ask('newest', { limit: FIRST_ROWS }), RETRY_MS)
    return () => clearInterval(timer)
  }, [passing, ask])

  const { next, rows } = state
  const loadOlder = useCallback(() => {
    if (loading || next === null || passing) return
    const last = rows.at(-1)
    if (next !== undefined) void ask('older', { limit: MORE_ROWS, cursor: next })
    else if (last) void ask('older', { limit: MORE_ROWS, q: until(parameters.q, last.timestamp) })
  }, [ask, loading, next, rows, passing, parameters])

  const release = useCallback(() => dispatch({ do: 'release' }), [])

  return { ...state, loading, problem, loadOlder, release }
}

/** The filter `q`, up to a time. */
function until(q: Parameters[string], time: string): string {
  return q ? `(${q}) until:"${time}"` : `until:"${time}"`
}
