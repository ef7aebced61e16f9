/** What `benchmarks/frontend.py` shows: measured in the page, while the engine sends at a steady rate. */
import { writeFileSync } from 'node:fs'
import { expect, open, test } from './fixtures'
import { given } from './system'

const SAMPLE = 300

test('measure', async ({ page, request }) => {
  test.setTimeout(0)
  const milliseconds = Number(given('SECONDS')) * 1_000
  const devtools = await page.context().newCDPSession(page)
  const heap = async () => {
    await devtools.send('HeapProfiler.collectGarbage')
    return (await devtools.send('Runtime.getHeapUsage')).usedSize
  }

  await open(page, '/')
  const script = await page.evaluate(() =>
    performance
      .getEntriesByType('resource')
      .filter((entry) => entry.name.endsWith('.js'))
      .reduce((sum, entry) => sum + (entry as PerformanceResourceTiming).encodedBodySize, 0),
  )

  await open(page, '/transactions')
  await page.evaluate(() => {
    const seen = new Map<string, number>()
    const note = () => {
      for (const row of document.querySelectorAll<HTMLElement>('[data-testid=row]')) {
        if (!seen.has(row.dataset.id!)) seen.set(row.dataset.id!, Date.now())
      }
    }
    note()
    const before = new Set(seen.keys())
    new MutationObserver(note).observe(document.body, { subtree: true, childList: true })
    // Rows of the last seconds only: the map itself must not be what grows.
    const newest = () => [...seen].filter(([id]) => !before.has(id)).slice(-2_000)
    setInterval(
      () => newest().length === 2_000 && [...seen.keys()].slice(0, -2_000).forEach((id) => seen.delete(id)),
      1_000,
    )
    Object.assign(window, { newest })
  })
  // The list is as long as it gets before what it needs is taken as the start.
  await expect
    .poll(() => page.getByTestId('list').getAttribute('data-received').then(Number), { timeout: 0 })
    .toBeGreaterThan(5_000)
  const began = Date.now()
  const heaps = [await heap()]
  while (Date.now() - began < milliseconds) {
    await page.waitForTimeout(Math.min(10_000, milliseconds / 2))
    heaps.push(await heap())
  }
  const seen = await page.evaluate(() => (window as unknown as { newest: () => [string, number][] }).newest())
  const ages: number[] = []
  const step = Math.max(1, Math.floor(seen.length / SAMPLE))
  for (const [id, at] of seen.filter((_, index) => index % step === 0)) {
    const { row } = await (await request.get(`/api/transactions/${encodeURIComponent(id)}`)).json()
    ages.push(at - Date.parse(row.stored_at))
  }
  writeFileSync(given('RESULT'), JSON.stringify({ script, heaps, ages, seconds: (Date.now() - began) / 1_000 }))
})
