/** Who may ask this server what. Pure, so that every case has a test. */

const LOOPBACK = ['localhost', '127.0.0.1', '[::1]']

/**
 * Whether the `Host` header names this server: loopback in any port (tunnels change it), or one of `allowed`.
 * Without this a page on another name that resolves here could read everything (DNS rebinding).
 */
export function hostAllowed(host: string | null, allowed: readonly string[]): boolean {
  const name = host?.trim().toLowerCase().replace(/:\d+$/, '')
  return name !== undefined && (LOOPBACK.includes(name) || allowed.includes(name))
}

/** Whether a call of the API comes from our own pages, or from no page at all (curl, a download typed in). */
export function callAllowed(headers: Headers, method: string): boolean {
  const site = headers.get('sec-fetch-site')
  if (site !== null) return site === 'same-origin' || (site === 'none' && method === 'GET')
  const origin = headers.get('origin')
  return origin === null || origin.replace(/^https?:\/\//, '') === headers.get('host')
}

/** The content security policy of a page whose scripts carry `nonce`. `development` allows what `next dev` needs. */
export function contentSecurityPolicy(nonce: string, development: boolean): string {
  return [
    "default-src 'self'",
    `script-src 'self' 'nonce-${nonce}' 'strict-dynamic'${development ? " 'unsafe-eval'" : ''}`,
    `style-src 'self' ${development ? "'unsafe-inline'" : `'nonce-${nonce}'`}`,
    "style-src-attr 'unsafe-inline'",
    "img-src 'self' data:",
    "object-src 'none'",
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
  ].join('; ')
}
