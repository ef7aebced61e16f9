import { existsSync } from 'node:fs'
import { defineConfig } from '@playwright/test'

const BROWSERS = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']

/** The machine's own Chromium: the one that Playwright would fetch is not needed. */
const executablePath = process.env.CHROMIUM ?? BROWSERS.find((path) => existsSync(path)) ?? 'chromium'

export default defineConfig({
  testDir: 'tests/browser',
  testMatch: process.env.BROWSER_RESULT ? '*.bench.ts' : '*.spec.ts',
  outputDir: process.env.BROWSER_OUTPUT ?? '.next/browser',
  // One engine, one browser: tests that share a machine would measure each other.
  workers: 1,
  timeout: 60_000,
  expect: { timeout: 15_000 },
  reporter: 'list',
  use: {
    viewport: { width: 1440, height: 900 },
    locale: 'en-GB',
    screenshot: 'only-on-failure',
    launchOptions: {
      executablePath,
      args: [
        '--no-sandbox',
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
        '--disable-dev-shm-usage',
      ],
    },
  },
})
