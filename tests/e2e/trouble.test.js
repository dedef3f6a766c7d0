/** Reloads, restarts, lost connections, and a GPU that sleeps: nothing is lost, and nothing is shown twice. */
import assert from 'node:assert/strict'
import { after, afterEach, before, describe, it } from 'node:test'
import { API_URL, ask, assertAccessible, cardOf, launch, makePicture, openStudio, PAGE_URL, waitForState } from './browser.js'

describe('in trouble', () => {
  let browser
  before(async () => (browser = await launch()))
  after(() => browser.close())
  afterEach(() => ask('hang', { on: false }))

  it('a reload in the middle comes back to where it was', async () => {
    const { page, close } = await openStudio(browser)
    await ask('hang', { on: true, step: 8 })
    const card = await makePicture(page, 'through a reload', { steps: 20 })
    await card.getByText('Drawing, ').waitFor()
    await page.reload()
    await cardOf(page, 'through a reload').waitFor()
    assert.equal(await cardOf(page, 'through a reload').count(), 1)
    assert.equal(await cardOf(page, 'through a reload').getAttribute('data-state'), 'running')
    await ask('hang', { on: false })
    await cardOf(page, 'through a reload').getByText('Drawing, ').waitFor()
    await waitForState(cardOf(page, 'through a reload'), 'succeeded')
    assert.equal(await page.locator('article').count(), 1, 'shown once')
    await close()
  })

  it('a tab that was closed finds its picture when it comes back', async () => {
    const { page, context, close } = await openStudio(browser)
    await makePicture(page, 'while nobody looks', { steps: 30 })
    await cardOf(page, 'while nobody looks').waitFor()
    await page.close()
    const later = await context.newPage()
    await later.goto(PAGE_URL)
    await waitForState(cardOf(later, 'while nobody looks'), 'succeeded')
    await close()
  })

  it('a backend that is killed in the middle is gone on with by itself', async () => {
    const { page, close } = await openStudio(browser)
    await ask('hang', { on: true, step: 5 })
    const card = await makePicture(page, 'through a restart', { steps: 20 })
    await card.getByText('Drawing, ').waitFor()
    assert.ok((await ask('kill', { mark: 'index.js' })) >= 1)
    await ask('hang', { on: false })
    await waitForState(card, 'succeeded', 60_000)
    assert.equal(await page.locator('article').count(), 1)
    await page.getByText('The connection is lost').waitFor({ state: 'hidden' })
    await close()
  })

  it('a lost connection is told, and taken up again', async () => {
    const { page, context, close } = await openStudio(browser)
    await ask('hang', { on: true, step: 5 })
    const card = await makePicture(page, 'through a tunnel', { steps: 20 })
    await card.getByText('Drawing, ').waitFor()
    await context.setOffline(true)
    await page.route(`${API_URL}/**`, (route) => route.abort())
    // What is open stays open to Chromium: the tunnel ends it, too.
    await ask('kill', { mark: 'index.js' })
    await page.getByText('The connection is lost').waitFor()
    await assertAccessible(page, 'the studio without a connection')
    await page.getByLabel('In your own words').fill('sent in the tunnel')
    await page.getByRole('button', { name: /^Make/ }).click()
    await page.getByText('The service cannot be reached').waitFor()
    await page.unroute(`${API_URL}/**`)
    await context.setOffline(false)
    await ask('hang', { on: false })
    await page.getByText('The connection is lost').waitFor({ state: 'hidden', timeout: 30_000 })
    await waitForState(card, 'succeeded', 60_000)
    await page.getByRole('button', { name: /^Make/ }).click()
    await waitForState(cardOf(page, 'sent in the tunnel'), 'succeeded', 60_000)
    assert.equal(await page.locator('article').count(), 2, 'each wish once')
    await close()
  })

  it('a view that was never opened can be tried again when the connection is back, and what was typed is there', async () => {
    const { page, context, close } = await openStudio(browser)
    await page.getByLabel('In your own words').fill('typed before the tunnel')
    await context.setOffline(true)
    await page.getByRole('link', { name: 'Pictures', exact: true }).click()
    const failed = page.getByRole('heading', { name: 'This part of the page could not be loaded' })
    await failed.waitFor()
    assert.equal((await missingStyles(page)).length, 1, 'its looks could not be had either')
    await assertAccessible(page, 'a view that could not be loaded')
    await page.getByRole('button', { name: 'Try again' }).click()
    await failed.waitFor()
    await context.setOffline(false)
    await page.getByRole('button', { name: 'Try again' }).click()
    await page.getByText('No pictures yet').waitFor()
    assert.equal(await failed.count(), 0)
    assert.deepEqual(await missingStyles(page), [])
    await page.getByRole('link', { name: 'New', exact: true }).click()
    assert.equal(await page.getByLabel('In your own words').inputValue(), 'typed before the tunnel')
    await close()
  })

  it('the board too, with its looks', async () => {
    const { page, context, close } = await openStudio(browser, {}, '/drawing')
    const draw = page.getByRole('button', { name: 'Draw it on the board' })
    await draw.waitFor()
    await context.setOffline(true)
    await draw.click()
    await page.getByText('The service cannot be reached').waitFor()
    assert.equal((await missingStyles(page)).length, 1)
    await context.setOffline(false)
    await draw.click()
    await page.locator('dialog[aria-busy=false]').waitFor()
    assert.deepEqual(await missingStyles(page), [])
    await close()
  })

  it('a drawing is still seen when its signed address has ended', async () => {
    const { page, close } = await openStudio(browser, {}, '/drawing')
    await page.locator('#sketchId').setInputFiles({ name: 'room.png', mimeType: 'image/png', buffer: await drawnRoom(page) })
    const drawing = page.getByAltText('Your drawing')
    await drawing.waitFor()
    await page.evaluate(() => {
      const [key] = Object.keys(localStorage).filter((one) => one.includes(':draft:'))
      localStorage.setItem(key, localStorage.getItem(key).replace(/expires=\d+/, 'expires=1000000000'))
    })
    await page.reload()
    await page.waitForFunction(() => [...document.images].some((one) => one.alt === 'Your drawing' && one.src.startsWith('blob:') && one.naturalWidth > 0))
    await close()
  })

  it('a picture is still seen when its signed address has ended', async () => {
    const { page, designer, close } = await openStudio(browser)
    const [id] = await ask('pictures', { email: designer.email, wishes: [{ prompt: 'seen on an old page' }] })
    // As told long ago: the backend refuses the address by itself.
    const told = async (route) => {
      const answer = await route.fetch()
      await route.fulfill({ response: answer, body: (await answer.text()).replace(/expires=\d+/g, 'expires=1000000000') })
    }
    const refused = []
    page.on('response', (answer) => answer.status() === 403 && refused.push(answer.url()))
    const seen = () => page.waitForFunction(() => [...document.querySelectorAll('#main a img, #main img.large')].some((one) => one.naturalWidth > 0))
    await page.route(`${API_URL}/api/generations?*`, told)
    for (const path of ['/', '/pictures']) {
      await page.goto(PAGE_URL + path)
      await seen()
    }
    await page.route(`${API_URL}/api/generations/${id}`, told, { times: 1 })
    await page.goto(`${PAGE_URL}/pictures/${id}`)
    await seen()
    assert.equal(refused.length, 4, `once in the feed, among the styles, in the gallery and by itself: ${refused}`)
    await close()
  })

  it('refusals and failures are told in Vietnamese to who reads Vietnamese', async () => {
    const { page, close } = await openStudio(browser)
    await page.evaluate(() => localStorage.setItem('sd-app:language', 'vi'))
    await page.reload()
    await page.getByLabel('Lời mô tả của bạn').fill('một căn phòng')
    await page.getByText('Nâng cao', { exact: true }).click()
    await page.getByLabel('Hạt giống', { exact: true }).fill('99999999999')
    await page.getByRole('button', { name: /^Tạo/ }).click()
    await page.locator('#seed-fault').getByText('Từ 0 đến 4.294.967.295.', { exact: true }).waitFor()
    await page.getByText('Hạt giống: Từ 0 đến 4.294.967.295.').waitFor()
    await page.getByLabel('Hạt giống', { exact: true }).fill('')
    await ask('lack_memory', { count: 3 }) // each of the attempts
    await page.getByRole('button', { name: /^Tạo/ }).click()
    const card = cardOf(page, 'một căn phòng')
    await waitForState(card, 'failed', 60_000)
    await card.getByText('Hình quá lớn đối với card đồ họa.').waitFor()
    await close()
  })

  it('what the service offers is asked for again when it could not be had', async () => {
    const { page, close } = await openStudio(browser)
    await page.route(`${API_URL}/api/styles`, (route) => route.abort())
    await page.reload()
    await page.getByText('What the service offers could not be loaded.').waitFor()
    await assertAccessible(page, 'the studio without what it needs')
    await page.unroute(`${API_URL}/api/styles`)
    await page.getByRole('button', { name: 'Try again' }).click()
    await page.getByText('Indochine').waitFor()
    await page.getByText('What the service offers could not be loaded.').waitFor({ state: 'hidden' })
    await close()
  })

  it('a GPU that sleeps is woken by a wish, and the page tells so', { timeout: 180_000 }, async () => {
    const { page, designer, close } = await openStudio(browser)
    await ask('put_to_sleep', designer)
    const card = await makePicture(page, 'wake up', { steps: 4 })
    await card.getByText(/The GPU (sleeps and is being woken|is waking), about/).waitFor({ timeout: 60_000 })
    await assertAccessible(page, 'the studio with a sleeping GPU')
    await waitForState(card, 'succeeded', 150_000)
    await close()
  })
})

/** Stylesheets that were asked for and did not come: a part without its own looks broken. The rules of those can't be read. */
async function missingStyles(page) {
  return page.evaluate(() => {
    const isThere = ({ sheet }) => {
      try {
        return sheet.cssRules.length > 0
      } catch {
        return false
      }
    }
    return [...document.querySelectorAll('link[rel=stylesheet]')].filter((one) => !isThere(one)).map((one) => one.href)
  })
}

/** A drawing as a PNG. */
async function drawnRoom(page) {
  const base64 = await page.evaluate(() => {
    const canvas = Object.assign(document.createElement('canvas'), { width: 256, height: 256 })
    const paper = canvas.getContext('2d')
    paper.fillStyle = 'white'
    paper.fillRect(0, 0, 256, 256)
    paper.lineWidth = 4
    paper.strokeRect(60, 60, 136, 100)
    return canvas.toDataURL('image/png').split(',')[1]
  })
  return Buffer.from(base64, 'base64')
}
