import { shutDown } from './shutdown'

/**
 * End the server in time: on a signal, and with `ANOMALY_TUI_EXIT_WITH_STDIN=1` also when standard input ends.
 * The process that started it holds the other end of that pipe, so that no orphan stays when it dies, in whatever way.
 */
export function watch(): void {
  process.once('SIGTERM', () => shutDown())
  process.once('SIGINT', () => shutDown())
  if (process.env.ANOMALY_TUI_EXIT_WITH_STDIN === '1') {
    const stop = () => process.kill(process.pid, 'SIGTERM')
    process.stdin.once('end', stop).once('error', stop).resume()
  }
}
