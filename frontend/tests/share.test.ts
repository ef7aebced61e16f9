import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Message, Topic } from '@/lib/live/messages'
import { Connection, STATUS } from './connection'

type Holder = () => Promise<void>

/** The browser's locks, as far as tabs need them: first come, first served; stealing goes before everybody. */
class Locks {
  private readonly waiting = new Map<string, Holder[]>()
  private readonly robbed = new Map<string, (reason: Error) => void>()

  request(name: string, options: { signal?: AbortSignal; steal?: boolean }, holder: Holder): Promise<void> {
    return new Promise((resolve, reject) => {
      const hold = async () => {
        this.robbed.set(name, reject)
        await holder()
        resolve()
        const queue = this.waiting.get(name) ?? []
        queue.shift()
        await queue[0]?.()
      }
      const queue = this.waiting.get(name) ?? []
      this.waiting.set(name, queue)
      if (options.steal) {
        this.robbed.get(name)?.(new Error('stolen'))
        queue.splice(0, 1, hold)
        void hold()
        return
      }
      queue.push(hold)
      if (queue.length === 1) void hold()
      options.signal?.addEventListener('abort', () => {
        const place = queue.indexOf(hold)
        if (place > 0) queue.splice(place, 1)
        reject(new Error('aborted'))
      })
    })
  }
}

const TOPIC: Topic = { of: 'transactions', q: '' }
let page: EventTarget & { hidden?: boolean }
const leaving: (() => void)[] = []

/** One tab more: the module as a page of its own would load it, listening. */
async function tab(): Promise<{ heard: Message[]; leave: () => void }> {
  vi.resetModules()
  const { listen } = await import('@/lib/live/share')
  const heard: Message[] = []
  const leave = listen(TOPIC, (message) => heard.push(message))
  leaving.push(leave)
  return { heard, leave }
}

beforeEach(() => {
  Connection.all = []
  page = new EventTarget()
  vi.stubGlobal('EventSource', Connection)
  vi.stubGlobal('document', page)
  vi.stubGlobal('addEventListener', page.addEventListener.bind(page))
  vi.stubGlobal('removeEventListener', page.removeEventListener.bind(page))
  vi.stubGlobal('navigator', { locks: new Locks() })
})

afterEach(() => {
  for (const leave of leaving.splice(0)) leave()
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

describe('tabs of one topic', () => {
  test('share one connection, and all hear what it tells', async () => {
    const tabs = await Promise.all([await tab(), await tab(), await tab()])
    expect(Connection.all).toHaveLength(1)
    Connection.all[0]!.tell('status', STATUS, 'e1.7.0')
    await vi.waitFor(() => {
      for (const { heard } of tabs) expect(heard.map((message) => message.kind)).toEqual(['status'])
    })
  })

  test('go on where the leading one was when it leaves', async () => {
    const [first, second] = [await tab(), await tab()]
    Connection.all[0]!.tell('status', STATUS, 'e1.42.0')
    await vi.waitFor(() => expect(second.heard).toHaveLength(1))
    first.leave()
    await vi.waitFor(() => expect(Connection.all).toHaveLength(2))
    expect(Connection.all[0]!.closed).toBe(true)
    expect(Connection.all[1]!.url).toContain('after=e1.42.0')
  })

  test('take the lead from one that tells nothing any more', async () => {
    const stuck = { signal: new AbortController().signal }
    void (navigator.locks as unknown as Locks)
      .request('anomaly-tui live transactions ', stuck, () => new Promise(() => undefined))
      .catch(() => undefined)
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    await tab()
    expect(Connection.all).toHaveLength(0)
    vi.advanceTimersByTime(20_000)
    expect(Connection.all).toHaveLength(1)
  })

  test('give their turn away when nobody has seen them for a while, and catch up when somebody does', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    await tab()
    page.hidden = true
    page.dispatchEvent(new Event('visibilitychange'))
    for (let second = 0; second < 15; second += 1) {
      expect(Connection.all[0]!.closed).toBe(false)
      Connection.all[0]!.tell('status', STATUS, 'e1.42.0')
      vi.advanceTimersByTime(1_000)
    }
    expect(Connection.all[0]!.closed).toBe(true)
    page.hidden = false
    page.dispatchEvent(new Event('visibilitychange'))
    await vi.waitFor(() => expect(Connection.all).toHaveLength(2))
    expect(Connection.all[1]!.url).toContain('after=e1.42.0')
  })
})
