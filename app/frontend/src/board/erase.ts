/**
 * The rubber: a disc that goes from one point to the next. It rubs out what it passes over, as on paper; or takes whole
 * strokes, when that is asked for.
 */
import { between, boxOf, distance, distanceTo, meet, type Point } from './geometry'
import { isClosed, strokeBox, type Dot, type Stroke } from './strokes'

export interface Rubber {
  from: Point
  to: Point
  radius: number
}

const SHORTEST = 0.5
// Paper units: what is left of a stroke and is shorter is dust.

/** The strokes that are left. The same array when nothing was touched. */
export function erase(strokes: readonly Stroke[], rubber: Rubber, whole: boolean): readonly Stroke[] {
  const reach = boxOf([rubber.from, rubber.to], rubber.radius)
  let touched = false
  const left = strokes.flatMap((stroke) => {
    if (!meet(reach, strokeBox(stroke))) return [stroke]
    const parts = cut(stroke, rubber)
    if (!parts) return [stroke]
    touched = true
    return whole ? [] : parts
  })
  return touched ? left : strokes
}

/** What is left of a stroke; undefined when it was not touched. */
function cut(stroke: Stroke, { from, to, radius }: Rubber): Stroke[] | undefined {
  const { dots, width } = stroke
  // Ends are round: they reach half a width beyond the last point.
  const reach = radius + width / 2
  if (dots.length === 1) return distanceTo(dots[0]!, from, to) <= reach ? [] : undefined
  const parts: Dot[][] = []
  let part: Dot[] = []
  let touched = false
  const near = boxOf([from, to], reach)
  for (let n = 1; n < dots.length; n++) {
    const [a, b] = [dots[n - 1]!, dots[n]!]
    // Most are far away, and that is quickly seen.
    const gap = meet(near, boxOf([a, b])) ? inside(a, b, from, to, reach) : undefined
    if (!gap) {
      part.push(...(part.length ? [b] : [a, b]))
      continue
    }
    touched = true
    if (gap[0] > 0) part.push(...(part.length ? [] : [a]), dotAt(a, b, gap[0]))
    parts.push(part)
    part = gap[1] < 1 ? [dotAt(a, b, gap[1]), b] : []
  }
  if (!touched) return undefined
  parts.push(part)
  return joined(parts, stroke)
    .filter((dots) => lengthOf(dots) >= SHORTEST)
    .map((dots) => ({ ...stroke, dots }))
}

/** The corner where a closed line began is a corner like the others: its two sides stay one part. */
function joined(parts: Dot[][], stroke: Stroke): Dot[][] {
  const [first, last] = [parts[0]!, parts.at(-1)!]
  if (!isClosed(stroke) || parts.length < 2 || !first.length || !last.length) return parts
  return [[...last, ...first.slice(1)], ...parts.slice(1, -1)]
}

/** Where a→b runs within `reach` of from→to, as two shares of its length: one stretch, since both are convex. */
function inside(a: Point, b: Point, from: Point, to: Point, reach: number): [number, number] | undefined {
  const far = (t: number): number => distanceTo(between(a, b, t), from, to) - reach
  const nearest = lowest(far)
  if (far(nearest) > 0) return undefined
  return [far(0) <= 0 ? 0 : crossing(far, 0, nearest), far(1) <= 0 ? 1 : crossing(far, 1, nearest)]
}

const TURNS = 24
// 2^-24 of a segment is finer than any pixel.

function lowest(far: (t: number) => number): number {
  let [low, high] = [0, 1]
  for (let n = 0; n < TURNS * 2; n++) {
    const [a, b] = [low + (high - low) / 3, high - (high - low) / 3]
    if (far(a) <= far(b)) high = b
    else low = a
  }
  return [0, 1, (low + high) / 2].reduce((best, t) => (far(t) < far(best) ? t : best))
}

function crossing(far: (t: number) => number, outside: number, within: number): number {
  for (let n = 0; n < TURNS; n++) {
    const middle = (outside + within) / 2
    if (far(middle) > 0) outside = middle
    else within = middle
  }
  return outside
}

const dotAt = (a: Dot, b: Dot, t: number): Dot => ({ ...between(a, b, t), pressure: a.pressure + (b.pressure - a.pressure) * t })

function lengthOf(dots: readonly Dot[]): number {
  let sum = 0
  for (let n = 1; n < dots.length; n++) sum += distance(dots[n - 1]!, dots[n]!)
  return sum
}
