/** Lists of what is stored: filters, the drawer, pages back in time, decisions. */
import { expect, expectState, figure, idsOf, open, rows, test } from './fixtures'

test('a filter is in the address with the open row, and a reload shows the same', async ({ page }) => {
  await open(page, '/transactions')
  await page.keyboard.press('/')
  await page.keyboard.type('user:u-00* amount>1')
  await expect(page.getByTestId('matches')).toContainText('latest')
  await page.keyboard.press('Enter')
  await expect(page).toHaveURL(/q=user/)
  await expect(rows(page).first()).toContainText('u-00')
  await rows(page).nth(3).click()
  const id = await page.getByTestId('drawer').getAttribute('data-id')
  await expect(page).toHaveURL(new RegExp(`open=${id}`))
  await page.reload()
  await expect(page.getByTestId('filter')).toHaveValue('user:u-00* amount>1')
  await expect(page.getByTestId('drawer')).toHaveAttribute('data-id', id!)
  await expect(page.getByTestId('drawer')).toContainText('enhanced')
  await page.keyboard.press('Escape')
  await expect(page.getByTestId('drawer')).toHaveCount(0)
  await expect(page).not.toHaveURL(/open=/)
})

test.describe('what the filter language refuses', () => {
  test.use({ expected: /422/ })

  test('is pointed at as in the console, and not applied', async ({ page }) => {
    await open(page, '/transactions')
    await page.getByTestId('filter').fill('amount>>5')
    await expect(page.getByTestId('filter-error')).toContainText('^')
    await page.getByTestId('filter').press('Enter')
    await expect(page).not.toHaveURL(/q=/)
  })
})

test('scrolling goes back in time, with few rows in the page however many are loaded', async ({ page }) => {
  await open(page, '/transactions')
  const list = page.getByTestId('list')
  const seen = new Map<string, string>()
  await expect.poll(() => figure(list, 'received')).toBeGreaterThan(20)
  // Rows that come in while the list is scrolled are held, so each row keeps its place.
  await page.getByTestId('rows').evaluate((table) => table.scrollBy({ top: 28 * 5 }))
  await expectState(page, 'paused')
  while (seen.size < 400 || (await figure(list, 'loaded')) < 500) {
    for (const [position, id] of await rows(page).evaluateAll((found) =>
      found.map((row) => [row.getAttribute('aria-rowindex')!, (row as HTMLElement).dataset.id!] as const),
    )) {
      expect(seen.get(position) ?? id).toBe(id)
      seen.set(position, id)
    }
    expect(await rows(page).count()).toBeLessThan(60)
    await page.getByTestId('rows').evaluate((table) => table.scrollBy({ top: 28 * 20 }))
    await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))))
  }
  expect(new Set(seen.values()).size).toBe(seen.size)
})

test('the drawer goes on after a decision, and back to what was undone', async ({ page }) => {
  await open(page, '/anomalies')
  await rows(page).first().click()
  const drawer = page.getByTestId('drawer')
  const status = page.getByTestId('triage-status')
  await expect(page.getByTestId('reasons').first()).toBeVisible()
  await expect(status).toHaveAttribute('data-status', 'open')
  const first = await drawer.getAttribute('data-id')
  await page.keyboard.press('c')
  await expect(page.getByTestId('notice')).toContainText('Confirmed fraud')
  await expect(drawer).not.toHaveAttribute('data-id', first!)
  await expect(status).toHaveAttribute('data-status', 'open')
  await page.getByTestId('notice').getByRole('button', { name: 'Undo' }).click()
  await expect(drawer).toHaveAttribute('data-id', first!)
  await expect(status).toHaveAttribute('data-status', 'open')
})

test('ground truth is hidden until it is asked for', async ({ page }) => {
  // Nothing is known of what was replayed from a file, which may be the worst: the newest is the simulator's.
  await open(page, '/anomalies?sort=time')
  await rows(page).first().click()
  const drawer = page.getByTestId('drawer')
  await expect(drawer.getByTestId('truth')).toBeVisible()
  await expect(drawer.locator('dt', { hasText: 'Ground truth' })).toHaveCount(0)
  await page.keyboard.press('T')
  await expect(drawer.locator('dt', { hasText: 'Ground truth' })).toBeVisible()
})

test('a filter over anomalies says how many of these match', async ({ page }) => {
  await open(page, '/anomalies')
  await page.getByTestId('filter').fill('amount>0')
  const said = page.getByTestId('matches')
  await expect(said).toContainText(/^([\d,]+) of \1 latest/)
})

test.describe('a bad filter in a link', () => {
  test.use({ expected: /422/ })

  test('is pointed at once', async ({ page }) => {
    await page.goto('/anomalies?q=amount%3E%3E5')
    await expect(page.getByTestId('filter-error')).toContainText('^')
    await expect(page.getByRole('alert').filter({ hasText: 'expected' })).toHaveCount(1)
    await expect(page.getByText('Nothing is listed until the filter is corrected.')).toBeVisible()
  })
})

test.describe('on a telephone', () => {
  test.use({ viewport: { width: 390, height: 844 } })

  test('the list of anomalies shows score and reason', async ({ page }) => {
    await open(page, '/anomalies')
    const row = rows(page).first()
    await expect(row.locator('[class*=score]')).toBeVisible()
    await expect(row.locator('[class*=why]')).toBeVisible()
  })

  test('nothing stands empty below a list that is not worked through', async ({ page }) => {
    await open(page, '/transactions')
    await expect(rows(page).first()).toBeVisible()
    expect(await page.locator('footer').evaluate((foot) => foot.clientHeight)).toBe(0)
  })

  test('the newest anomalies of the overview show their score', async ({ page }) => {
    await open(page, '/')
    await expect(page.getByTestId('latest').first()).toContainText(/(^|\D)(\.\d\d|1\.0)/)
    await expect(page.getByRole('columnheader', { name: 'Score' })).toBeVisible()
  })
})

test('the filtered list is exported', async ({ page }) => {
  await open(page, '/transactions?q=user:u-001*')
  const saving = page.waitForEvent('download')
  await page.getByTestId('export-jsonl').click()
  const stream = await (await saving).createReadStream()
  let text = ''
  for await (const piece of stream) text += piece
  const users = text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line).user_id as string)
  expect(users.length).toBeGreaterThan(10)
  expect(users.every((user) => user.startsWith('u-001'))).toBe(true)
})

test('j and k go through the rows and Enter opens one', async ({ page }) => {
  await open(page, '/transactions')
  await expect(rows(page).nth(5)).toBeVisible()
  await page.keyboard.press('j')
  await expectState(page, 'paused')
  const ids = await idsOf(page)
  const first = await page.locator('[data-testid=row][aria-selected=true]').getAttribute('data-id')
  for (const key of ['j', 'j', 'k', 'Enter']) await page.keyboard.press(key)
  await expect(page.getByTestId('drawer')).toHaveAttribute('data-id', ids[ids.indexOf(first!) + 1]!)
})
