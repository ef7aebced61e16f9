'use client'

import { type RefObject, useEffect, useState } from 'react'

const SPARE = 6

/** Rows of one height in a scrolling element: which of them are in sight, with a few to spare on either side. */
export function useWindow(element: RefObject<HTMLElement | null>, rows: number, height: number) {
  const [seen, setSeen] = useState({ top: 0, height: 0 })
  useEffect(() => {
    const scroller = element.current
    if (scroller === null) return
    const look = () => setSeen({ top: scroller.scrollTop, height: scroller.clientHeight })
    const sized = new ResizeObserver(look)
    sized.observe(scroller)
    scroller.addEventListener('scroll', look, { passive: true })
    return () => {
      sized.disconnect()
      scroller.removeEventListener('scroll', look)
    }
  }, [element])
  const first = Math.max(0, Math.min(Math.floor(seen.top / height) - SPARE, rows - 1))
  const last = Math.min(rows, Math.ceil((seen.top + seen.height) / height) + SPARE)
  return { first, last, top: seen.top, atEnd: seen.height > 0 && last >= rows }
}
