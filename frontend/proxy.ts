import { type NextRequest, NextResponse } from 'next/server'
import { problem } from './lib/problem'
import { callAllowed, contentSecurityPolicy, hostAllowed } from './server/access'
import { problemResponse } from './server/problem'

const DEVELOPMENT = process.env.NODE_ENV === 'development'

/** Before every request: refuse foreign hosts and foreign pages, and give each page its own nonce. */
export function proxy(request: NextRequest): Response {
  const allowed = (process.env.ANOMALY_TUI_WEB_HOSTS ?? '')
    .toLowerCase()
    .split(/[\s,]+/)
    .filter(Boolean)
  if (!hostAllowed(request.headers.get('host'), allowed)) {
    return problemResponse(
      problem(421, 'Unknown host', 'Open this console by localhost, or name the host in ANOMALY_TUI_WEB_HOSTS.'),
    )
  }
  if (request.nextUrl.pathname.startsWith('/api/') && !callAllowed(request.headers, request.method)) {
    return problemResponse(problem(403, 'Not from this site', 'Only the pages of this console may call its API.'))
  }
  const policy = contentSecurityPolicy(btoa(crypto.randomUUID()), DEVELOPMENT)
  // Next takes the nonce for its own scripts from the policy on the request.
  const headers = new Headers(request.headers)
  headers.set('content-security-policy', policy)
  const response = NextResponse.next({ request: { headers } })
  response.headers.set('content-security-policy', policy)
  response.headers.set('x-content-type-options', 'nosniff')
  response.headers.set('referrer-policy', 'same-origin')
  response.headers.set('cross-origin-opener-policy', 'same-origin')
  return response
}

export const config = { matcher: '/((?!_next/static/).*)' }
