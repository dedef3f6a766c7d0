/**
 * The edges of a picture as lines (after Canny: blurred, the gradient's ridges, strong ones and what hangs on to them), followed
 * from pixel to pixel, so that they can be rubbed out and drawn on like lines drawn by hand. Runs in a thread of its own.
 */
import { simplified, type Point } from './geometry'

export interface Pixels {
  data: Uint8ClampedArray
  width: number
  height: number
}

/** How steep the picture is at each pixel of a ridge; 0 elsewhere. */
export interface Ridges {
  steep: Float32Array
  width: number
  height: number
  /** All that are not 0, in order. */
  sorted: Float32Array
}

const SHORTEST = 9 // pixels: shorter ones are grain
const FLATTEST = 16 // of 1020: what is less steep is the grain of the film or the paper
const MOST_LINES = 1500
const TOLERANCE = 0.8
const KERNEL = [0.0545, 0.2442, 0.4026, 0.2442, 0.0545]
// Gauss with a deviation of one pixel.

export function ridgesOf(picture: Pixels): Ridges {
  const { width, height } = picture
  const grey = blurred(greys(picture), width, height)
  const [across, down, size] = [new Float32Array(grey.length), new Float32Array(grey.length), new Float32Array(grey.length)]
  for (let y = 1; y < height - 1; y++) {
    for (let x = 1; x < width - 1; x++) {
      const at = y * width + x
      const g = (dx: number, dy: number): number => grey[at + dy * width + dx]!
      across[at] = g(1, -1) + 2 * g(1, 0) + g(1, 1) - g(-1, -1) - 2 * g(-1, 0) - g(-1, 1)
      down[at] = g(-1, 1) + 2 * g(0, 1) + g(1, 1) - g(-1, -1) - 2 * g(0, -1) - g(1, -1)
      size[at] = Math.hypot(across[at]!, down[at]!)
    }
  }
  const steep = new Float32Array(grey.length)
  for (let at = width + 1; at < steep.length - width - 1; at++) {
    if (size[at]! > FLATTEST && isRidge(at, across, down, size, width)) steep[at] = size[at]!
  }
  return { steep, width, height, sorted: steep.filter(Boolean).sort() }
}

/** Steeper than the pixel on either side, in the direction in which it is steep. The second may be as steep: one of two stays. */
function isRidge(at: number, across: Float32Array, down: Float32Array, size: Float32Array, width: number): boolean {
  const turn = Math.round(Math.atan2(down[at]!, across[at]!) / (Math.PI / 4)) & 3
  const step = [1, width + 1, width, width - 1][turn]!
  return size[at]! > size[at - step]! && size[at]! >= size[at + step]!
}

function greys({ data, width, height }: Pixels): Float32Array {
  const grey = new Float32Array(width * height)
  for (let n = 0; n < grey.length; n++) grey[n] = 0.299 * data[n * 4]! + 0.587 * data[n * 4 + 1]! + 0.114 * data[n * 4 + 2]!
  return grey
}

function blurred(grey: Float32Array, width: number, height: number): Float32Array {
  const pass = (from: Float32Array, step: number, position: (at: number) => number, length: number): Float32Array =>
    from.map((_, at) => {
      let sum = 0
      for (let k = -2; k <= 2; k++) {
        // At the border the outermost pixel is repeated.
        const inside = Math.min(length - 1, Math.max(0, position(at) + k)) - position(at)
        sum += KERNEL[k + 2]! * from[at + inside * step]!
      }
      return sum
    })
  const rows = pass(grey, 1, (at) => at % width, width)
  return pass(rows, width, (at) => Math.floor(at / width), height)
}

/** The edges, in pixels. amount: from 0, only the strongest, to 1, all there are. */
export function linesOf({ steep, width, height, sorted }: Ridges, amount: number): Point[][] {
  const strong = sorted[Math.floor((1 - amount) * (sorted.length - 1))] ?? Infinity
  const open = connected(steep, width, strong, strong * 0.4)
  const lines = followed(open, width, height).filter((line) => line.length >= SHORTEST)
  lines.sort((a, b) => b.length - a.length)
  return lines.slice(0, MOST_LINES).map((line) => simplified(evened(evened(line)), TOLERANCE))
}

/** Without the steps from pixel to pixel. Ends stay where they are; so does a corner, but for a pixel. */
function evened(line: readonly Point[]): Point[] {
  const reach = 2
  return line.map((_, n) => {
    const near = Math.min(reach, n, line.length - 1 - n)
    const part = line.slice(n - near, n + near + 1)
    return { x: part.reduce((sum, { x }) => sum + x, 0) / part.length, y: part.reduce((sum, { y }) => sum + y, 0) / part.length }
  })
}

const around = (width: number): number[] => [1, -1, width, -width, width + 1, width - 1, 1 - width, -width - 1]
// Straight neighbours first: a line goes on along a row rather than across a corner.

/** 1 where the picture is strong enough, or weak and hanging on to such a place. */
function connected(steep: Float32Array, width: number, strong: number, weak: number): Uint8Array {
  const found = new Uint8Array(steep.length)
  const open: number[] = []
  const take = (at: number): void => void ((found[at] = 1), open.push(at))
  for (let at = 0; at < steep.length; at++) if (steep[at]! >= strong && steep[at]! > 0) take(at)
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    for (const step of around(width)) if (!found[at + step] && steep[at + step]! >= weak && steep[at + step]! > 0) take(at + step)
  }
  return found
}

/** Lines from pixel to pixel; each is taken once. Ends first, so that a line is not begun in its middle; then what is closed. */
function followed(open: Uint8Array, width: number, height: number): Point[][] {
  const steps = around(width)
  const lines: Point[][] = []
  const point = (at: number): Point => ({ x: (at % width) + 0.5, y: Math.floor(at / width) + 0.5 })
  const next = (at: number): number | undefined => {
    const step = steps.find((one) => open[at + one])
    return step === undefined ? undefined : at + step
  }
  const follow = (start: number): void => {
    const line: Point[] = []
    let last = start
    for (let at: number | undefined = start; at !== undefined; at = next(at)) {
      open[at] = 0
      line.push(point(at))
      last = at
    }
    // Back where it began: closed.
    if (line.length > SHORTEST && steps.some((one) => last + one === start)) line.push(point(start))
    lines.push(line)
  }
  for (const endsOnly of [true, false]) {
    for (let at = width; at < width * (height - 1); at++) {
      if (open[at] && (!endsOnly || steps.filter((one) => open[at + one]).length <= 1)) follow(at)
    }
  }
  return lines
}
