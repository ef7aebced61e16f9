'use client'

import { useEffect } from 'react'
import { STATUS_ONLY } from '@/lib/live/messages'
import { listen } from '@/lib/live/share'
import { type Heard, useHeard } from '@/lib/live/status'

/** The engine's status on a page that lists nothing live. */
export function useLive(): Heard {
  useEffect(() => listen(STATUS_ONLY, () => undefined), [])
  return useHeard()
}
