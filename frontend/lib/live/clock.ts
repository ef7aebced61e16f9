/** What time it is for the stream: this browser's clock on a live topic, its own on a replay or a simulation. */
import { heardLast, useHeard } from './status'

const timeOf = (at: string | null | undefined, wall: number): number => (at ? Date.parse(at) : wall)

/** Now, in milliseconds, by the stream's clock: snoozes are counted from it. */
export function streamNow(): number {
  return timeOf(heardLast().status?.clock?.at, Date.now())
}

/** The same for what is drawn, where it is `wall` by this browser's clock. */
export function useStreamTime(wall: number): number {
  return timeOf(useHeard().status?.clock?.at, wall)
}
