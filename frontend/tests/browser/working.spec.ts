/** Working through anomalies: cases, the worst first, notes, all that match, and thirty alerts in a row. */
import type { APIRequestContext, Page } from '@playwright/test'
import { expect, expectState, figure, open, rows, test } from './fixtures'

/** As long as it takes to read a row: a key that comes sooner after the page moved on is not taken for a decision. */
const READING_MS = 600

const triageOf = async (request: APIRequestContext, id: string) =>
  (await (await request.get(`/api/triage/${encodeURIComponent(id)}`)).json()).triage
const openOnes = async (request: APIRequestContext, q = '') =>
  (await (await request.get('/api/open-anomalies', { params: { q } })).json()) as { ids: string[]; matches: number }
const shown = (page: Page) => page.getByTestId('drawer').getAttribute('data-id')

test('thirty alerts are decided on with one key for each case, none on another than was read', async ({
  page,
  request,
}) => {
  test.setTimeout(180_000)
  await open(page, '/anomalies?sort=score&group=case')
  await expect(rows(page).nth(5)).toBeVisible()
  const keys = ['j', 'Enter']
  for (const key of keys) await page.keyboard.press(key)
  const drawer = page.getByTestId('drawer')
  const done = async () => Number((await page.getByTestId('progress').textContent())!.split(' ')[0])
  const decided: { id: string; status: string }[] = []
  const ways = [
    ['a', 'acknowledged'],
    ['c', 'confirmed'],
    ['p', 'false_positive'],
  ] as const
  for (let alerts = 0; alerts < 30;) {
    await page.waitForTimeout(READING_MS)
    const id = (await shown(page))!
    const [key, status] = ways[decided.length % 3]!
    keys.push(key)
    await page.keyboard.press(key)
    await expect(drawer).not.toHaveAttribute('data-id', id)
    // The page goes on before the decision is stored, and counts it once it is.
    await expect.poll(done).toBeGreaterThan(alerts)
    expect((await triageOf(request, id)).status).toBe(status)
    decided.push({ id, status })
    alerts = await done()
  }
  expect(keys.length).toBeLessThanOrEqual(45)
  for (const { id, status } of decided) expect((await triageOf(request, id)).status).toBe(status)

  const last = decided.slice(-10).reverse()
  for (const { id } of last) {
    await page.keyboard.press('U')
    await expect.poll(() => triageOf(request, id)).toBeNull()
  }
  for (const { id, status } of decided.slice(0, -10)) expect((await triageOf(request, id)).status).toBe(status)
})

test('a case is one row, and one decision on all of its alerts', async ({ page, request }) => {
  await open(page, '/anomalies')
  await page.keyboard.press('B')
  await expect(page).toHaveURL(/group=case/)
  const row = rows(page)
    .filter({ has: page.locator('[data-alerts]') })
    .first()
  await expect(row).toBeVisible()
  await row.click()
  await expect(page.getByTestId('case')).toBeVisible()
  const alerts = page.getByTestId('case').locator('li')
  const count = await alerts.count()
  expect(count).toBeGreaterThan(1)
  const before = new Set((await openOnes(request)).ids)
  await page.keyboard.press('c')
  await expect(page.getByTestId('notice')).toContainText(new RegExp(`Confirmed fraud: ${count} alerts of (u|burst)-`))
  const after = new Set((await openOnes(request)).ids)
  expect([...before].filter((id) => !after.has(id))).toHaveLength(count)
  await page.keyboard.press('U')
  await expect(page.getByTestId('notice')).toContainText(new RegExp(`Undone: confirmed, ${count} alerts`))
})

test('the worst come first, and r goes by time', async ({ page }) => {
  await open(page, '/anomalies')
  const list = page.getByTestId('list')
  const shownIn = async (column: string) => {
    await expect(list).toHaveAttribute('data-loading', 'false')
    await expect(rows(page).first()).toBeVisible()
    return rows(page).locator(`[class*=${column}]`).allTextContents()
  }
  const scores = (await shownIn('score')).map(Number)
  expect(scores).toEqual([...scores].sort((a, b) => b - a))
  await page.keyboard.press('r')
  await expect(page).toHaveURL(/sort=time/)
  await expect(async () => {
    const times = await rows(page)
      .locator('time')
      .evaluateAll((all) => all.map((at) => at.getAttribute('datetime')!))
    expect(times.length).toBeGreaterThan(5)
    expect(times).toEqual([...times].sort().reverse())
  }).toPass()
})

test('w writes a note, and Ctrl+Enter keeps it', async ({ page, request }) => {
  await open(page, '/anomalies')
  await expect(rows(page).first()).toBeVisible()
  await page.keyboard.press('j')
  await page.keyboard.press('w')
  const id = (await shown(page))!
  await expect(page.getByRole('textbox', { name: 'Note' })).toBeFocused()
  await page.keyboard.type('a ring')
  await page.keyboard.press('Control+Enter')
  await expect(page.getByTestId('notice')).toContainText(/Note written: (u|burst)-\d+ /)
  expect((await triageOf(request, id)).note).toBe('a ring')
})

test('A decides on all open ones that match, after asking', async ({ page, request }) => {
  const user = (await (await request.get('/api/anomalies?status=open&limit=1')).json()).rows[0].user_id as string
  const matching = await openOnes(request, `user=${user}`)
  await open(page, `/anomalies?q=${encodeURIComponent(`user=${user}`)}`)
  await page.keyboard.press('A')
  const dialog = page.getByTestId('bulk')
  await expect(dialog).toContainText(/Decide on \d+ open/)
  await page.keyboard.press('Escape')
  await expect(dialog).toBeHidden()
  expect((await openOnes(request, `user=${user}`)).matches).toBeGreaterThanOrEqual(matching.matches)
  await page.getByTestId('all-matching').click()
  await dialog.getByRole('button', { name: 'Acknowledge' }).click()
  await expect(page.getByTestId('notice')).toContainText('Acknowledged: ')
  for (const id of matching.ids) expect((await triageOf(request, id)).status).toBe('acknowledged')
})

test('a filter that names a status wins over the choice of one, and A is about what is listed', async ({ page }) => {
  await open(page, '/anomalies')
  await rows(page).first().click()
  await page.keyboard.press('a')
  await expect(page.getByTestId('notice')).toContainText('Acknowledged')
  await open(page, '/anomalies?q=triage:acknowledged')
  await expect(rows(page).first()).toBeVisible()
  const status = page.getByTestId('status')
  await expect(status).toBeDisabled()
  await expect(status).toContainText('By the filter')
  await page.keyboard.press('A')
  await expect(page.getByTestId('bulk')).toContainText(/Decide on [1-9]\d* anomal/)
  await page.keyboard.press('Escape')
  await open(page, '/anomalies?q=id=nobody')
  await expect(page.getByTestId('empty')).toContainText('Nothing that is open matches')
  await page.getByRole('button', { name: 'Look among all' }).click()
  await expect(page).toHaveURL(/status=all/)
})

test('a telephone has the button for all that match in sight, and the keys are named where there are keys', async ({
  page,
}) => {
  await open(page, '/anomalies')
  await expect(page.getByTestId('hints')).toBeVisible()
  await page.setViewportSize({ width: 390, height: 844 })
  await expect(page.getByTestId('hints')).toBeHidden()
  // As long as it gets.
  await page.getByTestId('progress').evaluate((said) => {
    said.textContent =
      '12 done · 1,362 left · 3.5 a minute · 1,140 beyond the budget of 40 a day and 3 a day for each user'
  })
  const button = (await page.getByTestId('all-matching').boundingBox())!
  expect(button.x + button.width).toBeLessThanOrEqual(390)
})

test('what is new and what was decided lies over no row', async ({ page }) => {
  await open(page, '/anomalies')
  await rows(page).first().click()
  // A list that is read is held: what comes in is counted until it is let in, a notice stays for some seconds.
  const fresh = page.getByTestId('new-rows')
  await expect(fresh).toBeVisible({ timeout: 60_000 })
  await page.keyboard.press('c')
  const notice = page.getByTestId('notice')
  await expect(notice).toBeVisible()
  const [list, ...others] = await Promise.all([page.getByTestId('rows'), notice, fresh].map((it) => it.boundingBox()))
  for (const box of others) {
    expect(box!.y + box!.height <= list!.y || box!.y >= list!.y + list!.height).toBe(true)
  }
  // The marker says that the list stands, and the button beside it how it goes on.
  await expectState(page, 'paused')
  await expect(page.getByTestId('pause')).toHaveText('Resume')
  await page.getByTestId('pause').click()
  await expectState(page, 'live')
  await expect(page.getByTestId('pause')).toHaveText('Pause')
  expect(await figure(page.getByTestId('list'), 'loaded')).toBeGreaterThan(0)
})

test('the drawer says what would not have been flagged', async ({ page, request }) => {
  const found = (await (await request.get('/api/anomalies?status=open&limit=40')).json()).rows as {
    transaction_id: string
  }[]
  for (const { transaction_id: id } of found) {
    const { counterfactual } = await (await request.get(`/api/explanations/${encodeURIComponent(id)}`)).json()
    if (counterfactual === null) continue
    await page.goto(`/anomalies?open=${encodeURIComponent(id)}`)
    await expect(page.getByTestId('counterfactual')).toContainText(counterfactual.text.slice(1))
    return
  }
  throw new Error('No alert has an explanation.')
})
