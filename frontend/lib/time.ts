/** Times: all in UTC, as everywhere in the console. */

const RFC3339 = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/

/**
 * Microseconds since 1970 of an RFC 3339 time: an exact integer, where a Date would lose three digits.
 * Throws RangeError for anything else.
 */
export function microseconds(timestamp: string): number {
  const match = RFC3339.exec(timestamp)
  if (match === null) throw new RangeError(`Not a time: ${timestamp}`)
  const [, seconds, fraction = '', zone] = match
  return Date.parse(`${seconds}${zone}`) * 1000 + Number(fraction.slice(0, 6).padEnd(6, '0'))
}

/** `13:29:38.654` */
export function clock(timestamp: string): string {
  return new Date(timestamp).toISOString().slice(11, 23)
}

/** `13:29` */
export function minute(timestamp: string | number): string {
  return new Date(timestamp).toISOString().slice(11, 16)
}

/** `Nov 25 13:29:38` */
export function dayAndClock(timestamp: string): string {
  return `${day(timestamp)} ${new Date(timestamp).toISOString().slice(11, 19)}`
}

/** `Nov 25` */
export function day(timestamp: string): string {
  return new Date(timestamp).toLocaleDateString('en', { month: 'short', day: '2-digit', timeZone: 'UTC' })
}

/** `2026-11-25 13:29:38.654123 UTC`, with every digit that was given. */
export function full(timestamp: string): string {
  return timestamp.replace('T', ' ').replace(/Z$/, ' UTC')
}

/** A span for people, in the largest unit that fits: `0.4 s`, `12 s`, `3 min`, `2 h`, `5 d`. */
export function span(seconds: number): string {
  if (seconds < 10) return `${Math.max(0, seconds).toFixed(1)} s`
  if (seconds < 120) return `${Math.floor(seconds)} s`
  if (seconds < 7200) return `${Math.floor(seconds / 60)} min`
  if (seconds < 172_800) return `${Math.floor(seconds / 3600)} h`
  return `${Math.floor(seconds / 86_400)} d`
}
