/** What `benchmarks/analyst.py` shows of the web pages: how soon after a key that decides the next alert is there. */
import { writeFileSync } from 'node:fs'
import { expect, open, rows, test } from './fixtures'
import { given } from './system'

const READING_MS = 600
const KEYS = ['c', 'a', 'p']

test('decide', async ({ page }) => {
  test.setTimeout(0)
  await open(page, '/anomalies?sort=score')
  await expect(async () => {
    await page.reload()
    await expect(rows(page).nth(20)).toBeVisible()
  }).toPass({ timeout: 120_000 })
  await page.keyboard.press('j')
  await page.keyboard.press('Enter')
  const drawer = page.getByTestId('drawer')
  await expect(drawer).toBeVisible()
  await page.evaluate(() => {
    const shown = () => document.querySelector<HTMLElement>('[data-testid=drawer]')?.dataset.id
    const times: number[] = []
    let pressed: { at: number; id: string | undefined } | null = null
    addEventListener('keydown', () => (pressed = { at: performance.now(), id: shown() }), true)
    const look = () => {
      if (pressed === null || shown() === pressed.id) return
      times.push(performance.now() - pressed.at)
      pressed = null
    }
    new MutationObserver(look).observe(document.body, { subtree: true, childList: true, attributes: true })
    Object.assign(window, { times })
  })
  for (let alert = 0; alert < Number(given('ALERTS')); alert++) {
    await page.waitForTimeout(READING_MS)
    const id = await drawer.getAttribute('data-id')
    await page.keyboard.press(KEYS[alert % KEYS.length]!)
    await expect(drawer).not.toHaveAttribute('data-id', id!)
  }
  const times = await page.evaluate(() => (window as unknown as { times: number[] }).times)
  writeFileSync(given('RESULT'), JSON.stringify({ times }))
})
