/**
 * One signal for everything that keeps the process alive. It stands on `globalThis`, because Next bundles the
 * instrumentation hook and the routes apart, and each bundle has its own copy of this module.
 */
const shared = globalThis as typeof globalThis & { anomalyTuiShutdown?: AbortController }

const controller = (shared.anomalyTuiShutdown ??= new AbortController())

/** Aborted when the server was asked to stop: streams end themselves on it. */
export const shutdown: AbortSignal = controller.signal

/** End open streams, so that the server can close; force the end if it does not within `graceMs`. */
export function shutDown(graceMs = 3_000): void {
  controller.abort()
  setTimeout(() => process.exit(0), graceMs).unref()
}
