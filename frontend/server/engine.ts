import { problem } from '@/lib/problem'
import type { Problem } from '@/lib/schemas'
import { shutdown } from './shutdown'

const HEADERS_WITHIN_MS = 30_000
const FORWARDED = ['accept', 'content-type', 'last-event-id', 'if-none-match']

/** Where the engine's HTTP API is, `HOST:PORT` or a URL; read at each call, so that one build serves every engine. */
export function engineUrl(): string {
  const given = (process.env.ANOMALY_TUI_API || '127.0.0.1:8787').replace(/\/+$/, '')
  return given.includes('://') ? given : `http://${given}`
}

/** The engine does not answer, for a reason that is not the browser's. */
export class EngineUnreachable extends Error {
  constructor(readonly problem: Problem) {
    super(problem.detail)
  }
}

/**
 * Send a browser's request on to the engine and return its answer as soon as the headers are there.
 *
 * The body is a stream. The access token is added here and never reaches the browser.
 * Throws EngineUnreachable when the engine refuses the connection or says nothing for 30 s.
 */
export async function askEngine(request: Request): Promise<Response> {
  const { pathname, search } = new URL(request.url)
  const tooSlow = new AbortController()
  const timer = setTimeout(() => tooSlow.abort(), HEADERS_WITHIN_MS)
  try {
    return await fetch(engineUrl() + pathname + search, {
      method: request.method,
      headers: headersFor(request),
      body: request.method === 'POST' ? await request.arrayBuffer() : undefined,
      signal: AbortSignal.any([request.signal, tooSlow.signal, shutdown]),
      cache: 'no-store',
      redirect: 'manual',
    })
  } catch (error) {
    throw new EngineUnreachable(unreachable(tooSlow.signal.aborted, error))
  } finally {
    clearTimeout(timer)
  }
}

function headersFor(request: Request): Headers {
  const headers = new Headers({ 'accept-encoding': 'identity' })
  for (const name of FORWARDED) {
    const value = request.headers.get(name)
    if (value !== null) headers.set(name, value)
  }
  const token = process.env.ANOMALY_TUI_API_TOKEN
  if (token) headers.set('authorization', `Bearer ${token}`)
  return headers
}

function unreachable(tooSlow: boolean, error: unknown): Problem {
  if (tooSlow) {
    return problem(
      504,
      'The engine is too slow',
      `${engineUrl()} did not answer within 30 seconds. Try a narrower filter.`,
    )
  }
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  const code = (cause as { code?: unknown } | null)?.code
  const why = code === 'ECONNREFUSED' ? 'refused the connection' : 'cannot be reached'
  return problem(
    503,
    'The engine does not answer',
    `${engineUrl()} ${why}. Start it with "anomaly-tui" or "anomaly-tui --daemon"; this page goes on by itself.`,
  )
}
