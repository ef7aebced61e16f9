/** The live tail: quick, complete, and standing still when it is told to. */
import { expect, expectState, figure, idsOf, open, rows, test } from './fixtures'
import { given } from './system'

const BURST = 3_000

test('a stored row is on the page within a second', async ({ page, request }) => {
  await open(page, '/transactions')
  // Rows that were stored while the page was being opened are older than that when they are seen.
  await expect.poll(() => figure(page.getByTestId('list'), 'received')).toBeGreaterThan(20)
  await page.evaluate(() => {
    const seen: Record<string, number> = {}
    const note = () => {
      for (const row of document.querySelectorAll<HTMLElement>('[data-testid=row]'))
        seen[row.dataset.id!] ??= Date.now()
    }
    note()
    const before = { ...seen }
    new MutationObserver(note).observe(document.body, { subtree: true, childList: true })
    Object.assign(window, { seenSince: () => Object.entries(seen).filter(([id]) => !(id in before)) })
  })
  const seenSince = () =>
    page.evaluate(() => (window as unknown as { seenSince: () => [string, number][] }).seenSince())
  await expect.poll(async () => (await seenSince()).length).toBeGreaterThan(40)
  const ages: number[] = []
  for (const [id, at] of (await seenSince()).slice(0, 40)) {
    const { row } = await (await request.get(`/api/transactions/${encodeURIComponent(id)}`)).json()
    ages.push(at - Date.parse(row.stored_at))
  }
  ages.sort((a, b) => a - b)
  console.log(`from the commit to the page: median ${ages[20]} ms, p95 ${ages[38]} ms`)
  expect(ages[20]).toBeLessThan(5_000)
})

test('p pauses the tail without clearing it, and lets it go on with what came meanwhile', async ({ page }) => {
  await open(page, '/transactions')
  await expect.poll(() => figure(page.getByTestId('list'), 'received')).toBeGreaterThan(20)
  await page.keyboard.press('Space')
  await expectState(page, 'paused')
  const before = await idsOf(page)
  await expect(page.getByTestId('new-rows')).toHaveText(/^[1-9]\d* new$/)
  expect(await idsOf(page)).toEqual(before)
  await page.keyboard.press('Space')
  await expectState(page, 'live')
  await expect(page.getByTestId('new-rows')).toHaveCount(0)
  await expect.poll(async () => (await idsOf(page))[0]).not.toBe(before[0])
  // Nothing is missing between what stood there and what came in.
  await expect.poll(() => idsOf(page)).toContain(before[0])
})

test('a burst of 1,000 rows a second reaches the page to the last row', async ({ page, system }) => {
  await open(page, '/transactions?q=user:burst-*')
  await expect(page.getByTestId('list')).toHaveAttribute('data-loading', 'false')
  await system.replay(given('BURST'))
  await expect(page.getByTestId('list')).toHaveAttribute('data-received', String(BURST), { timeout: 30_000 })
  expect(await figure(page.getByTestId('list'), 'loaded')).toBe(BURST)
  await expect(rows(page).first()).toHaveAttribute('data-id', `burst-${BURST - 1}`)
  expect(await rows(page).count()).toBeLessThan(60)
})

test.describe('an engine that ends', () => {
  test.use({ expected: /Failed to load resource|503/ })

  test('is told while the rows stay, and the tail is back with it', async ({ page, system }) => {
    await open(page, '/transactions')
    await expect(rows(page).nth(10)).toBeVisible()
    await system.stopEngine()
    await expectState(page, 'down')
    await expect(page.getByTestId('data-age')).toContainText('last transaction')
    await page.setViewportSize({ width: 390, height: 844 })
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(390)
    await page.setViewportSize({ width: 1440, height: 900 })
    const kept = await idsOf(page)
    expect(kept.length).toBeGreaterThan(10)
    await system.startEngine()
    await expectState(page, 'live')
    await expect.poll(async () => (await idsOf(page))[0]).not.toBe(kept[0])
    await page.getByTestId('rows').evaluate((table) => table.scrollTo({ top: 28 * 40 }))
    await expect(page.getByTestId('list')).toHaveAttribute('data-loading', 'false')
    const ids = await idsOf(page)
    expect(new Set(ids).size).toBe(ids.length)
  })
})

test('seven tabs are live by one stream, and go on when the tab that led is closed', async ({ context }) => {
  test.setTimeout(90_000)
  let streams = 0
  context.on('request', (request) => {
    if (request.url().includes('/api/stream')) streams += 1
  })
  const tabs = []
  for (let number = 0; number < 7; number++) {
    const tab = await context.newPage()
    await open(tab, '/transactions')
    tabs.push(tab)
  }
  expect(streams).toBe(1)
  await tabs[0]!.close()
  for (const tab of tabs.slice(1)) {
    const before = (await idsOf(tab))[0]
    await expect.poll(async () => (await idsOf(tab))[0]).not.toBe(before)
    await expectState(tab, 'live')
  }
  expect(streams).toBe(2)
})
