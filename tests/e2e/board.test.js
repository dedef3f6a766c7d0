/** The drawing board: by mouse, by finger and by pen; kept across a reload; and a picture made from it. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { boardOf, openBoard, photograph, touchOf } from './board.js'
import { assertAccessible, assertFits, drop, launch, makePicture, openStudio, until, waitForState } from './browser.js'

describe('the drawing board', () => {
  let browser, folder
  before(async () => {
    browser = await launch()
    folder = await mkdtemp(join(tmpdir(), 'board-'))
  })
  after(async () => {
    await browser.close()
    await rm(folder, { recursive: true })
  })

  it('makes a drawing, in the size of the picture, that a picture is made from', async () => {
    const { page, close } = await openStudio(browser)
    const board = await openBoard(page, '3:2')
    await board.drag([-0.3, 0.2], [-0.1, -0.2], [0.2, 0.1])
    await page.keyboard.press('r')
    await board.drag([-0.2, -0.2], [0.2, 0.2])
    const [saved] = await Promise.all([page.waitForEvent('download'), board.more('Save as PNG')])
    assert.deepEqual(pngSize(readFileSync(await saved.path())), [768, 512])
    await page.getByRole('button', { name: 'Use this drawing' }).click()
    const drawing = page.getByRole('img', { name: 'Your drawing' })
    await drawing.waitFor()
    assert.deepEqual(await drawing.evaluate(async (img) => (await img.decode(), [img.naturalWidth, img.naturalHeight])), [768, 512])
    assert.equal(await page.getByRole('application').count(), 0, 'the board is closed')
    const card = await makePicture(page, 'drawn on the board', { steps: 6 })
    await waitForState(card, 'succeeded')
    await card.getByRole('link', { name: /^Picture 1/ }).click()
    await page.getByLabel('Compare with').selectOption('Drawing')
    await close()
  })

  it('is drawn anew when the picture shall be finer, never made larger', async () => {
    const { page, close } = await openStudio(browser)
    const board = await openBoard(page, '3:2')
    await board.drag([-0.3, 0.2], [-0.1, -0.2], [0.2, 0.1])
    await page.getByRole('button', { name: 'Use this drawing' }).click()
    const drawing = page.getByRole('img', { name: 'Your drawing' })
    await drawing.waitFor()
    await page.getByText('Advanced', { exact: true }).click()
    await page.getByText('Fine', { exact: true }).click()
    const first = await drawing.getAttribute('src')
    const card = await makePicture(page, 'finer than it was drawn', { steps: 4 })
    await waitForState(card, 'succeeded')
    assert.notEqual(await drawing.getAttribute('src'), first)
    assert.deepEqual(await drawing.evaluate(async (img) => (await img.decode(), [img.naturalWidth, img.naturalHeight])), [960, 640])
    await close()
  })

  it('is kept across a reload: strokes, tool, grid and the photograph beneath', async () => {
    const { page, close } = await openStudio(browser)
    let board = await openBoard(page, '1:1')
    await board.drag([-0.3, 0], [0.3, 0.05])
    await page.keyboard.press('l')
    await board.drag([-0.3, 0.2], [0.3, 0.3])
    await page.keyboard.press('g')
    await page.getByRole('button', { name: 'Two vanishing points' }).click()
    await page.getByRole('slider', { name: 'Horizon' }).focus()
    await page.keyboard.press('Shift+ArrowDown')
    await page.getByRole('button', { name: 'Photo', exact: true }).click()
    await page.getByLabel('Choose a photo or a plan').setInputFiles(await photograph(page))
    await page.getByRole('button', { name: 'Its edges as lines' }).waitFor()
    const before = await board.pixels()
    await until('the photograph lies in the browser', async () => (await keptKeys(page)).some((key) => key.includes('photo')))
    await page.reload()
    board = await boardOf(page, '1:1')
    assert.equal(await board.strokes(), 2)
    assert.equal(await page.getByRole('button', { name: 'Line', exact: true }).getAttribute('aria-pressed'), 'true')
    assert.equal(await page.getByRole('slider', { name: 'Horizon' }).getAttribute('aria-valuenow'), '47')
    assert.equal(await page.getByRole('slider', { name: 'Right vanishing point' }).count(), 1)
    await page.getByRole('button', { name: 'Photo', exact: true }).click()
    await page.getByRole('button', { name: 'Its edges as lines' }).waitFor()
    assert.deepEqual(await board.pixels(), before, 'every pixel is as it was')
    await close()
  })

  it('keeps the last stroke when the page goes at once', async () => {
    const { page, close } = await openStudio(browser)
    const board = await openBoard(page)
    await board.drag([-0.3, 0], [0.3, 0.05])
    await page.reload()
    assert.equal(await (await boardOf(page)).strokes(), 1)
    await close()
  })

  it('undoes and does again everything, also clearing', async () => {
    const { page, close } = await openStudio(browser)
    const board = await openBoard(page)
    const states = [await board.pixels()]
    for (const y of [-0.3, 0, 0.3]) {
      await board.drag([-0.3, y], [0.3, y])
      states.push(await board.pixels())
    }
    await page.keyboard.press('e')
    await board.drag([0, -0.4], [0, 0.4])
    assert.equal(await board.strokes(), 6)
    await board.more('Clear the sheet')
    assert.equal(await board.strokes(), 0)
    await board.stage.focus()
    await page.keyboard.press('Control+z')
    await page.keyboard.press('Control+z')
    await page.keyboard.press('b') // without the disc of the eraser
    for (const state of states.toReversed()) {
      assert.deepEqual(await board.pixels(), state)
      await page.keyboard.press('Control+z')
    }
    assert.equal(await page.getByRole('button', { name: 'Undo' }).isDisabled(), true)
    for (let n = 0; n < 9; n++) await page.keyboard.press('Control+Shift+z')
    assert.equal(await board.strokes(), 0, 'cleared again')
    await close()
  })

  it('erases what the eraser passes over, or whole strokes', async () => {
    const { page, close } = await openStudio(browser)
    const board = await openBoard(page)
    await page.keyboard.press('l')
    await board.drag([-0.3, 0], [0.3, 0])
    await page.keyboard.press('e')
    await board.drag([0, -0.1], [0, 0.1])
    assert.equal(await board.strokes(), 2)
    assert.equal(await board.isInk(0, 0), false)
    assert.equal(await board.isInk(0.2, 0), true)
    await page.getByLabel('Whole strokes').check()
    await board.drag([0.2, -0.1], [0.2, 0.1])
    assert.equal(await board.strokes(), 1)
    assert.equal(await board.isInk(0.25, 0), false)
    assert.equal(await board.isInk(-0.2, 0), true)
    await close()
  })

  it('draws straight with Shift, and towards the vanishing point with the grid', async () => {
    const { page, close } = await openStudio(browser)
    const board = await openBoard(page)
    await page.keyboard.press('l')
    await page.keyboard.down('Shift')
    await board.drag([-0.4, 0.4], [0.4, 0.37])
    await page.keyboard.up('Shift')
    assert.equal(await board.isInk(0.3, 0.4), true)
    await page.keyboard.press('g') // the vanishing point: in the middle, 0.08 above it
    await page.keyboard.press('l')
    await board.drag([-0.4, 0.32], [-0.2, 0.09])
    assert.equal(await board.isInk(-0.2, 0.12), true)
    await close()
  })

  it('takes fingers: one draws, two move and zoom, and the page does not scroll', async () => {
    const { page, context, close } = await openStudio(browser, { phone: true })
    const board = await openBoard(page)
    const touch = await touchOf(context, page)
    const PLACE = () => [scrollY, visualViewport.pageTop, visualViewport.scale]
    const place = await page.evaluate(PLACE)
    await touch([board.at(-0.3, 0)], [board.at(0, 0.2)], [board.at(0.3, 0)])
    assert.equal(await board.strokes(), 1)
    assert.equal(await board.isInk(0, 0.1), false)
    const before = await board.pixels()
    const [x, y] = board.at(0, 0)
    await touch([[x - 40, y], [x + 40, y]], [[x - 80, y + 30], [x + 80, y + 30]])
    assert.equal(await board.strokes(), 1, 'what the first finger began was not meant')
    assert.notDeepEqual(await board.pixels(), before, 'it is larger')
    await page.getByRole('button', { name: 'Whole sheet' }).click()
    assert.deepEqual(await board.pixels(), before)
    assert.deepEqual(await page.evaluate(PLACE), place)
    await close()
  })

  it('takes a pen, and how hard it is pressed; from then on a finger moves the paper', async () => {
    const { page, context, close } = await openStudio(browser, { hasTouch: true })
    const board = await openBoard(page)
    const client = await context.newCDPSession(page)
    for (const [y, force] of [[-0.2, 0.1], [0.2, 1]]) {
      for (const [type, share] of [['mousePressed', -0.3], ['mouseMoved', -0.1], ['mouseMoved', 0.1], ['mouseMoved', 0.3], ['mouseReleased', 0.3]]) {
        const [px, py] = board.at(share, y)
        await client.send('Input.dispatchMouseEvent', { type, x: px, y: py, button: 'left', buttons: 1, clickCount: 1, force, pointerType: 'pen' })
      }
    }
    assert.equal(await board.strokes(), 2)
    const [light, hard] = [await board.thickness(0, -0.2), await board.thickness(0, 0.2)]
    assert.ok(hard > 2.5 * light, `${light} and ${hard} pixels`)
    const before = await board.pixels()
    const touch = await touchOf(context, page)
    await touch([board.at(0, 0)], [board.at(0.1, 0.1)])
    assert.equal(await board.strokes(), 2)
    assert.notDeepEqual(await board.pixels(), before)
    await close()
  })

  it('makes lines of a photograph’s edges, as many as are asked for', async () => {
    const { page, close } = await openStudio(browser)
    const board = await openBoard(page)
    await page.getByRole('button', { name: 'Photo', exact: true }).click()
    await page.getByLabel('Choose a photo or a plan').setInputFiles(await photograph(page))
    const found = []
    for (const amount of ['0.05', '1']) {
      const without = await board.pixels('hand')
      await page.getByRole('button', { name: 'Its edges as lines' }).click()
      const before = await until('lines are shown', async () => {
        const shown = await board.pixels('hand')
        return shown !== without && shown
      })
      await page.getByLabel('How many edges').fill(amount)
      await until('lines of the amount asked for are shown', async () => (await board.pixels('hand')) !== before)
      assert.equal(await board.strokes(), 0, 'they are shown before they are taken')
      await page.getByRole('button', { name: 'Take these lines' }).click()
      found.push(await board.strokes())
      await page.getByRole('button', { name: 'Undo' }).click()
    }
    assert.ok(found[0] >= 1 && found[1] > found[0], `${found}`)
    const without = await board.pixels('hand')
    await page.getByRole('button', { name: 'Its edges as lines' }).click()
    await until('lines are shown', async () => (await board.pixels('hand')) !== without)
    await page.getByRole('button', { name: 'Leave it' }).click()
    assert.equal(await board.strokes(), 0)
    await close()
  })

  it('takes a picture that is pasted, or dropped on it', async () => {
    const { page, context, close } = await openStudio(browser)
    const board = await openBoard(page)
    await context.grantPermissions(['clipboard-read', 'clipboard-write'])
    await page.evaluate(async () => {
      const paper = new OffscreenCanvas(300, 200)
      paper.getContext('2d').fillRect(40, 40, 100, 60)
      await navigator.clipboard.write([new ClipboardItem({ 'image/png': await paper.convertToBlob() })])
    })
    const empty = await board.pixels('ground')
    await board.stage.focus()
    await page.keyboard.press('Control+v')
    await page.getByRole('button', { name: 'Its edges as lines' }).waitFor()
    const pasted = await board.pixels('ground')
    assert.notEqual(pasted, empty, 'it lies under the lines')
    await drop(board.stage, await photograph(page))
    await until('the other picture lies there', async () => ![empty, pasted].includes(await board.pixels('ground')))
    await drop(board.stage, { name: 'words.txt', mimeType: 'text/plain', buffer: Buffer.from('no picture') })
    await page.getByRole('alert').filter({ hasText: /This is no picture/ }).waitFor()
    await close()
  })

  it('opens what it saved, and tells why it does not open something else', async () => {
    const { page, close } = await openStudio(browser)
    const board = await openBoard(page, '16:9')
    await board.drag([-0.3, 0], [0.3, 0.05])
    const before = await board.thickness(0, 0.025)
    assert.ok(before > 2)
    const [saved] = await Promise.all([page.waitForEvent('download'), board.more('Save as SVG')])
    await page.getByRole('button', { name: 'Clear the sheet' }).click()
    const open = (file) => page.getByLabel('Open a file').setInputFiles(file)
    await open({ name: 'drawing.svg', mimeType: 'image/svg+xml', buffer: readFileSync(await saved.path()) })
    assert.deepEqual([await board.strokes(), await board.thickness(0, 0.025)], [1, before])
    for (const [file, said] of [
      [{ name: 'a.svg', mimeType: 'image/svg+xml', buffer: Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>') }, /This SVG was not drawn here/],
      [{ name: 'a.png', mimeType: 'image/png', buffer: Buffer.from('no picture') }, /This is no picture/],
      [await fileOf(30_000_001, join(folder, 'a.jpg')), /too large: 30 MB/],
    ]) {
      await board.panel('more')
      await open(file)
      await page.getByRole('alert').filter({ hasText: said }).waitFor()
    }
    await page.getByRole('button', { name: 'Close', exact: true }).click()
    await board.more('Clear the sheet')
    await page.getByRole('button', { name: 'Use this drawing' }).click()
    await page.getByText('There is nothing on the sheet yet.').waitFor()
    await close()
  })

  it('is closed by Escape, and gives the focus back', async () => {
    const { page, close } = await openStudio(browser)
    const board = await openBoard(page)
    await page.keyboard.press('Escape')
    await board.stage.waitFor({ state: 'detached' })
    assert.equal(await page.evaluate(() => document.activeElement?.textContent), 'Draw it on the board')
    await close()
  })

  it('speaks Vietnamese, and fits a phone in it', async () => {
    const { page, close } = await openStudio(browser, { phone: true })
    await page.evaluate(() => localStorage.setItem('sd-app:language', 'vi'))
    await page.reload()
    await page.getByText('Từ bản vẽ').click()
    await page.getByRole('button', { name: 'Vẽ trên bảng vẽ' }).click()
    for (const tool of ['Bút', 'Tẩy', 'Khung', 'Lưới', 'Ảnh', 'Giấy và tệp']) {
      await page.getByRole('button', { name: tool, exact: true }).click()
      await assertFits(page, `the board in Vietnamese, ${tool}`)
    }
    await assertAccessible(page, 'the board in Vietnamese')
    await close()
  })

  for (const [name, options] of [
    ['on a phone', { phone: true }],
    ['on a phone that lies', { phone: true, viewport: { width: 740, height: 360 } }],
    ['in the dark', { colorScheme: 'dark' }],
    ['on a wide screen', { viewport: { width: 2200, height: 1200 } }],
  ]) {
    it(`fits and hinders nobody ${name}`, async () => {
      const { page, close } = await openStudio(browser, options)
      await openBoard(page)
      for (const tool of ['Eraser', 'Rectangle', 'Grid', 'Photo', 'Paper and files']) {
        await page.getByRole('button', { name: tool, exact: true }).click()
        await assertFits(page, `the board ${name}, ${tool}`)
        await assertAccessible(page, `the board ${name}, ${tool}`)
      }
      await page.getByRole('button', { name: 'Use this drawing' }).click()
      await page.getByText('There is nothing on the sheet yet.').waitFor()
      await assertAccessible(page, `the board ${name}, with a fault`)
      await close()
    })
  }
})

/** A file of so many bytes on this machine: sent to the browser as bytes, a large one takes long. */
async function fileOf(bytes, path) {
  await writeFile(path, '')
  await truncate(path, bytes)
  return path
}

const pngSize = (bytes) => [bytes.readUInt32BE(16), bytes.readUInt32BE(20)]

/** Names of what the board keeps in the browser's database. */
function keptKeys(page) {
  return page.evaluate(
    () =>
      new Promise((done, failed) => {
        const opening = indexedDB.open('keyval-store')
        opening.onerror = () => failed(opening.error)
        opening.onsuccess = () => {
          const asking = opening.result.transaction('keyval').objectStore('keyval').getAllKeys()
          asking.onsuccess = () => (opening.result.close(), done(asking.result.map(String)))
        }
      }),
  )
}
