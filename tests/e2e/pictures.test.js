/** Asking for pictures, seeing them come, and what is refused. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { assertAccessible, cardOf, drop, launch, makePicture, openStudio, setSteps, until, waitForState } from './browser.js'

describe('a picture', () => {
  let browser
  before(async () => (browser = await launch()))
  after(() => browser.close())

  it('from words is seen sharpening, step by step, until it is there', async () => {
    const { page, close } = await openStudio(browser)
    await page.getByLabel('Room', { exact: true }).selectOption('Kitchen')
    await page.getByRole('button', { name: 'Morning light' }).click()
    await page.getByText('Indochine').click()
    const card = await makePicture(page, 'a long table', { steps: 40 })
    await card.getByRole('img', { name: 'Preview of the picture' }).waitFor()
    const seen = new Set()
    while ((await card.getAttribute('data-state')) !== 'succeeded') {
      const bar = await card.getByRole('progressbar').getAttribute('aria-valuenow', { timeout: 1000 }).catch(() => null)
      if (bar !== null) seen.add(Number(bar))
      await page.waitForTimeout(100)
    }
    assert.ok(seen.size >= 4, `steps seen: ${[...seen]}`)
    assert.ok(Math.max(...seen) < 100, 'never full before the picture is there')
    const picture = card.getByRole('link', { name: /^Picture 1/ }).locator('img')
    assert.ok(await picture.evaluate(async (img) => (await img.decode(), img.naturalWidth)))
    await card.getByText('kitchen, a long table, soft morning light').waitFor()
    await page.getByText('A picture is ready.').waitFor()
    await assertAccessible(page, 'the studio with a picture')
    await close()
  })

  it('can be thought better of', async () => {
    const { page, close } = await openStudio(browser)
    const card = await makePicture(page, 'a room nobody needs', { steps: 60 })
    await card.getByRole('button', { name: 'Cancel' }).click()
    await waitForState(card, 'cancelled')
    await card.getByText('Cancelled').waitFor()
    await page.reload()
    await waitForState(cardOf(page, 'a room nobody needs'), 'cancelled')
    await close()
  })

  it('comes in several variations, each in its place from the beginning', async () => {
    const { page, close } = await openStudio(browser)
    const card = await makePicture(page, 'four of them', { steps: 10, variations: 4 })
    await page.waitForFunction((element) => element.querySelectorAll('.place').length === 4, await card.elementHandle())
    const before = await card.locator('.place').last().boundingBox()
    await waitForState(card, 'succeeded')
    assert.equal(await card.getByRole('link').count(), 4)
    assert.deepEqual(await card.locator('.place').last().boundingBox(), before, 'nothing jumped')
    await close()
  })

  it('follows a drawing that was uploaded', async () => {
    const { page, close } = await openStudio(browser)
    await page.getByText('From a drawing').click()
    const file = { name: 'room.png', mimeType: 'image/png', buffer: await drawing(page) }
    await page.getByLabel('Choose a drawing, or drop it here').setInputFiles(file)
    await page.getByRole('img', { name: 'Your drawing' }).waitFor()
    await page.getByRole('button', { name: 'Another drawing' }).click()
    await drop(page.getByText('Choose a drawing, or drop it here'), file)
    await page.getByRole('img', { name: 'Your drawing' }).waitFor()
    await assertAccessible(page, 'the studio with a drawing')
    await page.getByLabel('How closely it is followed').fill('3')
    await page.getByText('Windows, doors and furniture stay where you drew them').waitFor()
    const card = await makePicture(page, 'as I drew it', { steps: 10 })
    await waitForState(card, 'succeeded')
    await card.getByRole('link', { name: /^Picture 1/ }).click()
    await page.getByLabel('Compare with').selectOption('Drawing')
    await page.getByRole('slider', { name: 'How much of the left picture is seen' }).waitFor()
    await close()
  })

  it('again has the same recipe; varied it has another seed', async () => {
    const { page, close } = await openStudio(browser)
    await page.getByText('Minimalist').click()
    const card = await makePicture(page, 'the first of its kind', { steps: 7 })
    await waitForState(card, 'succeeded')
    await page.getByRole('button', { name: 'Clear' }).click()
    assert.equal(await page.getByLabel('In your own words').inputValue(), '')
    await card.getByRole('button', { name: 'Again' }).click()
    assert.equal(await page.getByLabel('In your own words').inputValue(), 'the first of its kind')
    assert.equal(await page.getByRole('radio', { name: 'Minimalist' }).isChecked(), true)
    assert.equal(await page.getByLabel('Steps').inputValue(), '7')
    await setSteps(page, 9)
    const seed = await page.getByLabel('Seed', { exact: true }).inputValue()
    assert.match(seed, /^\d+$/)
    await card.getByRole('button', { name: 'Vary' }).click()
    assert.equal(await page.getByLabel('Seed', { exact: true }).inputValue(), '')
    assert.equal(await page.getByLabel('Steps').inputValue(), '7')
    await close()
  })

  it('that cannot be is refused at the field, by the page and by the API', async () => {
    const { page, close } = await openStudio(browser)
    await page.getByRole('button', { name: /^Make/ }).click()
    const field = page.getByLabel('In your own words')
    await page.getByText('Say what the room shall be').waitFor()
    assert.equal(await field.getAttribute('aria-invalid'), 'true')
    assert.ok(await field.evaluate((element) => element === document.activeElement), 'the focus is where something is to be done')
    await field.fill('x'.repeat(1100))
    await page.getByRole('button', { name: /^Make/ }).click()
    await page.getByText('This is too long: 1,000 characters at most').waitFor()
    await field.fill('a bell \u0007 rings')
    await page.getByRole('button', { name: /^Make/ }).click()
    await page.getByText('has characters that are not allowed').first().waitFor()
    await assertAccessible(page, 'the studio with a refusal')
    await field.fill('a room')
    await page.getByText('From a drawing').click()
    await page.getByRole('button', { name: /^Make/ }).click()
    await page.getByText('Choose a drawing first.').waitFor()
    await page.getByLabel('Choose a drawing, or drop it here').setInputFiles({ name: 'a.gif', mimeType: 'image/gif', buffer: Buffer.from('GIF89a') })
    await page.getByText('This is no PNG, JPEG or WebP.').waitFor()
    await page.getByLabel('Choose a drawing, or drop it here').setInputFiles({ name: 'a.png', mimeType: 'image/png', buffer: Buffer.from('no picture') })
    await page.getByText('is no picture of a kind that is taken').waitFor()
    await close()
  })

  it('is wished for with what was wished before', async () => {
    const { page, close } = await openStudio(browser)
    const card = await makePicture(page, 'a wish to be remembered', { steps: 4 })
    await waitForState(card, 'succeeded')
    await page.getByRole('button', { name: 'Clear' }).click()
    await page.getByRole('button', { name: 'Earlier wishes' }).click()
    await page.getByRole('menuitem', { name: 'a wish to be remembered' }).click()
    assert.equal(await page.getByLabel('In your own words').inputValue(), 'a wish to be remembered')
    await close()
  })
})

/** A room in a few lines, as PNG. */
async function drawing(page) {
  const url = await page.evaluate(() => {
    const canvas = Object.assign(document.createElement('canvas'), { width: 640, height: 480 })
    const pen = canvas.getContext('2d')
    pen.fillStyle = 'white'
    pen.fillRect(0, 0, 640, 480)
    pen.lineWidth = 6
    pen.strokeRect(180, 120, 280, 200)
    pen.strokeRect(260, 160, 90, 90)
    return canvas.toDataURL()
  })
  return Buffer.from(url.split(',')[1], 'base64')
}
