/** The newest status of the engine, for whichever page is open. */
import { useSyncExternalStore } from 'react'
import type { Problem } from '../schemas'
import type { Message, Status } from './messages'

const RATES = 120

/** `heardAt` is this browser's clock in milliseconds; `rates` are the last two minutes, oldest first. */
export interface Heard {
  status: Status | null
  heardAt: number
  down: Problem | null
  rates: readonly number[]
}

const NOTHING: Heard = { status: null, heardAt: 0, down: null, rates: [] }

let current = NOTHING
const watchers = new Set<() => void>()

/** Take note of a message of any topic. */
export function heard(message: Message): void {
  if (message.kind === 'down') {
    current = { ...current, down: message.problem }
  } else if (message.kind === 'status') {
    // Two topics of one tab tell the same second twice.
    if (message.status.at === current.status?.at) return
    current = {
      status: message.status,
      heardAt: Date.now(),
      down: null,
      rates: [...current.rates, message.status.rate].slice(-RATES),
    }
  } else {
    return
  }
  for (const watcher of watchers) watcher()
}

/** What was heard last, for what is not drawn. */
export function heardLast(): Heard {
  return current
}

/** What was heard last; it renders again with each status. */
export function useHeard(): Heard {
  return useSyncExternalStore(
    (watcher) => {
      watchers.add(watcher)
      return () => watchers.delete(watcher)
    },
    () => current,
    () => NOTHING,
  )
}
