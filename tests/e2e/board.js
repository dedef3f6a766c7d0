/** The drawing board, as tests open it and draw on it. */

export async function openBoard(page, form = '1:1') {
  await page.getByText('From a drawing').click()
  await page.getByText(form, { exact: true }).click()
  await page.getByRole('button', { name: 'Draw it on the board' }).click()
  return boardOf(page, form)
}

/** The open board, and what tests do with it. Places are shares of the paper's shorter side, from its middle. */
export async function boardOf(page, form = '1:1') {
  const stage = page.getByRole('application')
  await stage.waitFor()
  await page.locator('dialog[aria-busy=false]').waitFor()
  const settled = () => page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))))
  await settled()
  const box = await stage.boundingBox()
  const [wide, high] = form.split(':').map(Number)
  const margin = 2 * Math.min(20, box.width / 20)
  const unit = Math.min((box.width - margin) / wide, (box.height - margin) / high) * Math.min(wide, high)
  const at = (x, y) => [box.x + box.width / 2 + x * unit, box.y + box.height / 2 + y * unit]
  const panel = async (name) => {
    const button = page.getByRole('button', { name: { more: 'Paper and files', photo: 'Photo' }[name], exact: true })
    if ((await button.getAttribute('aria-expanded')) !== 'true') await button.click()
    await settled()
  }
  const ink = (x, y, height) =>
    stage.evaluate(
      (element, [left, top, rows]) => {
        const canvas = element.querySelectorAll('canvas')[1]
        const ratio = canvas.width / element.clientWidth
        const { x, y } = element.getBoundingClientRect()
        const { data } = canvas.getContext('2d').getImageData(Math.round((left - x) * ratio), Math.round((top - y) * ratio), 1, rows)
        return [...data].filter((value, n) => n % 4 === 3 && value > 127).length
      },
      [...at(x, y), height],
    )
  return {
    stage,
    at,
    panel,
    async drag(first, ...others) {
      await page.mouse.move(...at(...first))
      await page.mouse.down()
      for (const one of others) await page.mouse.move(...at(...one), { steps: 6 })
      await page.mouse.up()
      await settled()
    },
    async more(name) {
      await panel('more')
      await page.getByRole('button', { name, exact: true }).click()
      await settled()
    },
    strokes: async () => Number((await stage.getAttribute('aria-label')).replace('one stroke', '1 strokes').match(/(\d+) strokes/)[1]),
    /** What is seen on all layers, or on one, as a number for each. */
    async pixels(layer) {
      await settled()
      const sums = await stage.evaluate((element) =>
        [...element.querySelectorAll('canvas')].map((canvas) => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.reduce((sum, value, n) => (sum * 31 + value * (n % 997)) % 2147483647, 7)),
      )
      return layer ? sums[['ground', 'ink', 'hand'].indexOf(layer)] : sums
    },
    isInk: async (x, y) => (await ink(x, y, 1)) === 1,
    /** Rows of ink around a place. */
    async thickness(x, y) {
      const reach = 40
      return ink(x, y - reach / unit, 2 * reach)
    },
  }
}

/** Puts fingers down, moves them and lifts them, as the glass does: one list of places for each moment. */
export async function touchOf(context, page) {
  const client = await context.newCDPSession(page)
  const send = (type, points) => client.send('Input.dispatchTouchEvent', { type, touchPoints: points.map(([x, y], id) => ({ x, y, id })) })
  return async (first, ...others) => {
    // Fingers come down one after the other.
    for (let n = 1; n <= first.length; n++) await send('touchStart', first.slice(0, n))
    for (const points of others) await send('touchMove', points)
    await send('touchEnd', [])
    await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))))
  }
}

/** A room in flat colours, as JPEG. */
export async function photograph(page) {
  const url = await page.evaluate(() => {
    const canvas = Object.assign(document.createElement('canvas'), { width: 900, height: 900 })
    const pen = canvas.getContext('2d')
    for (const [colour, ...box] of [['#d8d0c0', 0, 0, 900, 900], ['#8a6a4c', 0, 600, 900, 300], ['#9ab8cc', 300, 150, 300, 250]]) {
      pen.fillStyle = colour
      pen.fillRect(...box)
    }
    return canvas.toDataURL('image/jpeg')
  })
  return { name: 'room.jpg', mimeType: 'image/jpeg', buffer: Buffer.from(url.split(',')[1], 'base64') }
}
