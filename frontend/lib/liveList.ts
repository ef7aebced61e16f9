import { ApiError, get, type Parameters } from './api'
import { emptyFeed, feed, type Action, type Feed } from './feed'
import { both, ofIds } from './filters'
import { type Message, STATUS_ONLY, type Topic } from './live/messages'
import { listen } from './live/share'
import { page, type Problem, type Row } from './schemas'

const FIRST_ROWS = 100
const MORE_ROWS = 200
const MOST_RESTORED = 20
const RETRY_MS = 2_000
// As often as a reader can follow, whatever comes in; the terminal's console draws four times a second too.
const TAKE_EVERY_MS = 250
const MOST_COMING = 1_000

/**
 * What to list: `path` and `parameters` for what is stored, `topic` for what comes in, and of that and of what is
 * decided on only what `keeps` accepts. A `ranked` list has the worst first.
 */
export interface Listing {
  path: string
  parameters: Parameters
  topic: Topic
  keeps: (row: Row) => boolean
  ranked?: boolean
}

/** `loading` until there was a first answer; `problem` while the newest one was a refusal. */
export interface Listed {
  feed: Feed
  loading: boolean
  problem: Problem | null
}

/** A list that is live and goes back in time: asks, listens, and tells those who watch. */
export class LiveList {
  private listed: Listed
  private hold = false
  private asking = false
  private wanted = { newest: false, older: false }
  private coming: Row[] = []
  private tookAt = 0
  private taking: ReturnType<typeof setTimeout> | undefined
  private retry: ReturnType<typeof setTimeout> | undefined
  private readonly watchers = new Set<() => void>()
  private stop: (() => void) | null = null

  constructor(private readonly listing: Listing) {
    this.listed = { feed: emptyFeed(listing.ranked), loading: true, problem: null }
  }

  /** What is listed now: a new object after each change. */
  readonly current = (): Listed => this.listed

  /** Listen as long as somebody watches. */
  readonly watch = (watcher: () => void): (() => void) => {
    this.watchers.add(watcher)
    if (this.stop === null) this.start()
    return () => {
      this.watchers.delete(watcher)
      if (this.watchers.size > 0) return
      clearTimeout(this.retry)
      clearTimeout(this.taking)
      this.taking = undefined
      this.stop?.()
      this.stop = null
    }
  }

  /** Keep what comes in out of the rows from now on, or let it in again. */
  setHold(hold: boolean): void {
    if (this.hold === hold) return
    this.hold = hold
    if (!hold) this.release()
  }

  /** Let in what was held. */
  release(): void {
    this.apply({ do: 'release' })
    if (this.listed.feed.torn) void this.askNewest()
  }

  /** Ask for rows older than the last one. */
  async loadOlder(): Promise<void> {
    const { feed, loading, problem } = this.listed
    const last = feed.rows.at(-1)
    if (loading || problem || feed.next === null || last === undefined) return
    if (this.asking) {
      this.wanted.older = true
      return
    }
    // Where a ranked list goes on after rows that were dropped nothing says but its first pages.
    if (feed.next === undefined && feed.ranked) return this.askNewest()
    const from =
      feed.next === undefined
        ? { q: both(String(this.listing.parameters.q ?? ''), `until:"${last.timestamp}"`) }
        : { cursor: feed.next }
    await this.ask('older', { ...from, limit: MORE_ROWS })
  }

  private start(): void {
    void this.askNewest()
    let met = false
    this.stop = listen(this.listing.topic, (message) => {
      // What was stored between the first answer and the first word of the stream is in neither.
      if (message.kind !== 'down' && !met) {
        met = true
        void this.askNewest()
      }
      this.hear(message)
    })
  }

  private hear(message: Message): void {
    const { keeps } = this.listing
    switch (message.kind) {
      case 'rows':
        this.coming.push(...message.rows.filter(keeps))
        return this.takeInTime()
      case 'triage':
        this.take()
        this.apply({ do: 'triage', changes: message.changes, keeps })
        return void this.restore(message.changes.map((change) => change.transaction_id))
      case 'missed':
      case 'reset':
        this.apply({ do: 'tear' })
        if (!this.hold) void this.askNewest()
    }
  }

  /** Look whether transactions that were decided on, and are not listed, belong here now: after an undo they may. */
  private async restore(ids: readonly string[]): Promise<void> {
    const { path, parameters } = this.listing
    const { rows, held } = this.listed.feed
    const listed = new Set([...rows, ...held].map((row) => row.transaction_id))
    const missing = ids.filter((id) => !listed.has(id))
    if (missing.length === 0) return
    if (missing.length > MOST_RESTORED) return this.askNewest()
    const q = both(String(parameters.q ?? ''), ofIds(missing))
    try {
      this.apply({ do: 'restore', rows: (await get(page, path, { ...parameters, q })).rows })
    } catch (error) {
      // Not worth a word: the next newest page has them.
      if (!(error instanceof ApiError)) throw error
    }
  }

  private askNewest(): Promise<void> {
    if (this.asking) {
      this.wanted.newest = true
      return Promise.resolve()
    }
    return this.ask('newest', { limit: FIRST_ROWS })
  }

  private async ask(what: 'newest' | 'older', more: Parameters): Promise<void> {
    this.asking = true
    clearTimeout(this.retry)
    try {
      const answer = await get(page, this.listing.path, { ...this.listing.parameters, ...more })
      const fed = feed(this.listed.feed, { do: what, page: answer, hold: this.hold })
      this.tell({ feed: fed, loading: false, problem: null })
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      this.tell({ ...this.listed, loading: false, problem: error.problem })
      if (this.stop && error.passing) {
        this.retry = setTimeout(() => void this.askNewest(), RETRY_MS)
      } else if (this.stop) {
        // A filter that is refused here is refused there too; the page still wants to know whether it is live.
        this.stop()
        this.stop = listen(STATUS_ONLY, () => undefined)
      }
    }
    this.asking = false
    const { newest, older } = this.wanted
    this.wanted = { newest: false, older: newest && older }
    if (newest) await this.askNewest()
    else if (older) await this.loadOlder()
  }

  /** Take in what came: now, or when those who watch have had time for what was taken in last. */
  private takeInTime(): void {
    const wait = this.tookAt + TAKE_EVERY_MS - Date.now()
    // A tab in the background has slow timers.
    if (wait <= 0 || this.coming.length > MOST_COMING) this.take()
    else this.taking ??= setTimeout(() => this.take(), wait)
  }

  private take(): void {
    clearTimeout(this.taking)
    this.taking = undefined
    const rows = this.coming
    this.coming = []
    this.apply({ do: 'live', rows, hold: this.hold })
    this.tookAt = Date.now()
  }

  private apply(action: Action): void {
    const next = feed(this.listed.feed, action)
    if (next !== this.listed.feed) this.tell({ ...this.listed, feed: next })
  }

  private tell(listed: Listed): void {
    this.listed = listed
    for (const watcher of this.watchers) watcher()
  }
}
