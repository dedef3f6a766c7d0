import { describe, expect, it } from 'vitest'
import { linesOf, ridgesOf, type Pixels } from '../../src/board/edges'
import { distanceTo, type Point } from '../../src/board/geometry'

const [WIDTH, HEIGHT] = [160, 120]
function picture(grey: (x: number, y: number) => number): Pixels {
  const data = new Uint8ClampedArray(WIDTH * HEIGHT * 4)
  for (let n = 0; n < WIDTH * HEIGHT; n++) data.set([...Array(3).fill(grey(n % WIDTH, Math.floor(n / WIDTH))), 255], n * 4)
  return { data, width: WIDTH, height: HEIGHT }
}
const isIn = (x: number, y: number, left: number, top: number, right: number, bottom: number): boolean => x >= left && x < right && y >= top && y < bottom
const square = picture((x, y) => (isIn(x, y, 40, 30, 110, 90) ? 60 : 200))
const length = (points: Point[]): number => points.slice(1).reduce((sum, point, n) => sum + Math.hypot(point.x - points[n]!.x, point.y - points[n]!.y), 0)

describe('edges', () => {
  it('of a dark square are its four sides, in a few points', () => {
    const lines = linesOf(ridgesOf(square), 0.5)
    const corners = [[40, 30], [110, 30], [110, 90], [40, 90], [40, 30]].map(([x, y]) => ({ x: x!, y: y! }))
    for (const point of lines.flat()) {
      const off = Math.min(...corners.slice(1).map((corner, n) => distanceTo(point, corners[n]!, corner)))
      expect(off, `${point.x}, ${point.y}`).toBeLessThan(2)
    }
    expect(lines.reduce((sum, one) => sum + length(one), 0)).toBeGreaterThan(240)
    expect(lines.flat().length).toBeLessThan(40)
  })

  it('are none where nothing is', () => {
    expect(linesOf(ridgesOf(picture(() => 128)), 1)).toEqual([])
  })

  it('are not found in grain', () => {
    let seed = 1
    const grain = picture(() => 128 + ((seed = (seed * 16807) % 2147483647) % 5))
    expect(linesOf(ridgesOf(grain), 0.05).flat().length).toBeLessThan(20)
  })

  it('are more, the more are asked for; strong ones come first', () => {
    const both = ridgesOf(picture((x, y) => (isIn(x, y, 20, 20, 60, 100) ? 20 : isIn(x, y, 90, 20, 140, 100) ? 190 : 200)))
    const rightmost = (amount: number): number => Math.max(...linesOf(both, amount).flat().map(({ x }) => x))
    expect(rightmost(0.2)).toBeLessThan(70)
    expect(rightmost(1)).toBeGreaterThan(130)
  })

  it('follow a slanted line without steps, on rough ground too', () => {
    const rough = (x: number, y: number): number => ((x * 7 + y * 13) % 5) / 4 - 0.5
    const lines = linesOf(ridgesOf(picture((x, y) => (y > 20 + x / 2 + rough(x, y) ? 40 : 220))), 0.6)
    const [longest] = lines.sort((a, b) => length(b) - length(a))
    expect(length(longest!)).toBeGreaterThan(140)
    expect(longest!.length).toBeLessThan(8)
    for (const { x, y } of longest!) expect(Math.abs(y - 20 - x / 2)).toBeLessThan(2.5)
  })
})
