import type { Problem } from '@/lib/schemas'

const HEADERS = {
  'content-type': 'text/event-stream; charset=utf-8',
  // `no-transform` keeps Next from compressing the stream, which would hold events back.
  'cache-control': 'no-cache, no-transform',
  'x-accel-buffering': 'no',
}

/** The `status` event that tells pages the engine is not there, and why. */
export function downEvent(problem: Problem): Uint8Array {
  const data = JSON.stringify({ at: new Date().toISOString(), down: problem })
  return new TextEncoder().encode(`event: status\ndata: ${data}\n\n`)
}

/** A stream of one event. EventSource gives up for good on any status but 200, so errors travel as events. */
export function eventResponse(event: Uint8Array): Response {
  return new Response(event as BodyInit, { headers: HEADERS })
}

/** The engine's events as they come; when it breaks off, `last` is sent and the stream ends. */
export function relayed(body: ReadableStream<Uint8Array>, last: () => Uint8Array): Response {
  const reader = body.getReader()
  const events = new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { done, value } = await reader.read()
        if (!done) return controller.enqueue(value)
      } catch {
        // The engine went away in the middle; what follows is the same as after an orderly end.
      }
      controller.enqueue(last())
      controller.close()
    },
    cancel: (reason) => reader.cancel(reason),
  })
  return new Response(events, { headers: HEADERS })
}
