/** What is drawn: pen strokes and straight lines, as points. A stroke never changes; what is made of it can be kept by it. */
import { getStroke } from 'perfect-freehand'
import { boxOf, type Box, type Point } from './geometry'

/** A point of a stroke; pressure from 0 to 1, 0.5 where there is none. */
export interface Dot extends Point {
  pressure: number
}

export interface Stroke {
  /** pen: round and as wide as it was pressed. line: straight from point to point, closed when it ends where it began. */
  readonly kind: 'pen' | 'line'
  readonly width: number
  readonly dots: readonly Dot[]
  /** Drawn by a pen that tells its pressure. */
  readonly pressed?: boolean
}

export const NO_PRESSURE = 0.5
const THINNING = 0.7

export const line = (points: readonly Point[], width: number): Stroke => ({
  kind: 'line',
  width,
  dots: points.map(({ x, y }) => ({ x, y, pressure: NO_PRESSURE })),
})

export function isClosed({ kind, dots }: Stroke): boolean {
  const [first, last] = [dots[0], dots.at(-1)]
  return kind === 'line' && dots.length > 2 && first!.x === last!.x && first!.y === last!.y
}

const boxes = new WeakMap<Stroke, Box>()
export function strokeBox(stroke: Stroke): Box {
  let box = boxes.get(stroke)
  // A pressed pen is up to 1.7 times as wide.
  if (!box) boxes.set(stroke, (box = boxOf(stroke.dots, stroke.width)))
  return box
}

/** As an SVG path: to be filled for a pen, to be stroked for a line. */
export function svgPath(stroke: Stroke): string {
  if (stroke.kind === 'line') {
    const dots = isClosed(stroke) ? stroke.dots.slice(0, -1) : stroke.dots
    return `M${dots.map(pair).join('L')}${isClosed(stroke) ? 'Z' : ''}`
  }
  // The points were smoothed when they came: so parts of a stroke that is cut stay where they were.
  const outline = getStroke(stroke.dots as Dot[], {
    size: stroke.width,
    thinning: stroke.pressed ? THINNING : 0,
    smoothing: 0.5,
    streamline: 0,
    simulatePressure: false,
    last: true,
  }).map(([x, y]) => ({ x: x!, y: y! }))
  return rounded(outline)
}

/** A closed curve through the middles between points. */
function rounded(points: readonly Point[]): string {
  if (points.length < 3) return ''
  const middle = (n: number): string => {
    const [a, b] = [points[n % points.length]!, points[(n + 1) % points.length]!]
    return pair({ x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 })
  }
  return `M${middle(0)}${points.map((_, n) => `Q${pair(points[(n + 1) % points.length]!)} ${middle(n + 1)}`).join('')}Z`
}

const short = (value: number): number => Math.round(value * 100) / 100
const pair = ({ x, y }: Point): string => `${short(x)} ${short(y)}`
