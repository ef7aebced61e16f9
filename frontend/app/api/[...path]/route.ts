import { askEngine, EngineUnreachable } from '@/server/engine'
import { problemResponse } from '@/server/problem'

export const dynamic = 'force-dynamic'

const RETURNED = [
  'content-type',
  'content-disposition',
  'cache-control',
  'etag',
  'last-modified',
  'link',
  'retry-after',
]

/** Every call of the API but the stream, passed on to the engine. */
async function forward(request: Request): Promise<Response> {
  try {
    const answer = await askEngine(request)
    const headers = new Headers({ 'cache-control': 'no-store' })
    for (const name of RETURNED) {
      const value = answer.headers.get(name)
      if (value !== null) headers.set(name, value)
    }
    return new Response(answer.body, { status: answer.status, headers })
  } catch (error) {
    if (error instanceof EngineUnreachable) return problemResponse(error.problem)
    throw error
  }
}

export { forward as GET, forward as POST }
