import { test as base, expect, type Locator, type Page } from '@playwright/test'
import { System } from './system'

interface Fixtures {
  /** Messages of the console that a test expects; all others fail it. */
  expected: RegExp | null
  watched: void
}

/** Tests of pages that may neither complain in the console nor ask anybody but their own server for anything. */
export const test = base.extend<Fixtures, { system: System }>({
  system: [
    async ({}, give) => {
      const system = await System.start()
      await give(system)
      await system.stop()
    },
    { scope: 'worker', timeout: 300_000 },
  ],
  baseURL: async ({ system }, give) => give(system.url),
  expected: [null, { option: true }],
  watched: [
    async ({ context, system, expected }, give) => {
      const complaints: string[] = []
      const complain = (text: string) => expected?.test(text) || complaints.push(text)
      context.on('console', (message) => message.type() === 'error' && complain(message.text()))
      context.on('weberror', (error) => complain(String(error.error())))
      context.on('request', (request) => {
        const { origin, protocol } = new URL(request.url())
        if (origin !== system.url && protocol.startsWith('http')) complaints.push(`asked for ${request.url()}`)
      })
      await give()
      expect(complaints).toEqual([])
    },
    { auto: true },
  ],
})

export { expect }

export const rows = (page: Page): Locator => page.getByTestId('row')
export const idsOf = (page: Page): Promise<string[]> =>
  rows(page).evaluateAll((found) => found.map((row) => (row as HTMLElement).dataset.id ?? ''))

/** The marker in the header: live, paused, stale, down or waiting. */
export async function expectState(page: Page, state: string): Promise<void> {
  await expect(page.getByTestId('live')).toHaveAttribute('data-state', state, { timeout: 30_000 })
}

/** Open a page and wait until it is live: keys pressed earlier would be lost. */
export async function open(page: Page, path: string): Promise<void> {
  await page.goto(path)
  await expectState(page, 'live')
}

/** A number that an element holds in its data. */
export async function figure(locator: Locator, name: string): Promise<number> {
  return Number(await locator.getAttribute(`data-${name}`))
}
