'use client'

import { useEffect, useRef } from 'react'

/** What keys do, by `KeyboardEvent.key`. An action that returns false lets the key go on to others. */
export type Keys = Readonly<Record<string, (event: KeyboardEvent) => void | false>>

/** React to keys, except while a dialog is open, or something is being typed: then Escape only. */
export function useKeys(keys: Keys): void {
  const current = useRef(keys)
  useEffect(() => {
    current.current = keys
  })
  useEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return
      if (document.querySelector('dialog[open]') || (event.key !== 'Escape' && typing(event.target))) return
      if (current.current[event.key]?.(event) !== false && event.key in current.current) event.preventDefault()
    }
    window.addEventListener('keydown', pressed)
    return () => window.removeEventListener('keydown', pressed)
  }, [])
}

function typing(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && target.matches('input, textarea, select, [contenteditable]')
}
