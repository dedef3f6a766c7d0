/** A style that is trained while a designer's page is open: from pictures to a choice in the page, by the whole way. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { ask, launch, makePicture, openStudio, recordOf, waitForState } from './browser.js'

const TITLE = 'Verde, the green one'

describe('a trained style', () => {
  let browser
  before(async () => (browser = await launch()))
  after(() => browser.close())

  it('comes into the open page with its picture, and makes pictures', async () => {
    const { page, close } = await openStudio(browser)
    await page.getByRole('radio', { name: 'Indochine' }).waitFor({ state: 'attached' })
    const loads = []
    page.on('framenavigated', () => loads.push(page.url()))
    const told = await ask('train', { name: 'Verde', trigger: 'studioverde', title: TITLE })
    assert.equal(told.triggerWord, 'studioverde')
    const tile = page.locator('label').filter({ hasText: TITLE })
    // The servers have it within a minute, and the page looks each 15 s.
    await tile.waitFor({ timeout: 90_000 })
    assert.ok(await tile.locator('img').evaluate(async (img) => (await img.decode(), img.naturalWidth)), 'with its published picture')
    await page.locator('label:not(.disabled)').filter({ hasText: TITLE }).click({ timeout: 90_000 })
    const card = await makePicture(page, 'a hall', { steps: 4 })
    await waitForState(card, 'succeeded')
    const record = await recordOf(page, await card.getAttribute('data-id'))
    assert.equal(record.styleVersion, 'Verde-v1')
    assert.equal(record.recipe.style.sha256, told.sha256, 'the record has the checksum that made it')
    assert.deepEqual(loads, [], 'nothing was loaded anew')
    await close()
  })
})
