import { withParameters } from '../api'
import { EVENTS, type Message, messageOf, type Topic } from './messages'

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
    private readonly emit: (message: Message) => void,
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
      events.addEventListener(name, (event: MessageEvent<string>) => this.receive(name, event))
    }
    events.onerror = () => this.retry('The live feed broke off. Trying again.')
    this.expect()
  }

  private receive(name: (typeof EVENTS)[number], event: MessageEvent<string>): void {
    let message: Message
    try {
      message = messageOf(name, event.lastEventId, event.data)
    } catch {
      return this.retry('The live feed sent something this page does not understand. Use pages and engine of the same version.')
    }
    if (message.kind === 'down') return this.retry(message.problem.detail, message)
    this.failures = 0
    if (message.mark) this.mark = message.mark
    this.expect()
    this.emit(message)
  }

  private expect(): void {
    clearTimeout(this.timer)
    this.timer = setTimeout(() => this.retry('The live feed is silent. Trying again.'), SILENT_MS)
  }

  private retry(detail: string, down?: Message): void {
    this.close()
    this.emit(
      down ?? { kind: 'down', problem: { type: 'about:blank', title: 'No live feed', status: 503, detail } },
    )
    // Not all browsers at once: up to twice as long as the shortest wait.
    const wait = Math.min(LONGEST_WAIT_MS, 250 * 2 ** this.failures) * (1 + Math.random())
    this.failures += 1
    this.timer = setTimeout(() => this.open(), wait)
  }
}
