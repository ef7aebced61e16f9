/** How an analyst gets on: what was decided on this page since it was opened. */
import { count } from './numbers'

const MINUTE_MS = 60_000

/** When decisions were made (milliseconds), one for each alert, oldest first. */
export type Made = readonly number[]

/** `count` more alerts were decided on at `now`. */
export const decidedMore = (made: Made, count: number, now: number): Made => [
  ...made,
  ...Array.from({ length: count }, () => now),
]

/** The decisions on the last `count` alerts were taken back. */
export const takenBack = (made: Made, count: number): Made => made.slice(0, Math.max(0, made.length - count))

/** `12 done · 94 left · 8 a minute`; `left` null where it is not known; `budget` what waits beyond it, in words. */
export function progress(made: Made, left: number | null, now: number, budget = ''): string {
  const lately = made.filter((at) => now - at < MINUTE_MS).length
  const parts = [
    `${count(made.length)} done`,
    left === null ? '' : `${count(left)} left`,
    lately ? `${count(lately)} a minute` : '',
    budget,
  ]
  return parts.filter(Boolean).join(' · ')
}
