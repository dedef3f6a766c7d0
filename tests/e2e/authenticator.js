/** An authenticator app: its codes by time (RFC 6238), and a user pool that asks for them. */
import { createHmac } from 'node:crypto'
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
import { ask } from './browser.js'

const require = createRequire(new URL('../../app/frontend/package.json', import.meta.url))
const { decodeQR } = await import(pathToFileURL(require.resolve('qr/decode.js')))

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'
const STEP_MS = 30_000

/** What the app shows now for the key it was given. */
export function codeOf(key, now = Date.now()) {
  const bits = [...key.toUpperCase()].map((letter) => LETTERS.indexOf(letter).toString(2).padStart(5, '0')).join('')
  const secret = Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)))
  const counter = Buffer.alloc(8)
  counter.writeBigUInt64BE(BigInt(Math.floor(now / STEP_MS)))
  const digest = createHmac('sha1', secret).update(counter).digest()
  const number = digest.readUInt32BE(digest.at(-1) & 15) & 0x7fffffff
  return String(number % 1_000_000).padStart(6, '0')
}

/** What a phone's camera reads of a code on the screen. */
export async function scan(code) {
  const png = (await code.screenshot()).toString('base64')
  const { width, height, data } = await code.page().evaluate(async (bytes) => {
    const picture = await createImageBitmap(new Blob([Uint8Array.from(atob(bytes), (letter) => letter.charCodeAt(0))]))
    const pen = new OffscreenCanvas(picture.width, picture.height).getContext('2d')
    pen.drawImage(picture, 0, 0)
    return { width: picture.width, height: picture.height, data: [...pen.getImageData(0, 0, picture.width, picture.height).data] }
  }, png)
  return decodeQR({ width, height, data: Uint8ClampedArray.from(data) })
}

/** Another code than it shows around now. */
export function wrongCode(key) {
  const right = [-1, 0, 1].map((step) => codeOf(key, Date.now() + step * STEP_MS))
  return ['000000', '111111', '222222', '333333'].find((one) => !right.includes(one))
}

/** Type the code and send it. One that grew old on the way is followed by another, as a person does. */
export async function giveCode(page, key) {
  const refused = page.getByRole('alert').filter({ hasText: /\S/ })
  for (let attempt = 1; attempt <= 3; attempt++) {
    await page.locator('#code').fill(codeOf(key))
    await page.locator('form .primary').click()
    await page.getByRole('navigation').or(refused).first().waitFor()
    if (!(await refused.isVisible())) return
  }
}

/** Do it while the user pool asks everybody for an authenticator app at the first sign-in. */
export async function whileRequired(work) {
  await ask('require_authenticator', { on: true })
  try {
    return await work()
  } finally {
    await ask('require_authenticator', { on: false })
  }
}
