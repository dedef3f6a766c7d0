/**
 * Drawings: checked by decoding them, stripped of everything but their pixels, and turned into what the scribble
 * ControlNet was trained on, white lines on black (lllyasviel/control_v11p_sd15_scribble, model card).
 */
import sharp from 'sharp'
import { Problem } from '../problems.js'

export const TYPES = { png: 'image/png', jpeg: 'image/jpeg', webp: 'image/webp' }
/** How files of these kinds begin, in latin1. */
const STARTS = [/^\x89PNG\r\n[^]\n/, /^\xff\xd8\xff/, /^RIFF[^]{4}WEBP/]
const MIN_SIDE = 32
const MAX_SIDE = 2048
/** Larger drawings are made smaller: no picture is larger, and lines must stay lines. */
const CONTRAST = 24
/** Least difference of grey, of 255, between the ground and a line. */

// Pictures differ each time, so that a cache would only hold memory; one thread a picture, as several come at once.
sharp.cache(false)
sharp.concurrency(1)

/**
 * Decode an upload. Returns {picture, lines, width, height}: two PNGs of the same size. Throws Problem 400, 413 or 415.
 * @param {Buffer} bytes
 * @param {{sketchMegapixels: number}} limits
 */
export async function readDrawing(bytes, { sketchMegapixels }) {
  const limitInputPixels = sketchMegapixels * 1_000_000
  const { format, width, height, pages } = await header(bytes)
  if (width * height > limitInputPixels) {
    throw new Problem(413, `The drawing is ${width} x ${height} pixels.`, [
      { field: 'body', message: 'has too many pixels', allowed: `up to ${sketchMegapixels} megapixels` },
    ])
  }
  if (width < MIN_SIDE || height < MIN_SIDE) {
    throw unusable(`is ${width} x ${height} pixels`, `${MIN_SIDE} pixels or more on each side`)
  }
  if ((pages ?? 1) > 1) throw unusable('is an animation', `one picture: ${Object.keys(TYPES).join(', ')}`)
  try {
    const { data, info } = await sharp(bytes, { limitInputPixels, failOn: 'error' })
      .rotate() // as its EXIF says, which goes with all other metadata
      .resize({ width: MAX_SIDE, height: MAX_SIDE, fit: 'inside', withoutEnlargement: true })
      .toColourspace('srgb')
      .ensureAlpha()
      .raw()
      .toBuffer({ resolveWithObject: true })
    const size = { width: info.width, height: info.height }
    const grey = onGround(data, size.width * size.height)
    const [picture, lines] = await Promise.all([
      sharp(data, { raw: { ...size, channels: 4 } }).flatten({ background: grey.ground }).png().toBuffer(),
      sharp(linesOf(grey.pixels), { raw: { ...size, channels: 1 } }).png().toBuffer(),
    ])
    return { picture, lines, format, ...size }
  } catch (error) {
    if (error instanceof Problem) throw error
    throw broken()
  }
}

/** The lines in the size of the picture to be made, whole, the rest black. */
export function fitLines(lines, width, height) {
  return sharp(lines).resize({ width, height, fit: 'contain', background: 'black' }).png().toBuffer()
}

/** What the head says; no pixel is decoded yet, so that a decompression bomb costs nothing. */
async function header(bytes) {
  // The decoders of other kinds (SVG among them, which reads XML) never see what strangers send.
  if (!STARTS.some((start) => start.test(bytes.toString('latin1', 0, 12)))) {
    throw new Problem(415, 'The body is no picture that is taken here.', [
      { field: 'body', message: 'is no picture of a kind that is taken', allowed: Object.values(TYPES).join(', ') },
    ])
  }
  try {
    return await sharp(bytes, { limitInputPixels: false }).metadata()
  } catch {
    throw broken()
  }
}

function broken() {
  return unusable('cannot be decoded: it is broken', `whole pictures: ${Object.values(TYPES).join(', ')}`)
}

function unusable(message, allowed) {
  return new Problem(400, `The drawing ${message}.`, [{ field: 'body', message, allowed }])
}

/** Grey pixels on a ground: transparent parts become white under dark strokes, black under light ones. */
function onGround(rgba, count) {
  let light = 0
  let opaque = 0
  for (let i = 0; i < count; i++) {
    const alpha = rgba[4 * i + 3] / 255
    light += alpha * luminance(rgba, 4 * i)
    opaque += alpha
  }
  const ground = opaque > 0 && opaque < count * 0.98 && light / opaque > 127 ? 0 : 255
  const pixels = Buffer.alloc(count)
  for (let i = 0; i < count; i++) {
    const alpha = rgba[4 * i + 3] / 255
    pixels[i] = Math.round(alpha * luminance(rgba, 4 * i) + (1 - alpha) * ground)
  }
  return { pixels, ground: { r: ground, g: ground, b: ground } }
}

function luminance(rgba, at) {
  return 0.299 * rgba[at] + 0.587 * rgba[at + 1] + 0.114 * rgba[at + 2]
}

/** White where a line is: whatever differs from the ground, which is the commonest grey. Throws when nothing does. */
function linesOf(grey) {
  const histogram = new Array(256).fill(0)
  for (const value of grey) histogram[value]++
  const ground = commonest(histogram)
  const limit = Math.max(CONTRAST, threshold(histogram, ground))
  const lines = Buffer.alloc(grey.length)
  let drawn = 0
  for (let i = 0; i < grey.length; i++) {
    if (Math.abs(grey[i] - ground) >= limit) {
      lines[i] = 255
      drawn++
    }
  }
  if (drawn === 0) throw unusable('is empty: nothing stands out from its ground', 'a drawing with lines')
  return lines
}

/** The commonest grey, neighbours counted together, since paper is never of one grey. */
function commonest(histogram) {
  let best = 0
  let most = -1
  for (let value = 0; value < 256; value++) {
    let sum = 0
    for (let near = Math.max(0, value - 6); near <= Math.min(255, value + 6); near++) sum += histogram[near]
    if (sum > most) [best, most] = [value, sum]
  }
  return best
}

/** Otsu's threshold of the distances from the ground: parts them into ground and lines. */
function threshold(histogram, ground) {
  const distances = new Array(256).fill(0)
  for (let value = 0; value < 256; value++) distances[Math.abs(value - ground)] += histogram[value]
  const total = distances.reduce((sum, n) => sum + n, 0)
  const weighted = distances.reduce((sum, n, at) => sum + n * at, 0)
  let [below, sumBelow, best, widest] = [0, 0, 0, -1]
  for (let at = 0; at < 255; at++) {
    below += distances[at]
    sumBelow += at * distances[at]
    const above = total - below
    if (below === 0 || above === 0) continue
    const gap = sumBelow / below - (weighted - sumBelow) / above
    const between = below * above * gap * gap
    if (between > widest) [best, widest] = [at + 1, between]
  }
  // Faint pencil beside black ink is a line too.
  return Math.round(best * 0.6)
}

