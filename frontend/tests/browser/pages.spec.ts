/** Every page, in both themes: accessible, and nothing wider than a phone. */
import AxeBuilder from '@axe-core/playwright'
import { expect, open, rows, test } from './fixtures'

const PAGES = ['/', '/transactions', '/anomalies', '/users', '/health']

test('no page has a barrier, in the dark or in the light', async ({ page }) => {
  test.setTimeout(180_000)
  // One row is like another, and each costs time to look at.
  await page.setViewportSize({ width: 1440, height: 420 })
  const check = async (where: string) => {
    for (const colorScheme of ['dark', 'light'] as const) {
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
      const axe = new AxeBuilder({ page })
      // Only colours differ between the themes.
      const { violations } = await (colorScheme === 'dark' ? axe : axe.withRules(['color-contrast'])).analyze()
      expect(violations.map(({ id, nodes }) => `${where}, ${colorScheme}: ${id}: ${nodes[0]?.html}`)).toEqual([])
    }
  }
  for (const path of PAGES) {
    await open(page, path)
    await expect(page.getByTestId('loading')).toHaveCount(0)
    await check(path)
  }
  await open(page, '/anomalies')
  await rows(page).first().click()
  await expect(page.getByTestId('reasons').first()).toBeVisible()
  await check('the drawer')
  await open(page, '/anomalies?group=case')
  await page.locator('[data-alerts]').first().click()
  await expect(page.getByTestId('case')).toBeVisible()
  await check('a case')
  await page.keyboard.press('A')
  await expect(page.getByTestId('bulk')).toContainText('Decide on')
  await check('the dialog on all that match')
  await open(page, '/users')
  await page.getByTestId('user').first().getByRole('link').click()
  await expect(page.getByTestId('profile')).toBeVisible()
  await check('a profile')
})

test('the pages are reached by their numbers, and their keys are told by ?', async ({ page }) => {
  await open(page, '/')
  for (const [index, path] of PAGES.entries()) {
    await page.keyboard.press(String(index + 1))
    await expect(page).toHaveURL(path === '/' ? /\/$/ : new RegExp(`${path}$`))
  }
  await page.keyboard.press('?')
  await expect(page.getByTestId('help')).toBeVisible()
  await page.keyboard.press('Escape')
  await expect(page.getByTestId('help')).toBeHidden()
})

test('the first page takes no more than 300 KiB of script', async ({ page }) => {
  await open(page, '/')
  const sizes = await page.evaluate(() =>
    performance
      .getEntriesByType('resource')
      .filter((entry) => entry.name.endsWith('.js'))
      .map((entry) => (entry as PerformanceResourceTiming).encodedBodySize),
  )
  expect(Math.min(...sizes), 'each came over the network').toBeGreaterThan(0)
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThanOrEqual(300 * 1024)
})

test('the theme is kept', async ({ page }) => {
  await open(page, '/')
  await page.getByTestId('theme').click()
  await page.getByTestId('theme').click()
  await expect(page.getByTestId('theme')).toHaveAttribute('data-theme-choice', 'dark')
  await page.reload()
  await expect(page.locator('html')).toHaveAttribute('data-theme', 'dark')
})

test('no page is wider than a phone, and no table or time is cut there', async ({ page }) => {
  await page.setViewportSize({ width: 390, height: 844 })
  for (const path of PAGES) {
    await open(page, path)
    await expect(page.getByTestId('loading')).toHaveCount(0)
    expect(await page.evaluate(() => document.documentElement.scrollWidth), path).toBeLessThanOrEqual(390)
    const cut = await page.evaluate(() =>
      [...document.querySelectorAll('[role=region], :has(> time)')]
        .filter((element) => element.scrollWidth > element.clientWidth)
        .map((element) => element.textContent),
    )
    expect(cut, path).toEqual([])
  }
})

test('a long amount does not cut the newest anomalies on a phone', async ({ page }) => {
  await page.setViewportSize({ width: 390, height: 844 })
  await open(page, '/')
  const amounts = page.getByTestId('latest').locator('td.number:has(bdi)')
  await expect(amounts).not.toHaveCount(0)
  const cut = await amounts.evaluateAll((cells) => {
    for (const cell of cells) if (cell.firstChild) cell.firstChild.textContent = '123,456,789.00'
    const table = cells[0]?.closest('[role=region]')
    return table ? table.scrollWidth > table.clientWidth : undefined
  })
  expect(cut).toBe(false)
})

test('another site is refused, and so is another name for this one', async ({ request, system }) => {
  const foreign = await request.get('/api/health', { headers: { 'sec-fetch-site': 'cross-site' } })
  expect(foreign.status()).toBe(403)
  const renamed = await request.get(system.url, { headers: { host: 'evil.example' } })
  expect(renamed.status()).toBe(421)
})
