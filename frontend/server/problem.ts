import type { Problem } from '@/lib/schemas'

/** A response with a problem as its body (RFC 9457). */
export function problemResponse(value: Problem): Response {
  return new Response(JSON.stringify(value), {
    status: value.status,
    headers: { 'content-type': 'application/problem+json', 'cache-control': 'no-store' },
  })
}
