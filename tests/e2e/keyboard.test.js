/** Dialogs, menus and the gallery by keyboard alone: where the focus goes, and where it stays. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { ask, launch, newDesigner, open, PAGE_URL, signIn } from './browser.js'

const STEPS = 12

describe('the keyboard', () => {
  let browser, page, close, ids
  before(async () => {
    browser = await launch()
    const designer = await newDesigner()
    const prompts = ['the oldest room', 'the room between', 'the newest room']
    ids = []
    // One after the other: their order is known.
    for (const prompt of prompts) ids.push(...(await ask('pictures', { email: designer.email, wishes: [{ prompt }] })))
    const opened = await open(browser)
    ;({ page, close } = opened)
    await signIn(page, designer)
  })
  after(async () => {
    await close?.()
    await browser.close()
  })

  /** What has the focus: its name, as it is read out. */
  const focused = () => page.evaluate(() => document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent.trim())
  const isWithin = (selector) => page.evaluate((wanted) => document.activeElement.closest(wanted) !== null, selector)
  const button = (name) => page.getByRole('button', { name, exact: true })

  /** Press a key until something has the focus. */
  async function pressUntil(key, name) {
    for (let n = 0; n < 3 * STEPS; n++) {
      if (name.test(await focused())) return
      await page.keyboard.press(key)
    }
    assert.fail(`${key} never leads to ${name}, but at last to “${await focused()}”`)
  }

  for (const [name, title, by, leave] of [
    ['Share', 'Share with your client', 'Escape', () => page.keyboard.press('Escape')],
    ['Delete', 'Delete for good?', '“Keep”', async () => (await pressUntil('Tab', /^Keep$/), page.keyboard.press('Enter'))],
    ['Delete', 'Delete for good?', '“Close”', async () => (await pressUntil('Shift+Tab', /^Close$/), page.keyboard.press('Space'))],
  ]) {
    it(`stays in the dialog “${title}”, and comes back from it to “${name}” by ${by}`, async () => {
      await page.goto(`${PAGE_URL}/pictures/${ids[0]}`)
      await button(name).focus()
      await page.keyboard.press('Enter')
      await page.getByRole('dialog', { name: title }).waitFor()
      await page.waitForFunction(() => document.activeElement.closest('[role=dialog]'))
      for (const key of ['Tab', 'Shift+Tab']) {
        const seen = new Set()
        for (let n = 0; n < STEPS; n++) {
          await page.keyboard.press(key)
          assert.ok(await isWithin('[role=dialog]'), `${key} leaves the dialog for “${await focused()}”`)
          seen.add(await focused())
        }
        assert.ok(seen.size >= 3, `${key} reaches ${[...seen].join(', ')}`)
      }
      await leave()
      await page.getByRole('dialog').waitFor({ state: 'hidden' })
      await page.waitForFunction((wanted) => document.activeElement.textContent.trim() === wanted, name)
    })
  }

  it('opens the account’s menu, goes through it by arrows and letters, and leaves it', async () => {
    await page.goto(PAGE_URL)
    const trigger = page.getByRole('button', { name: /^Account of/ })
    await trigger.focus()
    await page.keyboard.press('Enter')
    await page.getByRole('menu').waitFor()
    await page.waitForFunction(() => document.activeElement.closest('[role=menu]'))
    await pressUntil('ArrowDown', /^Dark$/)
    await page.keyboard.press('ArrowUp')
    assert.equal(await focused(), 'Light')
    await page.keyboard.press('End')
    assert.equal(await focused(), 'Sign out on every device')
    await page.keyboard.press('Escape')
    await page.getByRole('menu').waitFor({ state: 'hidden' })
    await page.waitForFunction(() => document.activeElement.matches('header button'))
  })

  it('goes through the gallery, marks a favourite, opens a picture, and comes back', async () => {
    await page.goto(`${PAGE_URL}/pictures`)
    await page.getByRole('listitem').first().waitFor()
    await page.getByRole('link', { name: 'Pictures', exact: true }).focus()
    await pressUntil('Tab', /the newest room$/)
    await page.keyboard.press('Tab')
    assert.equal(await focused(), 'Favourite')
    await page.keyboard.press('Space')
    await page.locator('li').first().locator('[aria-pressed=true]').waitFor()
    assert.equal(await focused(), 'Favourite', 'the focus stays where it was')
    await page.keyboard.press('Space')
    await page.locator('li').first().locator('[aria-pressed=false]').waitFor()
    await pressUntil('Tab', /the room between$/)
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { level: 1, name: 'the room between' }).waitFor()
    assert.equal(new URL(page.url()).pathname, `/pictures/${ids[1]}`)
    await page.waitForFunction(() => document.activeElement.textContent === 'the room between')
    await pressUntil('Shift+Tab', /^Pictures$/)
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { level: 1, name: 'Pictures' }).waitFor()
    assert.equal(new URL(page.url()).pathname, '/pictures')
    await page.waitForFunction(() => document.activeElement.matches('h1'))
  })

  it('chooses by arrows what is one of several', async () => {
    await page.goto(PAGE_URL)
    await page.getByRole('radio', { name: '1:1' }).focus()
    await page.keyboard.press('ArrowRight')
    assert.equal(await page.getByRole('radio', { name: '4:3' }).isChecked(), true)
    await page.getByText('Indochine').waitFor()
    await page.getByRole('radio', { name: 'Plain' }).focus()
    await page.keyboard.press('ArrowRight')
    assert.equal(await page.getByRole('radio', { name: 'Plain' }).isChecked(), false)
  })
})
