/** Health: what happened lately, and the workers' controls. */
import { expect, open, test } from './fixtures'

test('a worker is stopped and started, and the timeline and the log say so', async ({ page }) => {
  await open(page, '/health')
  const worker = page.locator('[data-testid=worker][data-name=models]')
  await worker.getByTestId('stop').click()
  await expect(worker).toHaveAttribute('data-state', 'running')
  await worker.getByTestId('stop').click()
  await expect(worker).toHaveAttribute('data-state', 'stopped')
  await expect(page.getByTestId('condition')).toHaveAttribute('data-status', 'degraded')
  const timeline = page.getByTestId('timeline').getByTestId('line')
  await expect(timeline.filter({ hasText: /models\s*stopped/ }).first()).toBeVisible()
  await worker.getByTestId('start').click()
  await expect(worker).toHaveAttribute('data-state', 'running')
  await expect(timeline.filter({ hasText: /models\s*started/ }).first()).toBeVisible()
  await expect(
    page.getByTestId('log').getByTestId('line').filter({ hasText: 'worker controlled' }).first(),
  ).toBeVisible()
})

test('the pages cannot take away what they stand on', async ({ page }) => {
  await open(page, '/health')
  const api = page.locator('[data-testid=worker][data-name=api]')
  await expect(api.getByTestId('restart')).toBeVisible()
  await expect(api.getByTestId('stop')).toHaveCount(0)
})

test('rate, latency and lag are drawn over time', async ({ page }) => {
  await open(page, '/health')
  const figures = page.getByTestId('history').getByRole('img')
  await expect(figures).toHaveCount(3)
  await expect(figures.nth(1)).toHaveAttribute('aria-label', /Latency p95 over time: now [\d,]+ ms/)
})

test('the legend of the volume chart says what there is without being pointed at', async ({ page }) => {
  await open(page, '/')
  await expect(page.getByTestId('legend')).toHaveText(/[\d,]+ transactions[\d,]+ flaggedin the last /)
})

test('users fill the page', async ({ page }) => {
  await open(page, '/users')
  await expect(page.getByTestId('user').first()).toBeVisible()
  const box = (await page.getByRole('table').boundingBox())!
  expect(box.width).toBeGreaterThan(1_400)
})

test('the figures of a user stand together, not at the ends of the page', async ({ page }) => {
  await open(page, '/users')
  const cells = page.getByTestId('user').first().getByRole('cell')
  await expect(cells).toHaveCount(7)
  const seen = (await cells.nth(5).boundingBox())!
  expect(seen.x).toBeLessThan(800)
})
