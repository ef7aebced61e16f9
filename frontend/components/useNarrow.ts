'use client'

import { useSyncExternalStore } from 'react'

const NARROW = '(max-width: 720px)'

/** Whether the page is as narrow as a phone; the style sheets draw the line at the same width. */
export function useNarrow(): boolean {
  return useSyncExternalStore(
    (watcher) => {
      const media = matchMedia(NARROW)
      media.addEventListener('change', watcher)
      return () => media.removeEventListener('change', watcher)
    },
    () => matchMedia(NARROW).matches,
    () => false,
  )
}
