import { withParameters } from '../api'
import { problem } from '../problem'
import type { Problem } from '../schemas'
import { EVENTS, type Message, messageOf, type RawEvent, type Topic } from './messages'

const SILENT_MS = 6_000
const LONGEST_WAIT_MS = 5_000

/**
 * One connection to the live stream, kept up until it is closed.
 *
 * After a break it goes on after the last mark it saw. The engine sends a status every second: a stream that is
 * silent for longer is dead, whatever TCP says.
 */
export class Source {
  private events: EventSource | null = null
  private timer: ReturnType<typeof setTimeout> | undefined
  private failures = 0

  constructor(
    private readonly topic: Topic,
    private readonly emit: (message: Message, event: RawEvent) => void,
    private mark = '',
  ) {
    this.open()
  }

  close(): void {
    clearTimeout(this.timer)
    this.events?.close()
    this.events = null
  }

  private open(): void {
    const events = new EventSource(withParameters('/api/stream', { ...this.topic, after: this.mark }))
    this.events = events
    for (const name of EVENTS) {
      events.addEventListener(name, (event: MessageEvent<string>) =>
        this.receive({ name, mark: event.lastEventId, data: event.data }),
      )
    }
    events.onerror = () => this.retry('The live feed broke off. Trying again.')
    this.expect()
  }

  private receive(event: RawEvent): void {
    let message: Message
    try {
      message = messageOf(event)
    } catch {
      return this.retry('It sent something this page does not understand. Use pages and engine of the same version.')
    }
    if (message.kind === 'down') return this.retry(message.problem)
    this.failures = 0
    if (message.mark) this.mark = message.mark
    this.expect()
    this.emit(message, event)
  }

  private expect(): void {
    clearTimeout(this.timer)
    this.timer = setTimeout(() => this.retry('The live feed is silent. Trying again.'), SILENT_MS)
  }

  private retry(why: string | Problem): void {
    this.close()
    const down = typeof why === 'string' ? problem(503, 'No live feed', why) : why
    this.emit({ kind: 'down', problem: down }, { name: 'status', mark: '', data: JSON.stringify({ down }) })
    // Not all browsers at once: up to twice as long as the shortest wait.
    const wait = Math.min(LONGEST_WAIT_MS, 250 * 2 ** this.failures) * (1 + Math.random())
    this.failures += 1
    this.timer = setTimeout(() => this.open(), wait)
  }
}
