import { describe, expect, test } from 'vitest'
import { callAllowed, contentSecurityPolicy, hostAllowed } from '@/server/access'
import { problem } from '@/lib/problem'
import { downEvent, relayed } from '@/server/sse'

describe('hosts', () => {
  test.each(['localhost:3000', '127.0.0.1', 'LOCALHOST:1', '[::1]:3000', 'console.example:443'])(
    '%s is ours',
    (host) => {
      expect(hostAllowed(host, ['console.example'])).toBe(true)
    },
  )

  test.each(['evil.example', 'localhost.evil.example', '127.0.0.1.evil.example:3000', '', null])(
    '%s is not',
    (host) => {
      expect(hostAllowed(host, ['console.example'])).toBe(false)
    },
  )
})

describe('calls of the API', () => {
  const call = (headers: Record<string, string>, method = 'GET') => callAllowed(new Headers(headers), method)

  test('come from our own pages, or from no page', () => {
    expect(call({ 'sec-fetch-site': 'same-origin' }, 'POST')).toBe(true)
    expect(call({ 'sec-fetch-site': 'none' })).toBe(true)
    expect(call({ host: 'localhost:3000' }, 'POST')).toBe(true)
    expect(call({ host: 'localhost:3000', origin: 'http://localhost:3000' }, 'POST')).toBe(true)
  })

  test('do not come from other pages', () => {
    expect(call({ 'sec-fetch-site': 'cross-site' })).toBe(false)
    expect(call({ 'sec-fetch-site': 'same-site' })).toBe(false)
    expect(call({ 'sec-fetch-site': 'none' }, 'POST')).toBe(false)
    expect(call({ host: 'localhost:3000', origin: 'http://localhost:9000' }, 'POST')).toBe(false)
    expect(call({ host: 'localhost:3000', origin: 'null' }, 'POST')).toBe(false)
  })
})

test('scripts without the nonce do not run', () => {
  const policy = contentSecurityPolicy('abc', false)
  expect(policy).toContain("default-src 'self'")
  expect(policy).toContain("script-src 'self' 'nonce-abc'")
  expect(policy).not.toContain('unsafe-eval')
  expect(policy).not.toMatch(/script-src[^;]*unsafe-inline/)
})

describe('a relayed stream', () => {
  const last = () => downEvent(problem(503, 'Gone', 'It went away.'))

  test('passes events on as they are and says when the engine ended it', async () => {
    const engine = new ReadableStream<Uint8Array>({
      start(controller) {
        controller.enqueue(new TextEncoder().encode('event: rows\ndata: {}\n\n'))
        controller.close()
      },
    })
    const text = await relayed(engine, last).text()
    expect(text).toMatch(/^event: rows\ndata: \{\}\n\nevent: status\ndata: \{.*"down":\{.*"Gone".*\n\n$/)
  })

  test('says so too when the engine broke off', async () => {
    const engine = new ReadableStream<Uint8Array>({ pull: (controller) => controller.error(new Error('reset')) })
    const answer = relayed(engine, last)
    expect(answer.status).toBe(200)
    expect(await answer.text()).toContain('"Gone"')
  })

  test('lets go of the engine when the browser leaves', async () => {
    const cancelled = new Promise((resolve) => {
      const engine = new ReadableStream<Uint8Array>({ cancel: resolve })
      void relayed(engine, last).body?.cancel('left')
    })
    expect(await cancelled).toBe('left')
  })
})
