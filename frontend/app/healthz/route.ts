export const dynamic = 'force-dynamic'

/** This server is up; whether the engine is, `/api/health` tells. */
export function GET() {
  return Response.json({ status: 'ok' }, { headers: { 'cache-control': 'no-store' } })
}
