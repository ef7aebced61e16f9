/**
 * One connection for all tabs. A browser opens six connections to a host at most, and seven tabs with a stream each
 * would stop the whole console: so for each topic the tab that holds a lock listens and tells the others.
 */
import { type Message, messageOf, type RawEvent, type Topic } from './messages'
import { Source } from './source'
import { heard } from './status'

const HIDDEN_FOR_MS = 15_000
const SILENT_FOR_MS = 20_000

type Listener = (message: Message) => void

const shares = new Map<string, Share>()

/** Hear everything that is said about `topic`, from whichever tab has the connection, until the result is called. */
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
  private hiding: ReturnType<typeof setTimeout> | undefined
  private silence: ReturnType<typeof setTimeout> | undefined

  constructor(
    private readonly key: string,
    private readonly topic: Topic,
  ) {
    this.channel = new BroadcastChannel(`anomaly-tui live ${key}`)
    this.channel.onmessage = (event: MessageEvent<RawEvent>) => this.tell(messageOf(event.data))
    document.addEventListener('visibilitychange', this.look)
    addEventListener('pagehide', this.rest)
    addEventListener('pageshow', this.look)
    this.queue()
  }

  close(): void {
    clearTimeout(this.hiding)
    document.removeEventListener('visibilitychange', this.look)
    removeEventListener('pagehide', this.rest)
    removeEventListener('pageshow', this.look)
    this.rest()
    this.channel.close()
  }

  /** A tab that nobody sees gives its turn away, and its connection with it; it catches up when it is seen again. */
  private readonly look = (): void => {
    clearTimeout(this.hiding)
    if (document.hidden) this.hiding = setTimeout(this.rest, HIDDEN_FOR_MS)
    else if (this.turn === null) this.queue()
  }

  private readonly rest = (): void => {
    clearTimeout(this.silence)
    this.turn?.abort()
    this.turn = null
  }

  private queue(steal = false): void {
    this.rest()
    const turn = new AbortController()
    this.turn = turn
    this.expect()
    // Locks exist in secure contexts only, which plain HTTP beyond this machine is not.
    if (navigator.locks === undefined) {
      void this.lead(turn.signal)
      return
    }
    // A signal and stealing exclude each other; the tab that steals it has the lock at once.
    navigator.locks
      .request(`anomaly-tui live ${this.key}`, steal ? { steal } : { signal: turn.signal }, () =>
        this.lead(turn.signal),
      )
      .catch(() => {
        // Either this tab gave up its turn, or another one took the lock away.
        if (!turn.signal.aborted) this.queue()
      })
  }

  /** The leader says something each second; one that is frozen or stuck says nothing, and loses the lead. */
  private expect(): void {
    clearTimeout(this.silence)
    this.silence = setTimeout(() => this.queue(navigator.locks !== undefined), SILENT_FOR_MS)
  }

  private lead(until: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (until.aborted) return resolve()
      const source = new Source(
        this.topic,
        (message, event) => {
          this.channel.postMessage(event)
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
    if (this.turn !== null) this.expect()
    if (message.kind !== 'down' && message.mark) this.mark = message.mark
    heard(message)
    for (const listener of this.listeners) listener(message)
  }
}
