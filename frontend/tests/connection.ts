/** The browser's EventSource, driven by hand. */
export class Connection extends EventTarget {
  static all: Connection[] = []
  closed = false
  onerror: (() => void) | null = null

  constructor(readonly url: string) {
    super()
    Connection.all.push(this)
  }

  tell(name: string, data: unknown, lastEventId = ''): void {
    this.dispatchEvent(new MessageEvent(name, { data: JSON.stringify(data), lastEventId }))
  }

  close(): void {
    this.closed = true
  }
}

/** What a `status` event carries. */
export const STATUS = {
  at: '2026-03-01T00:00:00Z',
  engine: 'e1',
  rate: 40,
  lag: 0,
  latency_p95: 0.1,
  transactions: 7,
  flagged: {},
  open_anomalies: null,
  clock_says: '',
  budget_says: '',
  database_up: true,
  last_stored_at: null,
}
