/**
 * Drawings: checked by decoding them, stripped of everything but their pixels, and turned into what the scribble
 * ControlNet was trained on, white lines on black (lllyasviel/control_v11p_sd15_scribble, model card).
 */
import sharp from 'sharp'
import { Problem } from '../problems.js'
import { linesInThread } from './lines.js'

export const TYPES = { png: 'image/png', jpeg: 'image/jpeg', webp: 'image/webp' }
/** How files of these kinds begin, in latin1. */
const STARTS = [/^\x89PNG\r\n[^]\n/, /^\xff\xd8\xff/, /^RIFF[^]{4}WEBP/]
const MIN_SIDE = 32
const MAX_SIDE = 2048
// Larger drawings are made smaller: no picture is larger, and lines must stay lines.

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
  const { width, height, pages } = await header(bytes)
  if (width * height > limitInputPixels) {
    throw new Problem('too_large', `The drawing is ${width} x ${height} pixels.`, [
      { field: 'body', code: 'too_many_pixels', message: 'has too many pixels', allowed: `up to ${sketchMegapixels} megapixels`, limits: { maximum: sketchMegapixels } },
    ])
  }
  if (width < MIN_SIDE || height < MIN_SIDE) {
    throw unusable('too_few_pixels', `is ${width} x ${height} pixels`, `${MIN_SIDE} pixels or more on each side`, { minimum: MIN_SIDE })
  }
  if ((pages ?? 1) > 1) throw unusable('animation', 'is an animation', `one picture: ${Object.keys(TYPES).join(', ')}`)
  const { data, info } = await decode(bytes, limitInputPixels)
  const size = { width: info.width, height: info.height }
  const { rgb, lines } = await linesInThread(data, size)
  if (!lines) throw unusable('no_lines', 'is empty: nothing stands out from its ground', 'a drawing with lines')
  const [picture, white] = await Promise.all([
    sharp(rgb, { raw: { ...size, channels: 3 } }).png().toBuffer(),
    sharp(lines, { raw: { ...size, channels: 1 } }).toColourspace('b-w').png().toBuffer(),
  ])
  return { picture, lines: white, ...size }
}

/** The pixels, four bytes each, turned as EXIF says (which goes with all other metadata). */
async function decode(bytes, limitInputPixels) {
  try {
    return await sharp(bytes, { limitInputPixels, failOn: 'error' })
      .autoOrient()
      .resize({ width: MAX_SIDE, height: MAX_SIDE, fit: 'inside', withoutEnlargement: true })
      .toColourspace('srgb')
      .ensureAlpha()
      .raw({ depth: 'uchar' })
      .toBuffer({ resolveWithObject: true })
  } catch {
    throw broken()
  }
}

/** The lines in the size of the picture to be made, whole, the rest black. Thin ones stay white when they get smaller. */
export async function fitLines(lines, width, height) {
  const size = await sharp(lines).metadata()
  const shrink = Math.max(1, size.width / width, size.height / height)
  return sharp(lines)
    .resize({ width, height, fit: 'contain', background: 'black', kernel: shrink > 1 ? 'linear' : 'cubic' })
    .linear(shrink, 0)
    .png()
    .toBuffer()
}

/** What the head says; no pixel is decoded yet, so that a decompression bomb costs nothing. */
async function header(bytes) {
  // The decoders of other kinds (SVG among them, which reads XML) never see what strangers send.
  if (!STARTS.some((start) => start.test(bytes.toString('latin1', 0, 12)))) {
    throw new Problem('wrong_type', 'The body is no picture that is taken here.', [
      { field: 'body', code: 'wrong_format', message: 'is no picture of a kind that is taken', allowed: Object.values(TYPES).join(', ') },
    ])
  }
  try {
    return await sharp(bytes, { limitInputPixels: false }).metadata()
  } catch {
    throw broken()
  }
}

function broken() {
  return unusable('unreadable', 'cannot be decoded: it is broken', `whole pictures: ${Object.values(TYPES).join(', ')}`)
}

function unusable(code, message, allowed, limits) {
  return new Problem('invalid', `The drawing ${message}.`, [{ field: 'body', code, message, allowed, ...(limits ? { limits } : {}) }])
}
