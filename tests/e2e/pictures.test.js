/** Asking for pictures, seeing them come, and what is refused. */
import assert from 'node:assert/strict'
import { after, afterEach, before, describe, it } from 'node:test'
import { ask, assertAccessible, cardOf, drop, launch, makePicture, openStudio, paste, recordOf, setSteps, until, waitForState } from './browser.js'

describe('a picture', () => {
  let browser
  before(async () => (browser = await launch()))
  after(() => browser.close())
  afterEach(() => ask('hang', { on: false }))

  it('from words is seen sharpening, step by step, until it is there', async () => {
    const { page, close } = await openStudio(browser)
    await page.getByLabel('Room', { exact: true }).selectOption('Kitchen')
    await page.getByRole('button', { name: 'Morning light' }).click()
    await page.getByText('Indochine').click()
    const card = await makePicture(page, 'a long table', { steps: 40 })
    const seen = await watch(card)
    await card.getByRole('img', { name: 'Preview of the picture' }).waitFor()
    await waitForState(card, 'succeeded')
    const { bars, previews, waits } = await seen()
    assert.ok(bars.length >= 4, `shares seen: ${bars}`)
    assert.ok(Math.max(...bars) < 100, 'never full before the picture is there')
    assert.ok(previews >= 2, `${previews} different previews were seen: it does not sharpen`)
    assert.ok(waits.every((text) => /^ready in about \d+ (s|min)$/.test(text)) && waits.length > 0, `how long it takes was told as: ${waits}`)
    const picture = card.getByRole('link', { name: /^Picture 1/ }).locator('img')
    assert.ok(await picture.evaluate(async (img) => (await img.decode(), img.naturalWidth)))
    await card.getByText('kitchen, a long table, soft morning light').waitFor()
    await page.getByText('A picture is ready.').waitFor()
    const sample = page.locator('label').filter({ hasText: 'Indochine' }).locator('img')
    assert.ok(await sample.evaluate(async (img) => (await img.decode(), img.naturalWidth)), 'the style is shown by a picture in it')
    await assertAccessible(page, 'the studio with a picture')
    await close()
  })

  it('that waits behind another says so, and when it will be there', async () => {
    const { page, close } = await openStudio(browser)
    await ask('hang', { on: true, step: 3 })
    const made = []
    // The worker has two with ComfyUI: the second waits there until the first is done.
    for (const text of ['one that is made', 'one that is about to be', 'the next one', 'the last one']) made.push(await makePicture(page, text, { steps: 8 }))
    const [first, second, next, last] = made
    await first.getByText('Drawing, ').waitFor()
    await second.getByText('Next in line').waitFor()
    await next.getByText('One wish before yours').waitFor()
    await last.getByText('2 wishes before yours').waitFor()
    const high = await Promise.all(made.map(async (card) => (await card.boundingBox()).height))
    assert.ok(high[0] > 400 && high.slice(1).every((one) => one < 180), `one large place and a line of three: ${high}`)
    await page.getByRole('link', { name: /4 pictures on their way/ }).waitFor()
    // Each is told its place once a second: what stands there may be of the moment before.
    await until('who waits longer is told so', async () => {
      const told = []
      for (const card of made) told.push(Number((await card.getByText(/^ready in about \d+ s$/).textContent()).match(/\d+/)[0]))
      return told.every((one, at) => one > (told[at - 1] ?? 0))
    })
    await ask('hang', { on: false })
    for (const card of made) await waitForState(card, 'succeeded')
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

  it('has its place on a phone from the beginning, too', async () => {
    const { page, close } = await openStudio(browser, { phone: true })
    await ask('hang', { on: true, step: 1 })
    const card = await makePicture(page, 'one in its place', { steps: 6 })
    const size = () => card.evaluate((element) => [element.clientWidth, element.querySelector('.place').clientWidth, element.querySelector('.place').clientHeight])
    await page.waitForFunction((element) => element.querySelector('.still'), await card.elementHandle())
    const before = await size()
    assert.deepEqual(before, [before[0], before[0], before[0]], 'a square as wide as the card')
    await ask('hang', { on: false })
    await waitForState(card, 'succeeded')
    assert.deepEqual(await size(), before, 'nothing jumped')
    await close()
  })

  it('is said to be on its way, and that covers neither the card nor the button', async () => {
    for (const options of [{}, { viewport: { width: 1000, height: 800 } }, { phone: true }]) {
      const { page, close } = await openStudio(browser, options)
      await ask('hang', { on: true, step: 1 })
      const card = await makePicture(page, 'one that is seen whole', { steps: 6 })
      const notice = await page.getByText('Your wish is on its way.').boundingBox()
      for (const part of [card, page.getByRole('button', { name: 'Make the picture' }), page.getByRole('heading', { name: 'On the table' })]) {
        const { x, y, width, height } = await part.boundingBox()
        const apart = y >= notice.y + notice.height || y + height <= notice.y || x >= notice.x + notice.width || x + width <= notice.x
        assert.ok(apart, `${JSON.stringify(options)}: ${JSON.stringify(notice)} is over ${JSON.stringify({ x, y, width, height })}`)
      }
      await ask('hang', { on: false })
      await waitForState(card, 'succeeded')
      await close()
    }
  })

  it('follows a drawing that was uploaded', async () => {
    const { page, close } = await openStudio(browser)
    const uploads = []
    page.on('request', (request) => request.method() === 'POST' && request.url().endsWith('/api/sketches') && uploads.push(request.url()))
    await uploadDrawing(page)
    await page.getByRole('button', { name: 'Another drawing' }).click()
    await drop(page.getByText('Choose a drawing, or drop it here'), await drawing(page))
    await page.getByRole('img', { name: 'Your drawing' }).waitFor()
    await page.getByRole('button', { name: 'Another drawing' }).click()
    await page.getByLabel('In your own words').focus()
    await paste(page, await drawing(page))
    await page.evaluate(() => document.activeElement.blur())
    await paste(page, await drawing(page))
    await page.getByRole('img', { name: 'Your drawing' }).waitFor()
    assert.equal(uploads.length, 3, 'chosen, dropped and pasted; what is pasted into a text is not the drawing')
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

  for (const [from, begin] of [
    ['words', async () => {}],
    ['a drawing', uploadDrawing],
  ]) {
    it(`from ${from}, again, is the same picture by the same recipe`, async () => {
      const { page, close } = await openStudio(browser)
      await begin(page)
      await page.getByText('Indochine').click()
      await page.getByRole('button', { name: 'Morning light' }).click()
      await setSteps(page, 5)
      await page.getByLabel('Strength of Indochine').fill('0.6')
      await page.getByLabel('Guidance').fill('4')
      await page.getByLabel('Leave out').fill('people')
      if (from === 'words') {
        await page.getByText('3:2', { exact: true }).click()
        await page.getByText('Fine', { exact: true }).click()
      } else {
        await page.getByLabel('How closely it is followed').fill('3')
      }
      const card = await makePicture(page, 'a room to be made twice', { steps: 5, variations: 2 })
      await waitForState(card, 'succeeded')
      await page.getByRole('button', { name: 'Clear' }).click()
      await card.getByRole('button', { name: 'Again' }).click()
      await page.getByRole('button', { name: /^Make/ }).click()
      await page.waitForFunction(() => document.querySelectorAll('article[data-state=succeeded]').length === 2)
      const [again, first] = await Promise.all((await page.locator('article').evaluateAll((all) => all.map((one) => one.dataset.id))).map((id) => recordOf(page, id)))
      assert.notEqual(again.id, first.id)
      assert.deepEqual(again.request, first.request)
      assert.deepEqual(again.recipe, first.recipe)
      assert.deepEqual([first.request.steps, first.request.styleStrength, first.request.guidance, first.request.negativePrompt, first.request.count], [5, 0.6, 4, 'people', 2])
      await close()
    })
  }

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
  return { name: 'room.png', mimeType: 'image/png', buffer: Buffer.from(url.split(',')[1], 'base64') }
}

async function uploadDrawing(page) {
  await page.getByText('From a drawing').click()
  await page.getByLabel('Choose a drawing, or drop it here').setInputFiles(await drawing(page))
  await page.getByRole('img', { name: 'Your drawing' }).waitFor()
}

/** Keeps what a card shows from now on; asked later: shares of the bar, how many different previews, and times told. */
async function watch(card) {
  await card.evaluate((element) => {
    const seen = { bars: new Set(), previews: new Set(), waits: new Set() }
    const look = () => {
      const bar = element.querySelector('[role=progressbar]')?.getAttribute('aria-valuenow')
      if (bar) seen.bars.add(Number(bar))
      const preview = element.querySelector('img.preview')?.src
      if (preview) seen.previews.add(preview)
      for (const { textContent } of element.querySelectorAll('.progress .small')) seen.waits.add(textContent)
    }
    new MutationObserver(look).observe(element, { subtree: true, childList: true, attributes: true, characterData: true })
    look()
    globalThis.seenOfCard = seen
  })
  return () => card.page().evaluate(() => ({ bars: [...globalThis.seenOfCard.bars], previews: globalThis.seenOfCard.previews.size, waits: [...globalThis.seenOfCard.waits] }))
}
