/** Amounts: exact decimals as texts from the engine to the screen, never floating-point numbers. */

// ISO 4217 currencies whose minor unit is not a hundredth. Intl has its own opinion of some of them.
const DECIMALS: Readonly<Record<string, number>> = Object.fromEntries(
  Object.entries({
    0: 'BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF BYR',
    3: 'BHD IQD JOD KWD LYD OMR TND',
    4: 'CLF UYW',
  }).flatMap(([decimals, codes]) => codes.split(' ').map((code) => [code, Number(decimals)])),
)

/** Digits after the decimal point of a currency's minor unit; 2 for a code that is not known. */
export function decimals(currency: string): number {
  return DECIMALS[currency] ?? 2
}

const formats = new Map<number, Intl.NumberFormat>()

/** An amount for people: grouped, every digit kept, and at least the decimals of its currency. */
export function money(amount: string, currency: string): string {
  const given = amount.split('.')[1]?.length ?? 0
  const digits = Math.max(given, decimals(currency))
  let format = formats.get(digits)
  if (format === undefined) {
    format = new Intl.NumberFormat('en', { minimumFractionDigits: digits, maximumFractionDigits: digits })
    formats.set(digits, format)
  }
  return format.format(amount as Intl.StringNumericLiteral)
}

/** An average, or another amount that was calculated: rounded to the currency's decimals. */
export function roundMoney(amount: number, currency: string): string {
  return money(amount.toFixed(decimals(currency)), currency)
}
