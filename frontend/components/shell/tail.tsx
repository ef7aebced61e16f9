'use client'

import { createContext, type ReactNode, useContext, useState } from 'react'

/** How the page's live list stands: whether it is held, for whatever reason, how many rows wait, and how to go on. */
export interface Standing {
  held: boolean
  fresh: number
  follow: () => void
}

/** `paused` by the reader's wish; `standing` is null on a page without a live list. */
interface Tail {
  paused: boolean
  setPaused: (paused: boolean) => void
  standing: Standing | null
  setStanding: (standing: Standing | null) => void
}

const Context = createContext<Tail>({
  paused: false,
  setPaused: () => undefined,
  standing: null,
  setStanding: () => undefined,
})

/** Whether the live lists stand still: known to the page that has one, and to the header that must say so. */
export function TailProvider({ children }: { children: ReactNode }) {
  const [paused, setPaused] = useState(false)
  const [standing, setStanding] = useState<Standing | null>(null)
  return <Context value={{ paused, setPaused, standing, setStanding }}>{children}</Context>
}

export const useTail = (): Tail => useContext(Context)
