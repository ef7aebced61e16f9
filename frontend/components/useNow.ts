'use client'

import { useEffect, useState } from 'react'

/** This browser's clock in milliseconds, read again every `everyMs`; 0 before the page has come alive. */
export function useNow(everyMs = 1_000): number {
  const [now, setNow] = useState(0)
  useEffect(() => {
    const tick = () => setNow(Date.now())
    const first = setTimeout(tick)
    const timer = setInterval(tick, everyMs)
    return () => {
      clearTimeout(first)
      clearInterval(timer)
    }
  }, [everyMs])
  return now
}
