/** What is done between putting the hand down and lifting it: one for each tool. */
import { between, boxOf, constrained, distance, squared, union, type Box, type Point, type Size } from './geometry'
import { erase } from './erase'
import { rectangle, snapped, type Grid } from './perspective'
import { line, NO_PRESSURE, strokeBox, type Dot, type Stroke } from './strokes'

export interface Keys {
  shift: boolean
}

export interface Hand {
  move(dots: readonly Dot[], keys: Keys): void
  /** What is drawn so far, if it is a stroke. */
  readonly stroke?: Stroke | undefined
}

const FOLLOW = 0.5
// How far each point of a smoothed stroke goes from the one before towards the hand …
const FARTHEST = 12
// … and how far it may stay behind, in spacings: a quick hand turns corners too.

export class PenHand implements Hand {
  private readonly dots: Dot[] = []
  private last: Dot | undefined

  /** spacing: points that are nearer than this are one. */
  constructor(
    private readonly width: number,
    private readonly pressed: boolean,
    private readonly smooth: boolean,
    private readonly spacing: number,
  ) {}

  move(dots: readonly Dot[]): void {
    for (const dot of dots) {
      this.last = dot
      const before = this.dots.at(-1)
      const next = before && this.smooth ? this.follow(before, dot) : dot
      if (!before || distance(before, next) >= this.spacing) this.dots.push(next)
    }
  }

  private follow(before: Dot, dot: Dot): Dot {
    const share = Math.max(FOLLOW, 1 - (FARTHEST * this.spacing) / distance(before, dot))
    return { ...between(before, dot, share), pressure: (before.pressure + dot.pressure) / 2 }
  }

  /** Ends where the hand is: smoothing lags behind it. */
  get stroke(): Stroke {
    const end = this.last && this.dots.length && distance(this.last, this.dots.at(-1)!) > this.spacing / 2 ? [this.last] : []
    return { kind: 'pen', width: this.width, dots: [...this.dots, ...end], ...(this.pressed ? { pressed: true } : {}) }
  }
}

/** Lines and rectangles: from where the hand came down to where it is. */
export class RulerHand implements Hand {
  private from: Point | undefined
  private to: Point | undefined
  private shift = false

  constructor(
    private readonly tool: 'line' | 'rectangle',
    private readonly width: number,
    private readonly paper: Size,
    private readonly grid: Grid | undefined,
  ) {}

  move(dots: readonly Dot[], { shift }: Keys): void {
    this.from ??= dots[0]
    this.to = dots.at(-1)
    this.shift = shift
  }

  get stroke(): Stroke | undefined {
    const { from, to, grid, paper } = this
    if (!from || !to || distance(from, to) < 1) return undefined
    if (this.tool === 'line') {
      const end = this.shift ? constrained(from, to) : grid ? snapped(grid, paper, from, to) : to
      return line([from, end], this.width)
    }
    const corners = this.shift ? rectangle(from, squared(from, to)) : rectangle(from, to, grid, paper)
    return line([...corners, corners[0]!], this.width)
  }
}

const ENDS = 40
// Paper units around a cut in which what is left looks otherwise: its ends are round. All is painted anew when it is done.

export class RubberHand implements Hand {
  private last: Point | undefined
  /** The part of the paper where something went, since it was asked for. */
  private part: Box | undefined

  constructor(
    public strokes: readonly Stroke[],
    private readonly radius: number,
    private readonly whole: boolean,
  ) {}

  move(dots: readonly Dot[]): void {
    for (const dot of dots) {
      const rubber = { from: this.last ?? dot, to: dot, radius: this.radius }
      const left = erase(this.strokes, rubber, this.whole)
      if (left !== this.strokes) this.touch(this.whole ? this.gone(left) : [boxOf([rubber.from, rubber.to], this.radius + ENDS)])
      this.strokes = left
      this.last = dot
    }
  }

  takePart(): Box | undefined {
    const { part } = this
    this.part = undefined
    return part
  }

  private gone(left: readonly Stroke[]): Box[] {
    const still = new Set(left)
    return this.strokes.filter((stroke) => !still.has(stroke)).map(strokeBox)
  }

  private touch(boxes: readonly Box[]): void {
    for (const box of boxes) this.part = this.part ? union(this.part, box) : box
  }
}

export const dotAt = (point: Point, pressure = NO_PRESSURE): Dot => ({ ...point, pressure })
