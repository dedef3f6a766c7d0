/** What was made: found, compared, kept, shared and deleted. */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { after, before, describe, it } from 'node:test'
import { ask, assertAccessible, launch, open, openStudio, PAGE_URL, signIn, newDesigner, until } from './browser.js'

const MANY = 30

describe('the gallery', () => {
  let browser, designer, ids
  before(async () => {
    browser = await launch()
    designer = await newDesigner()
    const wishes = Array.from({ length: MANY }, (_, n) => ({ prompt: `room number ${n}`, seed: n, ...(n % 10 === 0 ? { style: 'Indochine' } : {}), ...(n === MANY - 1 ? { count: 2 } : {}) }))
    ids = []
    // As many as a designer may have under way at once.
    for (let at = 0; at < MANY; at += 6) ids.push(...(await ask('pictures', { email: designer.email, wishes: wishes.slice(at, at + 6) })))
  })
  after(() => browser.close())

  async function opened(path = '/pictures', options = {}) {
    const made = await open(browser, options)
    await signIn(made.page, designer, path)
    return made
  }
  const tiles = (page) => page.getByRole('listitem').getByRole('link')

  it('has all pictures, newest first, loaded as one scrolls', async () => {
    const { page, close } = await opened()
    await tiles(page).first().waitFor()
    assert.match(await tiles(page).first().getAttribute('aria-label'), /room number 29/)
    for (let before = await tiles(page).count(); before < MANY; before = await tiles(page).count()) {
      await page.mouse.wheel(0, 4000)
      await page.waitForFunction((n) => document.querySelectorAll('li a').length > n, before)
    }
    const names = await tiles(page).evaluateAll((all) => all.map((one) => one.getAttribute('aria-label')))
    assert.equal(new Set(names).size, MANY, 'each once')
    await page.getByText('These are all.').waitFor()
    assert.ok(await tiles(page).first().locator('img').evaluate(async (img) => (await img.decode(), img.currentSrc.includes('/thumbnail'))), 'thumbnails, not whole pictures')
    await assertAccessible(page, 'the gallery')
    await close()
  })

  it('is filtered by style and by favourite, in the address too', async () => {
    const { page, close } = await opened()
    await tiles(page).first().waitFor()
    await page.getByLabel('Style').selectOption('Indochine')
    await page.waitForFunction(() => document.querySelectorAll('li a').length === 3)
    await page.getByRole('button', { name: 'Favourites' }).click()
    await page.getByText('No pictures like this').waitFor()
    await page.getByRole('button', { name: 'Show all' }).click()
    await page.getByRole('listitem').nth(1).getByRole('button', { name: 'Favourite' }).click()
    await page.locator('li').nth(1).locator('[aria-pressed=true]').waitFor()
    await page.getByRole('button', { name: 'Favourites' }).click()
    await page.waitForFunction(() => document.querySelectorAll('li a').length === 1)
    assert.match(page.url(), /\/pictures\?favourite=/)
    await page.reload()
    await page.waitForFunction(() => document.querySelectorAll('li a').length === 1)
    await assertAccessible(page, 'the gallery, filtered')
    await close()
  })

  it('compares two pictures by keyboard, and tells how much of each is seen', async () => {
    const { page, close } = await opened(`/pictures/${ids[MANY - 1]}`)
    await page.getByLabel('Compare with').selectOption('Variation 2')
    const slider = page.getByRole('slider', { name: 'How much of the left picture is seen' })
    await slider.focus()
    await page.keyboard.press('Home')
    for (let n = 0; n < 30; n++) await page.keyboard.press('ArrowRight')
    assert.equal(await slider.getAttribute('aria-valuetext'), '30 % Variation 2, the rest This picture')
    const cut = await page.locator('.compare .over').evaluate((img) => getComputedStyle(img).clipPath)
    assert.match(cut, /inset\(0(px|%)? (calc\(100% - 30%\)|70%)/)
    await assertAccessible(page, 'a comparison')
    await close()
  })

  it('lies under the lines of the board, to be traced', async () => {
    const { page, close } = await opened(`/pictures/${ids[1]}`)
    await page.getByRole('link', { name: 'Trace' }).click()
    await page.getByRole('dialog', { name: 'Drawing board' }).waitFor()
    await page.getByRole('slider', { name: 'How much is seen of it' }).waitFor()
    assert.equal(new URL(page.url()).pathname + new URL(page.url()).search, '/drawing', 'a reload does not begin anew')
    await close()
  })

  it('downloads a picture with its recipe in the file', async () => {
    const { page, close } = await opened(`/pictures/${ids[0]}`)
    const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Download' }).click()])
    assert.match(download.suggestedFilename(), /^Indochine-\d{4}-\d\d-\d\d-[0-9a-f]{8}-1\.png$/)
    const bytes = await readFile(await download.path())
    const at = bytes.indexOf('iTXtrecipe')
    assert.ok(at > 0)
    const length = bytes.readUInt32BE(at - 4)
    const recipe = JSON.parse(bytes.subarray(at + 4 + 'recipe'.length + 5, at + 4 + length).toString())
    assert.deepEqual([recipe.prompt, recipe.seed, recipe.style], ['room number 0', 0, 'Indochine'])
    assert.ok(recipe.recipe.graph)
    await close()
  })

  it('is shared by a link that anybody can open, and that can be withdrawn', async () => {
    const { page, close } = await opened(`/pictures/${ids[1]}`)
    await page.getByRole('button', { name: 'Share' }).click()
    await page.getByRole('dialog').waitFor()
    await assertAccessible(page, 'sharing')
    await page.getByRole('group', { name: 'Valid for' }).getByText('30 days').click()
    await page.getByRole('button', { name: 'Make a link' }).click()
    const link = await page.getByLabel('Link', { exact: true }).inputValue()
    assert.ok(link.startsWith(`${PAGE_URL}/shared/`))
    const client = await open(browser)
    await client.page.goto(link)
    await client.page.getByRole('heading', { name: 'A room for you' }).waitFor()
    assert.ok(await client.page.getByRole('img', { name: 'Picture 1' }).evaluate(async (img) => (await img.decode(), img.naturalWidth)))
    assert.equal(await client.page.getByText('room number').count(), 0, 'not the prompt')
    await assertAccessible(client.page, 'a shared picture')
    await page.getByRole('button', { name: 'Withdraw all links' }).click()
    await page.getByText('No link to this picture works any more.').waitFor()
    await client.page.reload()
    await client.page.getByRole('heading', { name: 'This link has ended' }).waitFor()
    await assertAccessible(client.page, 'a link that has ended')
    await client.close()
    await close()
  })

  it('is shared until the link ends', async () => {
    const token = await ask('share', { email: designer.email, id: ids[2], seconds: 4 })
    const { page, close } = await open(browser)
    await page.goto(`${PAGE_URL}/shared/${token}`)
    await page.getByRole('heading', { name: 'A room for you' }).waitFor()
    await until('the link ends', async () => {
      await page.reload()
      await page.getByRole('heading', { level: 1 }).waitFor()
      return page.getByRole('heading', { name: 'This link has ended' }).isVisible()
    })
    await close()
  })

  it('forgets what is deleted', async () => {
    const { page, close } = await opened(`/pictures/${ids[3]}`)
    await page.getByRole('button', { name: 'Delete' }).click()
    await page.getByRole('button', { name: 'Keep' }).click()
    await page.getByRole('dialog').waitFor({ state: 'hidden' })
    await page.getByRole('button', { name: 'Delete' }).click()
    await assertAccessible(page, 'deleting')
    await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click()
    await page.getByText('Deleted.').waitFor()
    await page.goto(`${PAGE_URL}/pictures/${ids[3]}`)
    await page.getByRole('heading', { name: 'This picture is not there any more' }).waitFor()
    await close()
  })

  it('is empty at first, and says how to begin', async () => {
    const { page, close } = await openStudio(browser, {}, '/pictures')
    await page.getByText('No pictures yet').waitFor()
    await assertAccessible(page, 'an empty gallery')
    await page.getByRole('link', { name: 'Make the first one' }).click()
    await page.getByText('Your first room is a few words away').waitFor()
    await assertAccessible(page, 'an empty studio')
    await close()
  })
})
