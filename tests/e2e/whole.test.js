/** Languages, sizes, colours, keyboard, and what is wrong with the page itself. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { ask, assertAccessible, assertFits, launch, newDesigner, open, openStudio, PAGE_URL, signIn } from './browser.js'
import { seeSigningIn, seeTrouble, seeWork } from './views.js'

describe('the whole page', () => {
  let browser, designer, id, token
  before(async () => {
    browser = await launch()
    designer = await newDesigner()
    ;[id] = await ask('pictures', { email: designer.email, wishes: [{ prompt: 'a room with a very long description that goes on, and on, and never seems to end', style: 'Indochine', count: 2 }] })
    token = await ask('share', { email: designer.email, id, seconds: 3600 })
  })
  after(() => browser.close())

  const VIEWS = () => [
    ['/', 'the studio', 'article img'],
    ['/pictures', 'the gallery', 'li img'],
    [`/pictures/${id}`, 'a picture', '#recipe'],
    [`/shared/${token}`, 'a shared picture', 'figure img'],
    ['/shared/nothing', 'a link that has ended', 'h1'],
  ]

  for (const [name, options] of [
    ['on a phone', { phone: true }],
    ['on a phone in the dark', { phone: true, colorScheme: 'dark' }],
    ['in the dark', { colorScheme: 'dark' }],
    ['on a wide screen', { viewport: { width: 2200, height: 1200 } }],
  ]) {
    it(`fits and hinders nobody ${name}`, async () => {
      const { page, close } = await open(browser, options)
      await page.goto(PAGE_URL)
      await page.getByLabel('E-mail').waitFor()
      await assertFits(page, `signing in ${name}`)
      await assertAccessible(page, `signing in ${name}`)
      await signIn(page, designer)
      for (const [path, what, sign] of VIEWS()) {
        await page.goto(PAGE_URL + path)
        await page.locator(sign).first().waitFor()
        await assertFits(page, `${what} ${name}`)
        await assertAccessible(page, `${what} ${name}`)
      }
      await page.goto(PAGE_URL)
      await page.getByText('Advanced', { exact: true }).click()
      await assertFits(page, `all controls ${name}`)
      await assertAccessible(page, `all controls ${name}`)
      await page.getByRole('button', { name: /^Account of/ }).click()
      await page.getByRole('menu').waitFor()
      await assertAccessible(page, `the menu ${name}`)
      await close()
    })
  }

  for (const [name, options] of [
    ['on a phone', { phone: true }],
    ['in the dark', { colorScheme: 'dark' }],
  ]) {
    it(`fits and hinders nobody where one seldom comes, ${name}`, { timeout: 180_000 }, async () => {
      const { page, close } = await open(browser, options)
      const seen = []
      const at = async (view) => {
        seen.push(view)
        await assertFits(page, `${view} ${name}`)
        await assertAccessible(page, `${view} ${name}`)
      }
      await seeSigningIn(page, at)
      await seeTrouble(page, await seeWork(page, at), at)
      assert.equal(new Set(seen).size, 21)
      await close()
    })
  }

  it('has room for signing in in Vietnamese, on a phone', async () => {
    const { page, close } = await open(browser, { phone: true, locale: 'vi-VN' })
    await seeSigningIn(page, (view) => assertFits(page, `${view} in Vietnamese`))
    await close()
  })

  it('speaks Vietnamese when the browser does, and keeps the language that was chosen', async () => {
    const { page, close } = await open(browser, { locale: 'vi-VN' })
    await page.goto(PAGE_URL)
    await page.getByLabel('Mật khẩu').waitFor()
    assert.equal(await page.evaluate(() => document.documentElement.lang), 'vi')
    await page.getByLabel('E-mail').fill(designer.email)
    await page.getByLabel('Mật khẩu').fill(designer.password)
    await page.getByRole('button', { name: 'Đăng nhập', exact: true }).click()
    await page.getByRole('heading', { name: 'Căn phòng sẽ như thế nào?' }).waitFor()
    await page.getByLabel('Không gian').selectOption('Nhà bếp')
    await page.getByRole('button', { name: 'Nắng sớm' }).click()
    await page.getByText('Nâng cao').click()
    await page.getByText('kitchen, soft morning light').waitFor()
    await assertAccessible(page, 'the studio in Vietnamese')
    await page.getByRole('button', { name: /^Tài khoản/ }).click()
    await page.getByRole('menuitemradio', { name: 'English' }).click()
    await page.reload()
    await page.getByRole('heading', { name: 'What shall the room be?' }).waitFor()
    await close()
  })

  it('is dark when that is chosen, whatever the system says', async () => {
    const { page, close } = await openStudio(browser)
    const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor)
    const light = await ground()
    await page.getByRole('button', { name: /^Account of/ }).click()
    await page.getByRole('menuitemradio', { name: 'Dark' }).click()
    assert.notEqual(await ground(), light)
    const dark = await ground()
    await page.reload()
    await page.getByRole('navigation', { name: 'Main' }).waitFor()
    assert.equal(await ground(), dark)
    await close()
  })

  it('is used from first to last without a mouse', async () => {
    const { page, close } = await openStudio(browser)
    await page.keyboard.press('Tab')
    await page.keyboard.press('Enter') // skip to the content
    await page.getByLabel('In your own words').focus()
    await page.keyboard.type('made by keyboard')
    for (let n = 0; n < 60 && !(await page.evaluate(() => document.activeElement?.textContent?.startsWith('Make'))); n++) {
      await page.keyboard.press('Tab')
      assert.ok(await page.evaluate(() => document.activeElement !== document.body), 'the focus is never lost')
    }
    await page.keyboard.press('Enter')
    await page.locator('article[data-state=succeeded]').waitFor({ timeout: 30_000 })
    await close()
  })

  it('stands still for who wants no motion', async () => {
    const { page, close } = await openStudio(browser, { reducedMotion: 'reduce' })
    await page.getByLabel('In your own words').fill('no motion')
    await page.getByRole('button', { name: /^Make/ }).click()
    await page.getByRole('progressbar').waitFor()
    assert.equal(await page.evaluate(() => document.getAnimations().length), 0)
    await close()
  })

  it('keeps what was typed across a reload', async () => {
    const { page, close } = await openStudio(browser)
    await page.getByLabel('In your own words').fill('half a thou')
    await page.getByText('3:2').click()
    await page.reload()
    assert.equal(await page.getByLabel('In your own words').inputValue(), 'half a thou')
    assert.equal(await page.getByRole('radio', { name: '3:2' }).isChecked(), true)
    await close()
  })

  it('names each wrong key when its config is wrong', async () => {
    const { page, close } = await open(browser)
    await page.route('**/config.json', (route) => route.fulfill({ json: { stack: 'local', region: 'nowhere', backendURL: 'x' } }))
    await page.goto(PAGE_URL)
    await page.getByRole('heading', { name: 'This page is not set up right' }).waitFor()
    for (const told of ['region: "nowhere" has not the form needed', 'backendUrl: missing', "backendURL: the page doesn't know this key"]) {
      await page.getByText(told).waitFor()
    }
    await assertAccessible(page, 'a wrong config')
    await close()
  })

  it('is sent with the headers that keep strangers’ scripts out', async () => {
    const answer = await fetch(PAGE_URL)
    const policy = answer.headers.get('content-security-policy')
    assert.match(policy, /default-src 'self'/)
    assert.doesNotMatch(policy, /script-src|unsafe-eval/)
    const { page, context } = await open(browser)
    await page.goto(PAGE_URL)
    const ran = await page.evaluate(() => {
      const script = document.createElement('script')
      script.textContent = 'globalThis.strange = true'
      document.head.append(script)
      return globalThis.strange === true
    })
    assert.equal(ran, false)
    await context.close()
  })
})
