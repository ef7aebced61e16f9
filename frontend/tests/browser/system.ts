/** What the browser tests look at: a real engine and the built pages, started as a user starts them. */
import { type ChildProcess, spawn } from 'node:child_process'
import { createServer } from 'node:net'

const READY_WITHIN_MS = 120_000

/** What whoever runs Playwright made and wants. The rest of the environment is the command's own. */
export function given(name: 'COMMAND' | 'RATE' | 'BURST' | 'SECONDS' | 'ALERTS' | 'RESULT'): string {
  const value = process.env[`BROWSER_${name}`]
  if (value === undefined) throw new Error('Run these tests by pytest: .venv/bin/python -m pytest tests/browser')
  return value
}

/** A command that goes on until it is stopped, or that is waited for. */
class Command {
  private said = ''

  constructor(private readonly child: ChildProcess) {
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (piece: Buffer) => (this.said = (this.said + piece.toString()).slice(-4_000)))
    }
  }

  static run(...args: string[]): Command {
    return new Command(spawn(given('COMMAND'), args, { stdio: ['ignore', 'pipe', 'pipe'] }))
  }

  /** Wait until `url` answers. */
  async answers(url: string): Promise<void> {
    const deadline = Date.now() + READY_WITHIN_MS
    while (Date.now() < deadline) {
      if (this.child.exitCode !== null) throw new Error(`It ended with ${this.child.exitCode}: ${this.said}`)
      const answer = await fetch(url).catch(() => null)
      if (answer?.ok) return
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    throw new Error(`${url} does not answer: ${this.said}`)
  }

  /** The exit code, when it has ended. */
  async ended(): Promise<number> {
    if (this.child.exitCode === null) await new Promise((resolve) => this.child.once('exit', resolve))
    return this.child.exitCode ?? -1
  }

  async stop(): Promise<void> {
    this.child.kill('SIGTERM')
    await this.ended()
  }
}

/** An engine and the pages, on ports of their own. */
export class System {
  private engine: Command | null = null
  private pages: Command | null = null

  private constructor(
    readonly api: string,
    readonly url: string,
  ) {}

  static async start(): Promise<System> {
    const [api, web] = [await freePort(), await freePort()]
    const system = new System(`http://127.0.0.1:${api}`, `http://localhost:${web}`)
    await system.startEngine()
    system.pages = Command.run('run-frontend', '--no-browser', '--port', String(web), '--api-url', system.api)
    await system.pages.answers(`http://127.0.0.1:${web}/healthz`)
    return system
  }

  async startEngine(): Promise<void> {
    const address = this.api.slice('http://'.length)
    this.engine = Command.run('--daemon', '--api', address, '--rate', given('RATE'), '--seed', '7')
    await this.engine.answers(`${this.api}/readyz`)
  }

  async stopEngine(): Promise<void> {
    await this.engine?.stop()
  }

  /** Send a file through Kafka at its own pace, beside the engine. */
  async replay(file: string): Promise<void> {
    const code = await Command.run('replay', file, '--speed', '1').ended()
    if (code !== 0) throw new Error(`The replay ended with ${code}.`)
  }

  async stop(): Promise<void> {
    await this.pages?.stop()
    await this.engine?.stop()
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  if (address === null || typeof address === 'string') throw new Error('No free port.')
  return address.port
}
