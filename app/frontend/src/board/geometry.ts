/** Points, segments and boxes in paper units. Nothing here knows a canvas. */
export interface Point {
  x: number
  y: number
}
export interface Size {
  width: number
  height: number
}
export interface Box {
  left: number
  top: number
  right: number
  bottom: number
}

export const distance = (a: Point, b: Point): number => Math.hypot(b.x - a.x, b.y - a.y)
export const between = (a: Point, b: Point, t: number): Point => ({ x: a.x + (b.x - a.x) * t, y: a.y + (b.y - a.y) * t })

/** How far a point is from a segment (which may be a single point). */
export function distanceTo(point: Point, a: Point, b: Point): number {
  const length2 = (b.x - a.x) ** 2 + (b.y - a.y) ** 2
  if (length2 === 0) return distance(point, a)
  const t = ((point.x - a.x) * (b.x - a.x) + (point.y - a.y) * (b.y - a.y)) / length2
  return distance(point, between(a, b, Math.min(1, Math.max(0, t))))
}

/** The end of a line that is kept to the nearest of 0, 45, 90 … degrees; where the pointer is seen from that line. */
export function constrained(from: Point, to: Point): Point {
  const step = Math.PI / 4
  const angle = Math.round(Math.atan2(to.y - from.y, to.x - from.x) / step) * step
  return along(from, to, { x: Math.cos(angle), y: Math.sin(angle) })
}

/** `to` dropped onto the line through `from` with this direction (of length 1). */
export function along(from: Point, to: Point, direction: Point): Point {
  const far = (to.x - from.x) * direction.x + (to.y - from.y) * direction.y
  return { x: from.x + direction.x * far, y: from.y + direction.y * far }
}

/** The corner opposite to `from` that makes a square of it. */
export function squared(from: Point, to: Point): Point {
  const side = Math.max(Math.abs(to.x - from.x), Math.abs(to.y - from.y))
  return { x: from.x + side * (to.x < from.x ? -1 : 1), y: from.y + side * (to.y < from.y ? -1 : 1) }
}

export function boxOf(points: Iterable<Point>, margin = 0): Box {
  const box = { left: Infinity, top: Infinity, right: -Infinity, bottom: -Infinity }
  for (const { x, y } of points) {
    box.left = Math.min(box.left, x - margin)
    box.top = Math.min(box.top, y - margin)
    box.right = Math.max(box.right, x + margin)
    box.bottom = Math.max(box.bottom, y + margin)
  }
  return box
}

export const meet = (a: Box, b: Box): boolean => a.left <= b.right && b.left <= a.right && a.top <= b.bottom && b.top <= a.bottom

export const union = (a: Box, b: Box): Box => ({
  left: Math.min(a.left, b.left),
  top: Math.min(a.top, b.top),
  right: Math.max(a.right, b.right),
  bottom: Math.max(a.bottom, b.bottom),
})

/** Fewer points that stay within `tolerance` of the line (Ramer, Douglas, Peucker). */
export function simplified<P extends Point>(points: readonly P[], tolerance: number): P[] {
  if (points.length < 3) return [...points]
  const keep = new Set([0, points.length - 1])
  // A stack of its own: an edge of a photograph can be longer than the engine's.
  const open: [number, number][] = [[0, points.length - 1]]
  for (let part = open.pop(); part; part = open.pop()) {
    const [first, last] = part
    let farthest = first
    let most = tolerance
    for (let n = first + 1; n < last; n++) {
      const far = distanceTo(points[n]!, points[first]!, points[last]!)
      if (far > most) [farthest, most] = [n, far]
    }
    if (farthest === first) continue
    keep.add(farthest)
    open.push([first, farthest], [farthest, last])
  }
  return points.filter((_, n) => keep.has(n))
}
