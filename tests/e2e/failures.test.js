/** What cannot be had or made: said where one looks for it, with a way on that works. */
import assert from 'node:assert/strict'
import { after, afterEach, before, describe, it } from 'node:test'
import { API_URL, ask, launch, makePicture, newDesigner, open, openStudio, PAGE_URL, signIn, waitForState } from './browser.js'

const MOST_UNFINISHED = 8 // LIMIT_UNFINISHED_PER_USER of the backend

describe('what fails', () => {
  let browser, designer, id, token
  before(async () => {
    browser = await launch()
    designer = await newDesigner()
    ;[id] = await ask('pictures', { email: designer.email, wishes: [{ prompt: 'a room that is there' }] })
    token = await ask('share', { email: designer.email, id, seconds: 3600 })
  })
  after(() => browser.close())
  afterEach(() => ask('hang', { on: false }))

  for (const [what, path, told, sign] of [
    ['the gallery', () => '/pictures', 'The pictures could not be loaded.', (page) => page.getByRole('link', { name: /a room that is there$/ })],
    ['a picture', () => `/pictures/${id}`, 'The service cannot be reached.', (page) => page.getByRole('heading', { level: 1, name: 'a room that is there' })],
    ['a shared picture', () => `/shared/${token}`, 'The service cannot be reached.', (page) => page.getByRole('heading', { name: 'A room for you' })],
  ]) {
    it(`to load ${what} is said, and tried again when one asks`, async () => {
      const { page, close } = await open(browser)
      if (!path().startsWith('/shared')) await signIn(page, designer)
      const asked = []
      await page.route(`${API_URL}/api/**`, (route) => (asked.push(route.request().url()), route.abort()))
      await page.goto(PAGE_URL + path())
      await page.getByRole('alert').getByText(told).waitFor()
      const again = page.getByRole('alert').getByRole('button', { name: 'Try again' })
      await again.click()
      await page.getByRole('alert').getByText(told).waitFor()
      assert.ok(asked.length < 20, `${asked.length} questions to a service that is away`)
      await page.unroute(`${API_URL}/api/**`)
      await again.click()
      await sign(page).waitFor()
      await page.getByText(told).waitFor({ state: 'detached' })
      await close()
    })
  }

  it('to load more of the gallery keeps what is there', async () => {
    const { page, close } = await open(browser)
    await signIn(page, designer)
    // Pages of one picture each: one more was made.
    await ask('pictures', { email: designer.email, wishes: [{ prompt: 'a second room' }] })
    let isAway = true
    await page.route(`${API_URL}/api/generations?*`, (route) => {
      const url = new URL(route.request().url())
      if (isAway && url.searchParams.has('cursor')) return route.abort()
      if (url.searchParams.get('limit') === '24') url.searchParams.set('limit', '1')
      return route.continue({ url: url.href })
    })
    await page.goto(`${PAGE_URL}/pictures`)
    await page.getByRole('alert').getByText('The pictures could not be loaded.').waitFor()
    assert.equal(await page.getByRole('listitem').count(), 1)
    isAway = false
    await page.getByRole('button', { name: 'Try again' }).click()
    await page.getByRole('link', { name: /a room that is there$/ }).waitFor()
    assert.equal(await page.getByRole('listitem').count(), 2)
    await close()
  })

  it('to be made says why, also after a reload, and can be asked for again', async () => {
    const { page, close } = await openStudio(browser)
    await ask('lack_memory', { count: 3 }) // as often as the worker tries
    const card = await makePicture(page, 'a hall larger than the card', { steps: 4 })
    await waitForState(card, 'failed', 60_000)
    const why = card.getByRole('alert')
    await why.getByText(/too large for the graphics card/).waitFor()
    await page.reload()
    await why.getByText(/too large for the graphics card/).waitFor()
    await page.getByRole('button', { name: 'Clear' }).click()
    await card.getByRole('button', { name: 'Again' }).click()
    await page.getByRole('button', { name: /^Make/ }).click()
    await page.locator('article[data-state=succeeded]').waitFor({ timeout: 30_000 })
    await close()
  })

  it('for too many at once says so, and goes when there is room', async () => {
    const { page, designer: busy, close } = await openStudio(browser)
    await ask('hang', { on: true, step: 1 })
    await ask('pictures', { email: busy.email, begun: true, wishes: Array.from({ length: MOST_UNFINISHED }, (_, n) => ({ prompt: `one of many ${n}` })) })
    await page.reload()
    await page.getByRole('link', { name: /8 pictures on their way/ }).waitFor()
    await page.getByLabel('In your own words').fill('one too many')
    await page.getByRole('button', { name: /^Make/ }).click()
    await page.getByRole('alert').getByText(/as many pictures on their way as are allowed/).waitFor()
    assert.equal(await page.getByLabel('In your own words').inputValue(), 'one too many')
    await page.getByRole('article', { name: 'one of many 7' }).getByRole('button', { name: 'Cancel' }).click()
    await waitForState(page.getByRole('article', { name: 'one of many 7' }), 'cancelled')
    await page.getByRole('button', { name: /^Make/ }).click()
    await page.getByRole('article', { name: 'one too many' }).waitFor()
    await page.getByText(/as many pictures on their way as are allowed/).waitFor({ state: 'detached' })
    await ask('hang', { on: false })
    await waitForState(page.getByRole('article', { name: 'one too many' }), 'succeeded', 60_000)
    await close()
  })
})
