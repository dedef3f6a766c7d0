/** Finds the lines of drawings, in a thread of its own (lines.js): so many pixels would hold up everybody's answers. */
import { parentPort } from 'node:worker_threads'
import { commonest, greyAt, groundOf, NEAR } from './ground.js'

const SHEET = 0.5
// With more than this part opaque, it is a sheet that is seen, and no strokes alone.
const CONTRAST = 18
const MOST_CONTRAST = 36
// Least difference, of 255, between the ground and a line; and one that is always enough where there is no grain.
const NOISE = 4
// Times the middle distance from the ground, which is the paper's grain.
const MIN_SPECK = 10
const SPECK_SHARE = 0.00003
// What hangs together in fewer pixels, or in less than this part of all, is no line.
const MIN_SHARE = 0.0001
// Less than this part of all is no drawing.

parentPort.on('message', ({ id, rgba, width, height }) => {
  try {
    const rgb = onGround(rgba, width * height)
    const lines = linesOf(rgb, { width, height })
    parentPort.postMessage({ id, rgb, lines }, [rgb.buffer, ...(lines ? [lines.buffer] : [])])
  } catch (error) {
    parentPort.postMessage({ id, error })
  }
})

/** Pixels on a ground: what is transparent gets the colour that the strokes stand out from, or that of the sheet. */
function onGround(rgba, count) {
  const ground = behind(rgba, count)
  const rgb = new Uint8Array(3 * count)
  for (let from = 0, to = 0; to < 3 * count; from += 4) {
    const alpha = rgba[from + 3] / 255
    for (let channel = 0; channel < 3; channel++) rgb[to++] = Math.round(alpha * rgba[from + channel] + (1 - alpha) * ground[channel])
  }
  return rgb
}

/** White behind dark strokes, black behind light ones; the sheet's own colour where one is drawn that has no margins. */
function behind(rgba, count) {
  let [light, opaque] = [0, 0]
  const histogram = new Uint32Array(256)
  for (let at = 0; at < 4 * count; at += 4) {
    const alpha = rgba[at + 3]
    const grey = greyAt(rgba, at)
    light += alpha * grey
    opaque += alpha
    if (alpha === 255) histogram[grey]++
  }
  if (opaque < count * 255 * SHEET) return Array(3).fill(opaque > 0 && light / opaque > 127 ? 0 : 255)
  const most = commonest(histogram)
  const sum = [0, 0, 0, 0]
  for (let at = 0; at < 4 * count; at += 4) {
    if (rgba[at + 3] !== 255 || Math.abs(greyAt(rgba, at) - most) > NEAR) continue
    for (let channel = 0; channel < 3; channel++) sum[channel] += rgba[at + channel]
    sum[3]++
  }
  return sum.slice(0, 3).map((one) => (sum[3] > 0 ? one / sum[3] : 255))
}

/** White where a line is: whatever differs from its ground, in grey or in colour. Null when nothing does. */
function linesOf(rgb, { width, height }) {
  const ground = groundOf(rgb, { width, height })
  const far = new Uint8Array(width * height)
  const histogram = new Uint32Array(256)
  for (let y = 0, at = 0; y < height; y++) {
    const [red, green, blue] = ground(y)
    for (let x = 0; x < width; x++, at++) {
      const off = Math.max(Math.abs(rgb[3 * at] - red[x]), Math.abs(rgb[3 * at + 1] - green[x]), Math.abs(rgb[3 * at + 2] - blue[x]))
      far[at] = off
      histogram[far[at]]++
    }
  }
  const limit = limitOf(histogram, far.length)
  for (let at = 0; at < far.length; at++) far[at] = far[at] >= limit ? 255 : 0
  const { pixels, drawn } = withoutSpecks(far, { width, height })
  return drawn < Math.max(1, far.length * MIN_SHARE) ? null : pixels
}

/** So far from the ground begins a line: above the paper's noise, and no higher than faint pencil beside ink allows. */
function limitOf(histogram, count) {
  const middle = quantile(histogram, count / 2)
  const noise = NOISE * middle
  return Math.max(CONTRAST, noise, Math.min(Math.round(0.6 * otsu(histogram, count)), MOST_CONTRAST))
}

function quantile(histogram, rank) {
  let seen = 0
  for (let value = 0; value < 256; value++) {
    seen += histogram[value]
    if (seen >= rank) return value
  }
  return 255
}

/** Otsu's threshold: parts the distances from the ground into two groups as far apart as can be. */
function otsu(histogram, total) {
  const weighted = histogram.reduce((sum, n, at) => sum + n * at, 0)
  let [below, sumBelow, best, widest] = [0, 0, 0, -1]
  for (let at = 0; at < 255; at++) {
    below += histogram[at]
    sumBelow += at * histogram[at]
    const above = total - below
    if (below === 0 || above === 0) continue
    const gap = sumBelow / below - (weighted - sumBelow) / above
    const between = below * above * gap * gap
    if (between > widest) [best, widest] = [at + 1, between]
  }
  return best
}

/** Without specks, which hang together with no line: grain of the paper or of the camera. */
function withoutSpecks(mask, { width, height }) {
  const pixels = new Uint8Array(mask.length)
  const least = Math.max(MIN_SPECK, mask.length * SPECK_SHARE)
  const found = new Int32Array(mask.length)
  let drawn = 0
  for (let start = 0; start < mask.length; start++) {
    if (mask[start] === 0) continue
    const size = spread(mask, { width, height, start, found })
    if (size < least) continue
    for (let at = 0; at < size; at++) pixels[found[at]] = 255
    drawn += size
  }
  return { pixels, drawn }
}

/** Collect in `found` what hangs together with `start`, corners included, and take it out of the mask. Returns its size. */
function spread(mask, { width, height, start, found }) {
  let size = 1
  found[0] = start
  mask[start] = 0
  for (let next = 0; next < size; next++) {
    const x = found[next] % width
    const y = (found[next] - x) / width
    const right = Math.min(width - 1, x + 1)
    for (let row = Math.max(0, y - 1); row <= Math.min(height - 1, y + 1); row++) {
      for (let at = row * width + Math.max(0, x - 1); at <= row * width + right; at++) {
        if (mask[at] === 0) continue
        mask[at] = 0
        found[size++] = at
      }
    }
  }
  return size
}
