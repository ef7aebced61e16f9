/** Calls of the engine's API, through this server. */
import * as z from 'zod/mini'
import { problem } from './problem'
import { type Problem, problem as problemSchema } from './schemas'

export type Parameters = Readonly<Record<string, string | number | null | undefined>>

/** The API refused, or did not answer; `problem` says why in words for people. */
export class ApiError extends Error {
  constructor(readonly problem: Problem) {
    super(problem.detail || problem.title)
    this.name = 'ApiError'
  }

  /** Whether asking again later may help. */
  get passing(): boolean {
    return this.problem.status >= 500 || this.problem.status === 429
  }
}

/** `path` with those parameters that have a value. */
export function withParameters(path: string, parameters: Parameters): string {
  const search = new URLSearchParams()
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== null && value !== undefined && value !== '') search.set(name, String(value))
  }
  return search.size ? `${path}?${search}` : path
}

/** GET `path`. Throws ApiError. */
export function get<T extends z.ZodMiniType>(
  schema: T,
  path: string,
  parameters: Parameters = {},
  signal?: AbortSignal,
): Promise<z.infer<T>> {
  return call(schema, withParameters(path, parameters), { signal })
}

/** POST a JSON body. Throws ApiError. */
export function post<T extends z.ZodMiniType>(schema: T, path: string, body: unknown): Promise<z.infer<T>> {
  return call(schema, path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
}

async function call<T extends z.ZodMiniType>(schema: T, url: string, init: RequestInit): Promise<z.infer<T>> {
  let answer: Response
  let body: unknown
  try {
    answer = await fetch(url, init)
    body = await answer.json()
  } catch (error) {
    if (init.signal?.aborted) throw error
    const detail = 'This page cannot reach the server it came from. Start it again with "anomaly-tui run-frontend".'
    throw new ApiError(problem(503, 'The web server does not answer', detail))
  }
  if (!answer.ok) throw new ApiError(problemOf(body, answer.status))
  const parsed = z.safeParse(schema, body)
  if (parsed.success) return parsed.data
  const place = parsed.error.issues[0]?.path.join('.') || 'the answer'
  const detail = `The engine sent something unexpected at ${place}. Use pages and engine of the same version.`
  throw new ApiError(problem(502, 'An answer this page does not understand', detail))
}

function problemOf(body: unknown, status: number): Problem {
  const parsed = z.safeParse(problemSchema, body)
  return parsed.success ? parsed.data : problem(status, `Error ${status}`, 'The engine did not say what went wrong.')
}
