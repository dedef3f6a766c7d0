import { describe, expect, it } from 'vitest'
import type { Point } from '../../src/board/geometry'
import { GRID, movedHandle, rays, rectangle, snapped, vanishingPoints, type Grid } from '../../src/board/perspective'

const paper = { width: 768, height: 512 }
const one: Grid = { ...GRID, shown: true, points: 1, middle: 0.5, horizon: 0.5 }
const two: Grid = { ...GRID, shown: true, points: 2, left: -0.5, right: 1.5, horizon: 0.5 }
/** Twice the area between three points: 0 when they are in line. */
const area = (a: Point, b: Point, c: Point): number => (b.x - a.x) * (c.y - a.y) - (c.x - a.x) * (b.y - a.y)

describe('a line along the grid', () => {
  it.each<[string, Grid, Point, Point, Point]>([
    ['to the only vanishing point', one, { x: 100, y: 400 }, { x: 190, y: 360 }, { x: 384, y: 256 }],
    ['away from it', one, { x: 300, y: 300 }, { x: 150, y: 410 }, { x: 384, y: 256 }],
    ['to the left one of two', two, { x: 600, y: 100 }, { x: 420, y: 140 }, { x: -384, y: 256 }],
    ['to the right one of two', two, { x: 100, y: 100 }, { x: 300, y: 125 }, { x: 1152, y: 256 }],
  ])('runs %s', (_, grid, from, to, point) => {
    const end = snapped(grid, paper, from, to)
    expect(area(from, end, point) / Math.hypot(end.x - from.x, end.y - from.y)).toBeCloseTo(0, 6)
    expect(Math.hypot(end.x - to.x, end.y - to.y)).toBeLessThan(40)
  })

  it('is upright where the hand goes up', () => expect(snapped(two, paper, { x: 100, y: 400 }, { x: 108, y: 200 }).x).toBeCloseTo(100))

  it('is level only before one vanishing point', () => {
    const [from, to] = [{ x: 100, y: 400 }, { x: 300, y: 398 }]
    expect(snapped(one, paper, from, to).y).toBeCloseTo(400)
    expect(snapped(two, paper, from, to).y).not.toBeCloseTo(400)
  })

  it('can begin at a vanishing point', () => {
    const end = snapped(one, paper, { x: 384, y: 256 }, { x: 390, y: 400 })
    expect(end).toEqual({ x: 384, y: 400 })
  })
})

describe('a rectangle', () => {
  const [from, to] = [{ x: 300, y: 120 }, { x: 500, y: 380 }]

  it('stands before the eye without a grid, and with one vanishing point', () => {
    const flat = [from, { x: 500, y: 120 }, to, { x: 300, y: 380 }]
    expect(rectangle(from, to)).toEqual(flat)
    expect(rectangle(from, to, one, paper)).toEqual(flat)
  })

  it.each([
    ['right', from, to],
    ['left', to, from],
    ['left, from above', { x: 500, y: 120 }, { x: 300, y: 380 }],
  ])('is a wall that runs to the %s with two', (side, a, b) => {
    const eye = vanishingPoints(two, paper)[side === 'right' ? 1 : 0]!
    const [p, q, r, s] = rectangle(a, b, two, paper) as [Point, Point, Point, Point]
    expect([p, r]).toEqual([a, b])
    expect([q.x, s.x]).toEqual([b.x, a.x])
    expect(area(p, q, eye) / 1000).toBeCloseTo(0)
    expect(area(r, s, eye) / 1000).toBeCloseTo(0)
  })

  it('is never turned inside out behind its vanishing point', () => {
    const near = { ...two, right: 0.5 }
    expect(rectangle(from, to, near, paper)).toEqual(rectangle(from, to))
    expect(rectangle({ x: 384, y: 10 }, to, near, paper).flatMap(({ x, y }) => [x, y]).every(Number.isFinite)).toBe(true)
  })
})

describe('the grid', () => {
  it.each([one, two, { ...two, horizon: -0.4 }, { ...two, left: -4, right: 4 }])('crosses the paper with every one of its lines: %o', (grid) => {
    const all = rays(grid, paper)
    expect(all.length).toBeGreaterThanOrEqual(32)
    const corners = [[0, 0], [768, 0], [768, 512], [0, 512]].map(([x, y]) => ({ x: x!, y: y! }))
    for (const [from, to] of all) {
      const sides = corners.map((corner) => Math.sign(area(from, to, corner)))
      expect(new Set(sides).size, 'corners on both sides').toBeGreaterThan(1)
    }
  })

  it('goes all around a vanishing point on the paper', () => {
    const turns = rays(one, paper).map(([from, to]) => Math.atan2(to.y - from.y, to.x - from.x)).sort((a, b) => a - b)
    const gaps = turns.map((turn, n) => (n ? turn - turns[n - 1]! : turn + 2 * Math.PI - turns.at(-1)!))
    expect(Math.max(...gaps)).toBeLessThan(0.25)
  })

  it('has handles that do not leave for ever', () => {
    expect(movedHandle(two, 'left', -99).left).toBe(-4)
    expect(movedHandle(two, 'horizon', 99).horizon).toBe(1.5)
    expect(movedHandle(two, 'right', 0.7)).toEqual({ ...two, right: 0.7 })
  })
})
