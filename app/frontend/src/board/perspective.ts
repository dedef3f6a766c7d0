/** The perspective grid: a horizon and one or two vanishing points on it, and what lines along it are like. */
import { along, type Point, type Size } from './geometry'

export interface Grid {
  shown: boolean
  points: 1 | 2
  /** Height of the horizon, and where the vanishing points are on it: shares of the paper's height and width. */
  horizon: number
  left: number
  right: number
  /** Where the only vanishing point is. */
  middle: number
  snap: boolean
}

export const GRID: Grid = { shown: false, points: 1, horizon: 0.42, middle: 0.5, left: -0.25, right: 1.25, snap: true }

export type Handle = 'horizon' | 'middle' | 'left' | 'right'
export const handlesOf = (grid: Grid): Handle[] => ['horizon', ...(grid.points === 1 ? (['middle'] as const) : (['left', 'right'] as const))]
/** How far out a handle goes: farther makes lines that are as good as parallel. */
export const RANGE: Record<Handle, [number, number]> = { horizon: [-0.5, 1.5], middle: [-1, 2], left: [-4, 4], right: [-4, 4] }

export function movedHandle(grid: Grid, handle: Handle, value: number): Grid {
  const [least, most] = RANGE[handle]
  return { ...grid, [handle]: Math.min(most, Math.max(least, value)) }
}

export function vanishingPoints(grid: Grid, paper: Size): Point[] {
  const y = grid.horizon * paper.height
  return handlesOf(grid).slice(1).map((handle) => ({ x: grid[handle] * paper.width, y }))
}

/** The directions of edges of a room at a point: up, across if there is one vanishing point, and to each of them. */
function directions(grid: Grid, paper: Size, at: Point): Point[] {
  const towards = vanishingPoints(grid, paper).flatMap((point) => {
    const far = Math.hypot(point.x - at.x, point.y - at.y)
    return far < 1 ? [] : [{ x: (point.x - at.x) / far, y: (point.y - at.y) / far }]
  })
  return [{ x: 0, y: 1 }, ...(grid.points === 1 ? [{ x: 1, y: 0 }] : []), ...towards]
}

/** The end of a line from `from`, turned into the direction that the hand comes nearest to. */
export function snapped(grid: Grid, paper: Size, from: Point, to: Point): Point {
  const ends = directions(grid, paper, from).map((direction) => along(from, to, direction))
  return ends.reduce((best, end) => (Math.hypot(end.x - to.x, end.y - to.y) < Math.hypot(best.x - to.x, best.y - to.y) ? end : best))
}

/**
 * Four corners between two opposite ones. With two vanishing points it is a wall: its upper and lower edge run to the one on the
 * side that the hand goes to. Otherwise it stands before the eye, as it is.
 */
export function rectangle(from: Point, to: Point, grid?: Grid, paper?: Size): Point[] {
  const flat = [from, { x: to.x, y: from.y }, to, { x: from.x, y: to.y }]
  if (!grid || !paper || grid.points === 1) return flat
  const [one, other] = vanishingPoints(grid, paper) as [Point, Point]
  const [leftmost, rightmost] = one.x < other.x ? [one, other] : [other, one]
  const eye = to.x < from.x ? leftmost : rightmost
  // A wall through its vanishing point has no end, and beyond it would be turned inside out.
  if (eye.x > from.x !== eye.x > to.x || Math.min(Math.abs(eye.x - from.x), Math.abs(eye.x - to.x)) < 1) return flat
  const share = (to.x - eye.x) / (from.x - eye.x)
  return [from, { x: to.x, y: eye.y + (from.y - eye.y) * share }, to, { x: from.x, y: eye.y + (to.y - eye.y) / share }]
}

const FAN = 16

/** Lines of the grid, from each vanishing point across the paper. */
export function rays(grid: Grid, paper: Size): [Point, Point][] {
  const far = 4 * (paper.width + paper.height) * Math.max(1, Math.abs(grid.left), Math.abs(grid.right))
  return vanishingPoints(grid, paper).flatMap((point) => {
    const [first, last] = sector(point, paper)
    const count = last - first > Math.PI ? FAN * 2 : FAN
    return Array.from({ length: count }, (_, n): [Point, Point] => {
      const angle = first + ((n + 0.5) / count) * (last - first)
      return [point, { x: point.x + far * Math.cos(angle), y: point.y + far * Math.sin(angle) }]
    })
  })
}

/** The angles under which a point sees the paper. */
function sector(point: Point, { width, height }: Size): [number, number] {
  const within = point.x > 0 && point.x < width && point.y > 0 && point.y < height
  if (within) return [0, 2 * Math.PI]
  const towards = Math.atan2(height / 2 - point.y, width / 2 - point.x)
  const corners = [[0, 0], [width, 0], [width, height], [0, height]] as const
  const turns = corners.map(([x, y]) => turned(Math.atan2(y - point.y, x - point.x) - towards))
  return [towards + Math.min(...turns), towards + Math.max(...turns)]
}

/** An angle between -π and π. */
const turned = (angle: number): number => Math.atan2(Math.sin(angle), Math.cos(angle))
