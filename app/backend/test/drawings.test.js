import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import sharp from 'sharp'
import { fitLines, readDrawing } from '../services/drawings.js'
import { drawn, grained, hands, pixelsOf, SIZE, truth } from './drawing-material.js'

const LIMITS = { sketchMegapixels: 25 }
const share = ({ data }) => data.reduce((sum, value) => sum + (value > 127), 0) / data.length

/** How much of the true lines was found, and how much of what was found is one. */
function held(found, real) {
  let [both, all, said] = [0, 0, 0]
  real.data.forEach((value, at) => {
    const [is, seen] = [value > 127, found.data[at] > 127]
    both += is && seen
    all += is
    said += seen
  })
  return { recall: both / all, precision: both / said }
}

const linesOf = async (bytes) => pixelsOf((await readDrawing(bytes, LIMITS)).lines)
const floor = (height, colour = 'black') => `<rect y="${480 - height}" width="640" height="${height}" fill="${colour}"/>`

describe('drawings', () => {
  for (const [name, made] of Object.entries(hands())) {
    it(`finds the lines: ${name}`, async () => {
      const drawing = await readDrawing(await made, LIMITS)
      assert.deepEqual([drawing.width, drawing.height], [SIZE.width, SIZE.height])
      const { channels, width, height } = await sharp(drawing.lines).metadata()
      assert.deepEqual({ channels, width, height }, { channels: 1, ...SIZE })
      const found = await pixelsOf(drawing.lines)
      assert.ok(found.data.every((value) => value === 0 || value === 255), 'black and white alone')
      const { recall, precision } = held(found, await truth())
      assert.ok(recall > 0.97, `${recall} of the lines were found`)
      assert.ok(precision > 0.85, `${precision} of what was found are lines`)
    })
  }

  it('finds thin lines and thick ones, and keeps them as thick as they are', async () => {
    for (const stroke of [1, 2, 16]) {
      const [found, real] = [await linesOf(await drawn({ stroke }).png().toBuffer()), await truth({ stroke })]
      assert.ok(held(found, real).recall > 0.99)
      assert.ok(share(found) < 2.2 * share(real), `${stroke}: ${share(found)} instead of ${share(real)}`)
    }
  })

  it('finds faint pencil beside much ink, not quite sharp', async () => {
    const more = `<path d="M0 8H640M0 ${[430, 440, 450, 460, 470].join('H640M0 ')}H640" stroke="black" stroke-width="5"/>`
    const found = await linesOf(await drawn({ ink: '#c0c0c0', stroke: 6, more }).blur(2).png().toBuffer())
    assert.ok(held(found, await truth({ stroke: 4 })).recall > 0.97)
  })

  it('takes the paper, not what is filled, for the ground', async () => {
    const found = await linesOf(await drawn({ more: floor(170) }).png().toBuffer())
    assert.equal(found.data[10 * 640 + 320], 0, 'the paper is black')
    assert.equal(found.data[470 * 640 + 320], 255, 'the filled floor is white')
    assert.ok(Math.abs(share(found) - 0.37) < 0.03)
  })

  it('takes what is commonest for the ground of a sheet that is almost filled', async () => {
    const found = await linesOf(await drawn({ more: floor(400) }).png().toBuffer())
    assert.ok(share(found) < 0.25, `${share(found)} is white`)
  })

  it('says of sheets with nothing on them that they are empty', async () => {
    const sheet = (background) => sharp({ create: { ...SIZE, channels: background.length > 7 ? 4 : 3, background } })
    const empty = [
      await sheet('#ffffff').png().toBuffer(),
      await sheet('#204060').png().toBuffer(),
      await sheet('#00000000').png().toBuffer(),
      await (await grained(sheet('#e0ded8'), 9, (x) => -80 * x)).jpeg({ quality: 70 }).toBuffer(),
    ]
    for (const bytes of empty) {
      await assert.rejects(readDrawing(bytes, LIMITS), (error) => error.statusCode === 400 && /is empty/.test(error.message))
    }
  })

  it('turns a photograph as its EXIF says, and keeps nothing else of it', async () => {
    for (let orientation = 1; orientation <= 8; orientation++) {
      const exif = { IFD0: { Make: 'Camera', Copyright: 'a name' }, IFD3: { GPSLatitude: '51/1 30/1 0/1' } }
      const bytes = await drawn().jpeg().withExif(exif).withMetadata({ orientation, exif, icc: 'p3' }).toBuffer()
      assert.equal((await sharp(bytes).metadata()).orientation, orientation, 'the test has turned it')
      const { picture, lines, width, height } = await readDrawing(bytes, LIMITS)
      assert.deepEqual([width, height], orientation < 5 ? [640, 480] : [480, 640])
      for (const made of [picture, lines]) {
        const { exif: kept, icc, xmp, iptc, orientation: turned } = await sharp(made).metadata()
        assert.deepEqual([kept, icc, xmp, iptc, turned], Array(5).fill(undefined))
        assert.ok(!made.includes('Camera') && !made.includes('a name'))
      }
      // The lamp stands to the right in the drawing: turned as it should be, the lines lie where sharp says.
      const real = await pixelsOf(await sharp(await sharp(bytes).autoOrient().png().toBuffer()).negate().png().toBuffer())
      assert.ok(held(await pixelsOf(lines), real).recall > 0.97, `orientation ${orientation}`)
    }
  })

  it('keeps the pixels of a file that is a page too, and nothing of the page', async () => {
    const page = '<script>alert(1)</script>'
    const bytes = Buffer.concat([await drawn().png().withXmp(`<x:xmpmeta xmlns:x="adobe:ns:meta/">${page}</x:xmpmeta>`).toBuffer(), Buffer.from(page)])
    assert.ok(bytes.includes('alert'))
    const { picture, lines } = await readDrawing(bytes, LIMITS)
    assert.ok(!picture.includes('alert') && !lines.includes('alert'))
  })

  it('keeps the picture as it was drawn, on white under dark strokes and on black under light ones', async () => {
    for (const [ink, ground] of [['#202020', 255], ['#f4f4f4', 0]]) {
      const { picture } = await readDrawing(await drawn({ ink, ground: null }).png().toBuffer(), LIMITS)
      const { channels } = await sharp(picture).metadata()
      assert.equal(channels, 3, 'no transparency is left')
      assert.equal((await pixelsOf(picture)).data[5], ground)
    }
  })

  it('gives the margins of a sheet the colour of the sheet, so that its edge is no line', async () => {
    for (const [ink, ground] of [['black', 'white'], ['white', '#203040']]) {
      const bytes = await sharp(await drawn({ ink, ground }).png().toBuffer()).extend({ top: 60, bottom: 60, left: 40, right: 40, background: '#00000000' }).png().toBuffer()
      const found = await linesOf(bytes)
      const real = await pixelsOf(await sharp(await drawn({ ink: 'white', ground: 'black' }).png().toBuffer()).extend({ top: 60, bottom: 60, left: 40, right: 40, background: 'black' }).png().toBuffer())
      const { recall, precision } = held(found, real)
      assert.ok(recall > 0.97 && precision > 0.85, `${ground}: ${recall} ${precision}`)
    }
  })

  it('makes large drawings smaller, in their shape', async () => {
    const { width, height } = await readDrawing(await drawn({ width: 4000, height: 3000 }).png().toBuffer(), LIMITS)
    assert.deepEqual([width, height], [2048, 1536])
  })

  it('fits lines into the picture whole, centred on black, and thin ones stay white', async () => {
    const { lines } = await readDrawing(await drawn({ stroke: 0.4, width: 2000, height: 1000 }).png().toBuffer(), LIMITS)
    const fitted = await fitLines(lines, 512, 512)
    const { data, width, height } = await pixelsOf(fitted)
    assert.deepEqual([width, height], [512, 512])
    const row = (y) => data.subarray(y * 512, (y + 1) * 512)
    assert.ok([0, 100, 410, 511].every((y) => row(y).every((value) => value === 0)), 'above and below is nothing')
    const seen = data.filter((value) => value > 60)
    assert.ok(seen.length > 2000, `${seen.length} pixels`)
    assert.ok(seen.filter((value) => value > 160).length > 0.6 * seen.length, 'most of them are white')
  })

  it('gives each of many who come at once their own', async () => {
    const strokes = [2, 6, 10, 14, 18]
    const shares = await Promise.all(strokes.map(async (stroke) => share(await linesOf(await drawn({ stroke }).png().toBuffer()))))
    assert.deepEqual(shares.toSorted((a, b) => a - b), shares)
    assert.equal(new Set(shares).size, strokes.length)
  })

  it('refuses what has more pixels than the limit, before it is decoded', async () => {
    const bytes = await drawn({ width: 1100, height: 1000 }).png().toBuffer()
    await assert.rejects(readDrawing(bytes, { sketchMegapixels: 1 }), (error) => error.statusCode === 413 && error.errors[0].allowed === 'up to 1 megapixels')
    assert.ok(await readDrawing(bytes, { sketchMegapixels: 2 }))
  })
})
