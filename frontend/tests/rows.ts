import { page, row, type Page, type Row } from '@/lib/schemas'
import * as z from 'zod/mini'

const DETECTOR = { model_version: '1', status: 'ok', reasons: [] }

/** A row as the API tells it, `second` seconds (with a fraction) after a fixed time. */
export function rowAt(second: number, id = `t${second}`, more: Record<string, unknown> = {}): Row {
  const [whole, fraction = '0'] = String(second).split('.')
  const at = new Date(Date.UTC(2026, 2, 1) + Number(whole) * 1000).toISOString().slice(0, 19)
  return z.parse(row, {
    transaction_id: id,
    user_id: 'u-1',
    amount: '12.50',
    currency: 'EUR',
    timestamp: `${at}.${fraction.padEnd(6, '0')}Z`,
    flagged: true,
    verdicts: [{ ...DETECTOR, detector: 'enhanced', score: 0.9, threshold: 0.7, flagged: true, severity: 'critical' }],
    stored_at: '2026-03-01T00:00:00Z',
    ...more,
  })
}

/** A page of these rows. */
export function pageOf(rows: Row[], next: string | null): Page {
  return { ...z.parse(page, { at: '2026-03-01T00:00:00Z', rows: [], next }), rows }
}
