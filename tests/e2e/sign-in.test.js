/** Signing in and out, by the stack's user pool. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { giveCode, scan, whileRequired, wrongCode } from './authenticator.js'
import { assertAccessible, launch, makePicture, newDesigner, open, openStudio, PAGE_URL, signIn, until, waitForState } from './browser.js'
import { OWN } from './views.js'

describe('signing in', () => {
  let browser
  before(async () => (browser = await launch()))
  after(() => browser.close())

  it('leads to the studio, and a reload and a second window stay there', async () => {
    const { page, context, close } = await openStudio(browser)
    await page.getByRole('heading', { name: 'What shall the room be?' }).waitFor()
    await page.reload()
    await page.getByRole('heading', { name: 'What shall the room be?' }).waitFor()
    const second = await context.newPage()
    await second.goto(`${PAGE_URL}/pictures`)
    await second.getByRole('heading', { name: 'Pictures' }).waitFor()
    await close()
  })

  it('with a wrong password says so, not which of the two was wrong', async () => {
    const { page, close } = await open(browser)
    const { email } = await newDesigner()
    for (const one of [email, 'nobody@example.com']) {
      await page.goto(PAGE_URL)
      await page.getByLabel('E-mail').fill(one)
      await page.getByLabel('Password').fill('Not-the-password-1')
      await page.keyboard.press('Enter')
      await page.getByText('E-mail and password don’t belong together.').waitFor()
      await assertRefused(page.getByLabel('Password'), 'E-mail and password don’t belong together.')
    }
    await assertAccessible(page, 'a refused password')
    await close()
  })

  it('for the first time asks for a password of one’s own', async () => {
    const { page, close } = await open(browser)
    const { email, password } = await newDesigner({ temporary: true })
    await page.goto(PAGE_URL)
    await page.getByLabel('E-mail').fill(email)
    await page.getByLabel('Password').fill(password)
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { name: 'Choose a password' }).waitFor()
    await assertAccessible(page, 'choosing a password')
    await page.getByLabel('New password').fill('Sh0rt!')
    await page.keyboard.press('Enter')
    assert.equal(await page.getByLabel('New password').evaluate((input) => input.validity.tooShort), true)
    await page.getByLabel('New password').fill('all-small-letters')
    await page.keyboard.press('Enter')
    await page.getByText('This password is too simple.').waitFor()
    await assertRefused(page.getByLabel('New password'), 'This password is too simple. At least 12 characters, with capitals, small letters, a digit and a symbol')
    await page.getByLabel('New password').fill(OWN)
    await page.keyboard.press('Enter')
    await page.getByRole('navigation', { name: 'Main' }).waitFor()
    await close()
    const again = await open(browser)
    await signIn(again.page, { email, password: OWN })
    await again.close()
  })

  it('with a forgotten password goes by a code', async () => {
    const { page, close } = await open(browser)
    const { email } = await newDesigner()
    await page.goto(PAGE_URL)
    await page.getByRole('button', { name: 'Forgotten your password?' }).click()
    await page.getByLabel('E-mail').fill(email)
    await page.getByRole('button', { name: 'Send me a code' }).click()
    await page.getByLabel('Code', { exact: true }).fill('123456')
    await page.getByLabel('New password').fill(OWN)
    await page.getByRole('button', { name: 'Change the password' }).click()
    await page.getByText('Your password is changed.').waitFor()
    await page.getByLabel('Password').fill(OWN)
    await page.keyboard.press('Enter')
    await page.getByRole('navigation', { name: 'Main' }).waitFor()
    await close()
  })

  it('sets an authenticator app up where the studio asks for one, and takes no code but its own', async () => {
    await whileRequired(async () => {
      const { page, close } = await open(browser, { colorScheme: 'dark' })
      const { email, password } = await newDesigner({ temporary: true })
      await page.goto(PAGE_URL)
      await page.getByLabel('E-mail').fill(email)
      await page.getByLabel('Password').fill(password)
      await page.keyboard.press('Enter')
      await page.getByLabel('New password').fill(OWN)
      await page.keyboard.press('Enter')
      await page.getByRole('heading', { name: 'Set up your authenticator app' }).waitFor()
      const address = await scan(page.getByRole('img', { name: 'Code to scan with your authenticator app' }))
      assert.equal(await page.getByRole('link', { name: 'Or open the app on this device' }).getAttribute('href'), address)
      const { protocol, host, pathname, searchParams } = new URL(address)
      assert.deepEqual([protocol, host, decodeURIComponent(pathname), searchParams.get('issuer')], ['otpauth:', 'totp', `/Studio:${email}`, 'Studio'])
      const key = searchParams.get('secret')
      assert.equal(await page.getByLabel('Key for your authenticator app').inputValue(), key)
      await assertAccessible(page, 'setting an authenticator app up')
      await page.getByLabel('Code', { exact: true }).fill(wrongCode(key))
      await page.keyboard.press('Enter')
      await page.getByText('The code is not right.').waitFor()
      await assertRefused(page.getByLabel('Code', { exact: true }), 'The code is not right.')
      await giveCode(page, key)
      await page.getByRole('navigation', { name: 'Main' }).waitFor()
      await close()

      const again = await open(browser)
      await again.page.goto(PAGE_URL)
      await again.page.getByLabel('E-mail').fill(email)
      await again.page.getByLabel('Password').fill(OWN)
      await again.page.keyboard.press('Enter')
      await again.page.getByRole('heading', { name: 'The code of your app' }).waitFor()
      await again.page.getByLabel('Code', { exact: true }).fill(wrongCode(key))
      await again.page.keyboard.press('Enter')
      await again.page.getByText('The code is not right.').waitFor()
      assert.equal(await again.page.getByRole('navigation', { name: 'Main' }).count(), 0)
      await giveCode(again.page, key)
      await again.page.getByRole('navigation', { name: 'Main' }).waitFor()
      await again.close()
    })
  })

  it('ends by signing out, in every window at once', async () => {
    const { page, context, close } = await openStudio(browser)
    const second = await context.newPage()
    await second.goto(PAGE_URL)
    await second.getByRole('navigation', { name: 'Main' }).waitFor()
    await page.getByRole('button', { name: /^Account of/ }).click()
    await page.getByRole('menuitem', { name: 'Sign out', exact: true }).click()
    for (const one of [page, second]) await one.getByLabel('Password').waitFor()
    assert.equal(await page.evaluate(() => Object.keys(localStorage).filter((key) => key.endsWith(':session')).length), 0)
    await close()
  })

  it('ends on every device when asked to: a session elsewhere cannot be renewed', async () => {
    const here = await openStudio(browser)
    const there = await open(browser)
    await signIn(there.page, here.designer)
    await here.page.getByRole('button', { name: /^Account of/ }).click()
    await here.page.getByRole('menuitem', { name: 'Sign out on every device' }).click()
    await here.page.getByLabel('Password').waitFor()
    await expire(there.page)
    await there.page.reload()
    await there.page.getByText('Your session has ended. Sign in again.').waitFor()
    await here.close()
    await there.close()
  })

  it('is renewed before it ends, without a word: after a reload, and in a page that stays open', async () => {
    const { page, context, close } = await openStudio(browser)
    const first = await expire(page)
    await page.reload()
    await page.getByRole('heading', { name: 'What shall the room be?' }).waitFor()
    await renewed(page, first)
    // A second window writes what the first one keeps: its token has ended now, by the clock.
    const second = await context.newPage()
    await second.goto(`${PAGE_URL}/icon.svg`)
    // Asked for once, when the page's shared state is made; styles are asked for again by the clock.
    const asked = []
    page.on('request', (request) => request.url().endsWith('/api/openapi.json') && asked.push(request.url()))
    const ended = await expire(second)
    await waitForState(await makePicture(page, 'asked for with an old token', { steps: 4 }), 'succeeded')
    await renewed(page, ended)
    // One that only the API knows to have ended.
    const refused = await change(second, { accessToken: 'what.nobody.signed', expires: Date.now() + 3_600_000 })
    await waitForState(await makePicture(page, 'asked for with a refused token', { steps: 4 }), 'succeeded')
    await renewed(page, refused)
    assert.deepEqual(asked, [], 'nothing begins anew')
    assert.equal(await page.locator('article').count(), 2)
    await close()
  })

  it('says so when another language cannot be had, before and after, and speaks it when it can', async () => {
    const { page, context, close } = await open(browser)
    await page.goto(PAGE_URL)
    const chosen = page.getByRole('button', { name: 'Tiếng Việt' })
    await chosen.waitFor()
    await context.setOffline(true)
    await chosen.click()
    await page.getByText('The service cannot be reached. Check the connection and try again.').waitFor()
    await context.setOffline(false)
    await signIn(page, await newDesigner())
    await context.setOffline(true)
    await page.getByRole('button', { name: /^Account of/ }).click()
    await page.getByRole('menuitemradio', { name: 'Tiếng Việt' }).click()
    await page.getByText('The service cannot be reached. Check the connection and try again.').waitFor()
    assert.equal(await page.locator('html').getAttribute('lang'), 'en')
    await context.setOffline(false)
    await page.keyboard.press('Escape')
    await page.getByRole('button', { name: /^Account of/ }).click()
    await page.locator('[role=menuitemradio][lang=en][aria-checked=true]').waitFor()
    await page.getByRole('menuitemradio', { name: 'Tiếng Việt' }).click()
    await page.locator('html[lang=vi]').waitFor()
    await close()
  })

  it('works by keyboard alone, and hinders nobody', async () => {
    const { page, close } = await open(browser)
    const { email, password } = await newDesigner()
    await page.goto(PAGE_URL)
    await page.getByLabel('E-mail').waitFor()
    await assertAccessible(page, 'signing in')
    await page.keyboard.press('Tab')
    await page.keyboard.type(email)
    await page.keyboard.press('Tab')
    await page.keyboard.type(password)
    await page.keyboard.press('Enter')
    await page.getByRole('navigation', { name: 'Main' }).waitFor()
    await close()
  })
})

/** The field has the focus, and is told to be wrong, and why. */
async function assertRefused(field, why) {
  const told = () =>
    field.evaluate((input) => ({
      focus: document.activeElement?.id,
      invalid: input.ariaInvalid,
      why: (input.getAttribute('aria-describedby') ?? '').split(' ').map((id) => document.getElementById(id)?.textContent).join(' '),
    }))
  await until('the focus is in the field', async () => (await told()).focus === (await field.getAttribute('id')))
  assert.deepEqual(await told(), { focus: await field.getAttribute('id'), invalid: 'true', why })
}

/** Let the access token that the page keeps be over; the token. */
const expire = (page) => change(page, { expires: Date.now() - 1000 })

/** Write into the session that the page keeps; the access token that is there then. */
function change(page, values) {
  return page.evaluate((more) => {
    const key = Object.keys(localStorage).find((one) => one.endsWith(':session'))
    const kept = { ...JSON.parse(localStorage.getItem(key)), ...more }
    localStorage.setItem(key, JSON.stringify(kept))
    return kept.accessToken
  }, values)
}

/** Wait until the page keeps another access token, one that is good for a while. */
async function renewed(page, old) {
  await page.waitForFunction((before) => Object.entries(localStorage).some(([key, value]) => key.endsWith(':session') && JSON.parse(value).expires > Date.now() && JSON.parse(value).accessToken !== before), old)
}
