/** Chromium, the page in it, and what tests do with both. */
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { readFileSync } from 'node:fs'
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'

const require = createRequire(new URL('../../app/frontend/package.json', import.meta.url))
const { chromium } = require('playwright-core')
const AXE = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8')
const ARGS = ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--no-first-run']
const WAIT_MS = 15_000
export const { PAGE_URL, API_URL, DOOR_URL } = process.env

export const launch = () => chromium.launch({ executablePath: process.env.CHROMIUM, args: ARGS })

/** What only the other side of the door can do: see ground.py. */
export async function ask(action, said = {}) {
  const answer = await fetch(`${DOOR_URL}/${action}`, { method: 'POST', body: JSON.stringify(said) })
  const told = await answer.json()
  assert.ok(answer.ok, `${action}: ${told}`)
  return told
}

/** Ask again and again until it is so; what was said then. Fails, naming `what`, when it takes too long. */
export async function until(what, isSo, limit = WAIT_MS) {
  const end = Date.now() + limit
  for (;;) {
    const said = await isSo()
    if (said) return said
    assert.ok(Date.now() < end, `${what}: not after ${limit / 1000} s`)
    await sleep(50)
  }
}

/** A new user of the stack. */
export const newDesigner = (more = {}) => ask('designer', { name: `d-${randomUUID().slice(0, 8)}`, ...more })

/** A window of its own, signed out. What the page logs as an error, or breaks its policy with, fails `close`. */
export async function open(browser, { phone = false, ...options } = {}) {
  const context = await browser.newContext({
    viewport: phone ? { width: 360, height: 740 } : { width: 1280, height: 850 },
    locale: 'en-GB',
    ...(phone ? { hasTouch: true, isMobile: true } : {}),
    ...options,
  })
  context.setDefaultTimeout(WAIT_MS)
  const page = await context.newPage()
  const faults = []
  page.on('pageerror', (error) => faults.push(error.message))
  page.on('console', (line) => {
    // That a request was refused or cut off is said by the browser itself, and meant by the tests that do so.
    if (line.type() === 'error' && !line.text().startsWith('Failed to load resource')) faults.push(line.text())
  })
  return {
    page,
    context,
    faults,
    async close() {
      await context.close()
      assert.deepEqual(faults, [])
    },
  }
}

export async function signIn(page, { email, password }, path = '/') {
  await page.goto(PAGE_URL + path)
  await page.getByLabel('E-mail').fill(email)
  await page.getByLabel('Password').fill(password)
  await page.getByRole('button', { name: 'Sign in', exact: true }).click()
  await page.getByRole('navigation', { name: 'Main' }).waitFor()
}

/** Open the page signed in as a new designer. */
export async function openStudio(browser, options = {}, path = '/') {
  const designer = await newDesigner()
  const opened = await open(browser, options)
  await signIn(opened.page, designer, path)
  return { ...opened, designer }
}

/** Ask for a picture; its card. */
export async function makePicture(page, text, { steps = 20, variations } = {}) {
  await page.getByLabel('In your own words').fill(text)
  await setSteps(page, steps)
  if (variations) await page.getByRole('group', { name: 'Variations' }).getByText(String(variations), { exact: true }).click()
  await page.getByRole('button', { name: /^Make/ }).click()
  return cardOf(page, text)
}

export const cardOf = (page, text) => page.locator('article').filter({ hasText: text })

/** A wish as the API tells it to its owner, with its whole recipe. */
export function recordOf(page, id) {
  return page.evaluate(async (address) => {
    const [, kept] = Object.entries(localStorage).find(([key]) => key.endsWith(':session'))
    return (await fetch(address, { headers: { Authorization: `Bearer ${JSON.parse(kept).accessToken}` } })).json()
  }, `${API_URL}/api/generations/${id}`)
}

export async function setSteps(page, steps) {
  const slider = page.getByLabel('Steps')
  if (!(await slider.isVisible())) await page.getByText('Advanced', { exact: true }).click()
  await slider.fill(String(steps))
}

/** Let a file fall on an element, as from another window. */
export async function drop(target, file) {
  const files = await carried(target.page(), file)
  for (const step of ['dragenter', 'dragover', 'drop']) await target.dispatchEvent(step, { dataTransfer: files })
}

/** Paste a file where the focus is. */
export async function paste(page, file) {
  const files = await carried(page, file)
  await page.evaluate((clipboardData) => document.activeElement.dispatchEvent(new ClipboardEvent('paste', { clipboardData, bubbles: true, cancelable: true })), files)
}

const carried = (page, { name, mimeType, buffer }) =>
  page.evaluateHandle(
    ([bytes, file, type]) => {
      const carried = new DataTransfer()
      carried.items.add(new File([Uint8Array.from(atob(bytes), (letter) => letter.charCodeAt(0))], file, { type }))
      return carried
    },
    [buffer.toString('base64'), name, mimeType],
  )

/** The card's state: as the API calls it. */
export async function waitForState(card, state, timeout = 30_000) {
  await card.page().waitForFunction(([element, wanted]) => element?.dataset.state === wanted, [await card.elementHandle(), state], { timeout })
}

/** What hinders people: none. */
export async function assertAccessible(page, what) {
  // Colours on their way to others have no contrast of their own.
  await page.evaluate(() => Promise.allSettled(document.getAnimations().filter((one) => one.effect?.getComputedTiming().iterations !== Infinity).map((one) => one.finished)))
  await page.evaluate(AXE)
  // All of it at once: what only scrolls under the bar at the edge of the window is not too small a target.
  const { width, height } = page.viewportSize()
  const whole = await page.evaluate(() => document.documentElement.scrollHeight)
  await page.setViewportSize({ width, height: Math.max(height, whole) })
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }))
  await page.setViewportSize({ width, height })
  const told = violations.flatMap(({ id, help, nodes }) => nodes.map((node) => `${id}: ${help}\n    ${node.html.slice(0, 200)}\n    ${node.failureSummary.replaceAll('\n', ' ').slice(0, 300)}`))
  assert.deepEqual(told, [], `${what} has what hinders people`)
}

/** Nothing is wider than the window. */
export async function assertFits(page, what) {
  const [wide, window] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth])
  assert.ok(wide <= window, `${what} is ${wide} pixels wide in a window of ${window}`)
}
