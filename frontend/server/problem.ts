/** An error as the engine sends its own: RFC 9457. */
export interface Problem {
  type: string
  title: string
  status: number
  detail: string
}

/** A problem without a page of its own; `detail` tells the reader what to do. */
export function problem(status: number, title: string, detail: string): Problem {
  return { type: 'about:blank', title, status, detail }
}

/** A response with a problem as its body. */
export function problemResponse(value: Problem): Response {
  return new Response(JSON.stringify(value), {
    status: value.status,
    headers: { 'content-type': 'application/problem+json', 'cache-control': 'no-store' },
  })
}
