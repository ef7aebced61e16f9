import { problem } from '@/lib/problem'
import type { Problem } from '@/lib/schemas'
import { askEngine, EngineUnreachable, engineUrl } from '@/server/engine'
import { shutdown } from '@/server/shutdown'
import { downEvent, eventResponse, relayed } from '@/server/sse'

export const dynamic = 'force-dynamic'

/** The live feed. Always 200: what goes wrong is said in a `status` event with `down`. */
export async function GET(request: Request): Promise<Response> {
  try {
    const answer = await askEngine(request)
    if (answer.ok && answer.body) {
      return relayed(answer.body, () => downEvent(ended()))
    }
    return eventResponse(downEvent((await answer.json()) as Problem))
  } catch (error) {
    if (error instanceof EngineUnreachable) return eventResponse(downEvent(error.problem))
    throw error
  }
}

function ended(): Problem {
  return shutdown.aborted
    ? problem(503, 'The web server was stopped', 'Start it again with "anomaly-tui run-frontend".')
    : problem(503, 'The engine went away', `${engineUrl()} closed the live feed. Trying again.`)
}
