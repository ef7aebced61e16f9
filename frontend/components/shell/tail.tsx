'use client'

import { createContext, type ReactNode, useContext, useState } from 'react'

/** `paused` by the reader's wish; `held` for whatever reason, which includes that a row is being read. */
interface Tail {
  paused: boolean
  held: boolean
  setPaused: (paused: boolean) => void
  setHeld: (held: boolean) => void
}

const Context = createContext<Tail>({
  paused: false,
  held: false,
  setPaused: () => undefined,
  setHeld: () => undefined,
})

/** Whether the live lists stand still: known to the page that has one, and to the header that must say so. */
export function TailProvider({ children }: { children: ReactNode }) {
  const [paused, setPaused] = useState(false)
  const [held, setHeld] = useState(false)
  return <Context value={{ paused, held, setPaused, setHeld }}>{children}</Context>
}

export const useTail = (): Tail => useContext(Context)
