/** Numbers for people. */

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })
const compact = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 })

/** `12,345` */
export const count = (value: number): string => whole.format(value)

/** `12.3K` from ten thousand on, all digits below. */
export const brief = (value: number): string => (value < 10_000 ? whole : compact).format(value)

/** `12.3 %`, `0.4 %`: a share in [0, 1], with one decimal, so that shares below each other line up. */
export const percent = (share: number): string => `${(share * 100).toFixed(1)} %`

/** A score or a threshold in [0, 1]: `.86`, `1.0`. */
export const score = (value: number): string => (value >= 0.995 ? '1.0' : value.toFixed(2).slice(1))

/** A rate: `0.4/s`, `120/s`. */
export const rate = (value: number): string => `${value < 10 ? value.toFixed(1) : whole.format(value)}/s`

/** Transactions a day: `0.4`, `120`; unknown until there was a second one. */
export const pace = (perDay: number): string =>
  perDay <= 0 ? '–' : perDay < 100 ? perDay.toFixed(1) : whole.format(perDay)
