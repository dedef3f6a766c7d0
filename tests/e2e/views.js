/** Views that one has to go about to see, one after the other: looked at by screenshots.js, measured by the tests.

 * `at(name)` is called at each. Found by what doesn't depend on the language, where it can be. */
import { randomUUID } from 'node:crypto'
import { giveCode, whileRequired, wrongCode } from './authenticator.js'
import { API_URL, ask, cardOf, makePicture, newDesigner, PAGE_URL, waitForState } from './browser.js'

export const OWN = 'My-own-password-3'

/** All that is seen before one is in; a new designer is, at the end. */
export async function seeSigningIn(page, at) {
  const { email, password } = await newDesigner({ temporary: true })
  const send = () => page.locator('form .primary').click()
  const other = () => page.locator('form .plain').click()
  const fault = () => page.locator('form .fault').filter({ hasText: /\S/ }).waitFor()
  await page.goto(PAGE_URL)
  await page.locator('#password').waitFor()
  await at('sign-in')
  await page.locator('#email').fill(email)
  await page.locator('#password').fill('Not-the-password-1')
  await send()
  await fault()
  await at('sign-in-refused')
  await other()
  await page.locator('#password').waitFor({ state: 'detached' })
  await at('forgotten-password')
  await send()
  await page.locator('#code').waitFor()
  await at('reset-password')
  await other()
  await page.locator('#password').fill(password)
  await whileRequired(async () => {
    await send()
    await page.locator('#fresh').waitFor()
    await at('first-password')
    await page.locator('#fresh').fill('all-small-letters')
    await send()
    await fault()
    await at('first-password-refused')
    await page.locator('#fresh').fill(OWN)
    await send()
    await page.locator('#secret').waitFor()
    await at('authenticator')
    const key = await page.locator('#secret').inputValue()
    await giveCode(page, key)
    await page.getByRole('navigation').waitFor()
    await page.evaluate(() => localStorage.clear())
    await page.goto(PAGE_URL)
    await page.locator('#email').fill(email)
    await page.locator('#password').fill(OWN)
    await send()
    await page.locator('#code').waitFor()
    await at('code')
    await page.locator('#code').fill(wrongCode(key))
    await send()
    await fault()
    await at('code-refused')
    await giveCode(page, key)
    await page.getByRole('navigation').waitFor()
  })
}

/** What a signed-in designer seldom sees; `id`: of one of the pictures. */
export async function seeTrouble(page, id, at) {
  await page.goto(`${PAGE_URL}/nothing-here`)
  await page.locator('.trouble').waitFor()
  await at('wrong-address')
  await page.goto(`${PAGE_URL}/pictures/${randomUUID()}`)
  await page.locator('.trouble').waitFor()
  await at('picture-gone')
  for (const [name, path] of [
    ['picture-failed', `/pictures/${id}`],
    ['gallery-failed', '/pictures'],
    ['studio-failed', '/'],
    ['shared-failed', '/shared/any'],
  ]) {
    await page.route(`${API_URL}/api/**`, (route) => route.abort())
    await page.goto(PAGE_URL + path)
    await page.getByRole('alert').filter({ hasText: /\S/ }).first().waitFor()
    await at(name)
    await page.unroute(`${API_URL}/api/**`)
  }
  await page.goto(`${PAGE_URL}/pictures/${id}`)
  await page.locator('.actions .danger').click()
  await page.getByRole('dialog').waitFor()
  await at('delete')
}

/** A wish on its way, and what may become of it: of a signed-in designer, in English. The id of one that became a picture. */
export async function seeWork(page, at) {
  await page.goto(PAGE_URL)
  try {
    await ask('hang', { on: true, step: 14 })
    const working = await makePicture(page, 'a library with a ladder, walnut shelves')
    await working.locator('.preview').waitFor()
    await page.waitForFunction((card) => Number(card.querySelector('[role=progressbar]').ariaValueNow) >= 60, await working.elementHandle())
    await at('working')
    for (const text of ['a reading corner by the stove', 'a study under the roof']) await makePicture(page, text)
    await page.getByText('Next in line').waitFor()
    await at('waiting')
    await cardOf(page, 'under the roof').getByRole('button', { name: 'Cancel' }).click()
    await waitForState(cardOf(page, 'under the roof'), 'cancelled')
    await at('cancelled')
    await page.route(`${API_URL}/api/generations/*/events`, (route) => route.abort())
    await page.reload()
    await page.locator('.lost').waitFor()
    await at('lost-connection')
    await page.unroute(`${API_URL}/api/generations/*/events`)
    await ask('hang', { on: false })
    await page.locator('.lost').waitFor({ state: 'hidden' })
    await waitForState(working, 'succeeded')
    await waitForState(cardOf(page, 'reading corner'), 'succeeded')
    await ask('lack_memory', { count: 3 }) // as often as the worker tries
    const failed = await makePicture(page, 'a hall larger than the card')
    await waitForState(failed, 'failed', 60_000)
    await at('failed')
    return await working.getAttribute('data-id')
  } finally {
    await ask('hang', { on: false })
  }
}
