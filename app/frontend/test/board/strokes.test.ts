import { describe, expect, it } from 'vitest'
import { erase } from '../../src/board/erase'
import { distanceTo } from '../../src/board/geometry'
import { dotAt, PenHand, RubberHand, RulerHand } from '../../src/board/hands'
import { GRID } from '../../src/board/perspective'
import { line, strokeBox, svgPath, type Dot, type Stroke } from '../../src/board/strokes'

const NO_KEYS = { shift: false }
const dots = (...points: [number, number][]): Dot[] => points.map(([x, y]) => dotAt({ x, y }))
const curve = Array.from({ length: 60 }, (_, n) => dotAt({ x: n * 4, y: 50 + 40 * Math.sin(n / 8) }))
const pen: Stroke = { kind: 'pen', width: 4, dots: curve }

/** Width and height of what a path covers. */
function extent(path: string): [number, number] {
  const numbers = path.match(/-?[\d.]+/g)!.map(Number)
  const [xs, ys] = [numbers.filter((_, n) => n % 2 === 0), numbers.filter((_, n) => n % 2 === 1)]
  return [Math.max(...xs) - Math.min(...xs), Math.max(...ys) - Math.min(...ys)]
}

describe('the pen', () => {
  const draw = (smooth: boolean, points = curve, pressed = false): Stroke => {
    const hand = new PenHand(4, pressed, smooth, 0.3)
    points.forEach((dot) => hand.move([dot]))
    return hand.stroke
  }
  const shaky = Array.from({ length: 80 }, (_, n) => dotAt({ x: n * 3, y: n % 2 ? 3 : -3 }))
  const swing = (stroke: Stroke): number => Math.max(...stroke.dots.slice(20, -5).map(({ y }) => Math.abs(y)))

  it('smooths a shaking hand, unless that is switched off', () => {
    expect(swing(draw(true, shaky))).toBeLessThan(2)
    expect(draw(false, shaky).dots).toEqual(shaky)
  })

  it('keeps the corners that a quick hand turns, although it tells few points', () => {
    const corner = [dotAt({ x: 0, y: 0 }), dotAt({ x: 80, y: 60 }), dotAt({ x: 160, y: 0 })]
    expect(Math.max(...draw(true, corner).dots.map(({ y }) => y))).toBeGreaterThan(55)
  })

  it('begins and ends where the hand did', () => {
    const { dots } = draw(true)
    expect(dots[0]).toEqual(curve[0])
    expect(dots.at(-1)).toEqual(curve.at(-1))
  })

  it('makes a dot of a tap', () => {
    const [wide, high] = extent(svgPath(draw(true, [curve[0]!])))
    expect(wide).toBeGreaterThan(3)
    expect(high).toBeGreaterThan(3)
  })

  it('is wider the more it is pressed, and as wide as chosen where nothing is pressed', () => {
    const level = (pressure: number, pressed: boolean): number => extent(svgPath({ kind: 'pen', width: 10, pressed, dots: Array.from({ length: 40 }, (_, n) => dotAt({ x: n * 5, y: 0 }, pressure)) }))[1]
    expect(level(0.9, true)).toBeGreaterThan(level(0.5, true) * 1.3)
    expect(level(0.2, true)).toBeLessThan(level(0.5, true) * 0.7)
    expect(level(0.5, false)).toBeCloseTo(10, 0)
    expect(level(0.9, false)).toBeCloseTo(level(0.2, false))
  })

  it('takes points that are on one another as one', () => expect(draw(false, Array(50).fill(curve[3])).dots).toHaveLength(1))
})

describe('the ruler', () => {
  const paper = { width: 512, height: 512 }
  const rule = (tool: 'line' | 'rectangle', keys = NO_KEYS, grid = undefined as typeof GRID | undefined): Stroke | undefined => {
    const hand = new RulerHand(tool, 4, paper, grid)
    hand.move(dots([100, 400]), keys)
    hand.move(dots([150, 300], [190, 390]), keys)
    return hand.stroke
  }

  it('draws from where the hand came down to where it is', () => expect(rule('line')?.dots).toEqual(dots([100, 400], [190, 390])))
  it('follows Shift', () => expect(rule('line', { shift: true })?.dots[1]?.y).toBeCloseTo(400))
  it('follows the grid, when it is asked to', () => expect(rule('line', NO_KEYS, { ...GRID, shown: true })?.dots[1]?.y).toBeCloseTo(400))
  it('closes rectangles', () => {
    expect(svgPath(rule('rectangle')!)).toBe('M100 400L190 400L190 390L100 390Z')
  })
  it('draws nothing when it was only put down', () => {
    const hand = new RulerHand('line', 4, paper, undefined)
    hand.move(dots([100, 400]), NO_KEYS)
    expect(hand.stroke).toBeUndefined()
  })
})

describe('the eraser', () => {
  const rubber = { from: { x: 120, y: 0 }, to: { x: 120, y: 100 }, radius: 10 }

  it('takes what it passes over, as wide as it is, and leaves the rest where it was', () => {
    const left = erase([pen], rubber, false)
    expect(left).toHaveLength(2)
    for (const { x, y } of left.flatMap((one) => one.dots)) {
      const off = distanceTo({ x, y }, rubber.from, rubber.to)
      expect(off).toBeGreaterThanOrEqual(11.99)
    }
    const ends = [left[0]!.dots.at(-1)!, left[1]!.dots[0]!]
    for (const end of ends) expect(distanceTo(end, rubber.from, rubber.to)).toBeCloseTo(12, 3)
    const untouched = curve.filter((dot) => distanceTo(dot, rubber.from, rubber.to) > 12)
    expect(left.flatMap((one) => one.dots).filter((dot) => untouched.includes(dot))).toEqual(untouched)
  })

  it('takes whole strokes when that is asked for', () => {
    const other = line([{ x: 300, y: 0 }, { x: 400, y: 9 }], 4)
    expect(erase([pen, other], rubber, true)).toEqual([other])
  })

  it('changes nothing where nothing is: the same strokes, not alike ones', () => {
    const strokes = [pen]
    expect(erase(strokes, { ...rubber, from: { x: 120, y: 200 }, to: { x: 180, y: 260 } }, false)).toBe(strokes)
  })

  it('cuts a long line that has no point near it', () => {
    const [first, second, ...more] = erase([line([{ x: 0, y: 50 }, { x: 500, y: 50 }], 4)], rubber, false)
    expect(more).toEqual([])
    expect(first!.dots.at(-1)!.x).toBeCloseTo(108)
    expect(second!.dots[0]!.x).toBeCloseTo(132)
  })

  it('keeps the pressure of what is left', () => {
    const pressed: Stroke = { kind: 'pen', width: 4, pressed: true, dots: [dotAt({ x: 0, y: 50 }, 0), dotAt({ x: 240, y: 50 }, 1)] }
    const [first] = erase([pressed], rubber, false)
    expect(first!.dots.at(-1)!.pressure).toBeCloseTo(108 / 240)
    expect(first!.pressed).toBe(true)
  })

  it('opens a rectangle where it passes; the corner where it began stays a corner', () => {
    const box = line([{ x: 0, y: 0 }, { x: 200, y: 0 }, { x: 200, y: 90 }, { x: 0, y: 90 }, { x: 0, y: 0 }], 4)
    const left = erase([box], rubber, false)
    expect(left.map((one) => one.dots.map(({ x, y }) => [Math.round(x), y]))).toEqual([
      [[108, 90], [0, 90], [0, 0], [108, 0]],
      [[132, 0], [200, 0], [200, 90], [132, 90]],
    ])
  })

  it('leaves no dust', () => {
    const short = line([{ x: 107, y: 50 }, { x: 133, y: 50 }], 4)
    expect(erase([short], { ...rubber, radius: 10.9 }, false)).toEqual([])
    expect(erase([{ kind: 'pen', width: 4, dots: dots([120, 50]) }], rubber, false)).toEqual([])
  })

  it.each([false, true])('tells what has to be painted anew, whole strokes: %s', (whole) => {
    const hand = new RubberHand([pen], 10, whole)
    hand.move(dots([20, 300]))
    expect(hand.takePart()).toBeUndefined()
    hand.move(dots([120, 100], [120, 0]))
    const part = hand.takePart()!
    if (whole) expect(part).toEqual(strokeBox(pen))
    else expect(part.left).toBeLessThan(90)
    expect(part.right).toBeGreaterThan(130)
    expect(part.top).toBeLessThan(30)
    expect(hand.takePart()).toBeUndefined()
  })
})
