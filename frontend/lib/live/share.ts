/**
 * One connection for all tabs. A browser opens six connections to a host at most, and seven tabs with a stream each
 * would stop the whole console: so for each topic the tab that holds a lock listens and tells the others.
 */
import { type Message, type Topic } from './messages'
import { Source } from './source'
import { heard } from './status'

const HIDDEN_FOR_MS = 15_000

type Listener = (message: Message) => void

const shares = new Map<string, Share>()

/** Hear everything that is told about `topic`, from whichever tab has the connection, until the result is called. */
export function listen(topic: Topic, listener: Listener): () => void {
  const key = `${topic.of} ${topic.q}`
  let share = shares.get(key)
  if (share === undefined) {
    share = new Share(key, topic)
    shares.set(key, share)
  }
  const joined = share
  joined.listeners.add(listener)
  return () => {
    joined.listeners.delete(listener)
    if (joined.listeners.size === 0) {
      joined.close()
      shares.delete(key)
    }
  }
}

class Share {
  readonly listeners = new Set<Listener>()
  private readonly channel: BroadcastChannel
  private turn: AbortController | null = null
  private mark = ''
  private timer: ReturnType<typeof setTimeout> | undefined

  constructor(
    private readonly key: string,
    private readonly topic: Topic,
  ) {
    this.channel = new BroadcastChannel(`anomaly-tui live ${key}`)
    this.channel.onmessage = (event: MessageEvent<Message>) => this.tell(event.data)
    document.addEventListener('visibilitychange', this.look)
    this.queue()
  }

  close(): void {
    clearTimeout(this.timer)
    document.removeEventListener('visibilitychange', this.look)
    this.turn?.abort()
    this.channel.close()
  }

  /** A tab that nobody sees gives its turn away, and its connection with it; it catches up when it is seen again. */
  private readonly look = (): void => {
    clearTimeout(this.timer)
    if (document.hidden) {
      this.timer = setTimeout(() => {
        this.turn?.abort()
        this.turn = null
      }, HIDDEN_FOR_MS)
    } else if (this.turn === null) {
      this.queue()
    }
  }

  private queue(): void {
    const turn = new AbortController()
    this.turn = turn
    // Locks exist in secure contexts only, which plain HTTP beyond this machine is not.
    if (navigator.locks === undefined) {
      void this.lead(turn.signal)
      return
    }
    navigator.locks
      .request(`anomaly-tui live ${this.key}`, { signal: turn.signal }, () => this.lead(turn.signal))
      .catch((error: unknown) => {
        if (!turn.signal.aborted) throw error
      })
  }

  private lead(until: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const source = new Source(
        this.topic,
        (message) => {
          this.channel.postMessage(message)
          this.tell(message)
        },
        this.mark,
      )
      until.addEventListener('abort', () => {
        source.close()
        resolve()
      })
    })
  }

  private tell(message: Message): void {
    if (message.kind !== 'down' && message.mark) this.mark = message.mark
    heard(message)
    for (const listener of this.listeners) listener(message)
  }
}
