/** Puts the board on three canvases over each other: what lies beneath, the finished strokes, and what is under the hand. */
import { meet, type Box, type Point, type Size } from './geometry'
import { rays, vanishingPoints, type Grid } from './perspective'
import { canvasOf } from './photo'
import { photoBox, type Sheet } from './sheet'
import { strokeBox, svgPath, type Stroke } from './strokes'
import { toPaper, toScreen, type View } from './view'

export type Layer = 'ground' | 'ink' | 'hand'
export type Canvases = Record<Layer, HTMLCanvasElement>

const INK = '#111'
const EDGE = 'rgb(0 0 0 / 0.16)'
const GRID = 'rgb(29 95 191 / 0.28)'
const HORIZON = 'rgb(29 95 191 / 0.75)'
export const PREVIEW = '#c2410c'

const STILL_PX = 2400 // longest side: a little blurred while it moves, rather than slow

const paths = new WeakMap<Stroke, Path2D>()

export function drawStroke(pen: CanvasRenderingContext2D, stroke: Stroke, colour: string): void {
  let path = paths.get(stroke)
  if (!path) paths.set(stroke, (path = new Path2D(svgPath(stroke))))
  if (stroke.kind === 'pen') {
    pen.fillStyle = colour
    pen.fill(path)
    return
  }
  pen.strokeStyle = colour
  pen.lineWidth = stroke.width
  pen.lineCap = pen.lineJoin = 'round'
  pen.stroke(path)
}

export class Painter {
  private readonly pens: Record<Layer, CanvasRenderingContext2D>
  private ratio = 1
  private still: { strokes: readonly Stroke[]; picture: HTMLCanvasElement } | undefined
  stage: Size = { width: 1, height: 1 }

  constructor(private readonly canvases: Canvases) {
    const penOf = (layer: Layer): CanvasRenderingContext2D => canvases[layer].getContext('2d')!
    this.pens = { ground: penOf('ground'), ink: penOf('ink'), hand: penOf('hand') }
  }

  resize(stage: Size, ratio: number): void {
    this.stage = stage
    this.ratio = ratio
    for (const canvas of Object.values(this.canvases)) {
      canvas.width = Math.round(stage.width * ratio)
      canvas.height = Math.round(stage.height * ratio)
    }
  }

  ground({ paper, photo }: Sheet, view: View, picture: ImageBitmap | undefined, opacity: number, grid: Grid): void {
    this.clear('ground')
    this.on('ground', view, undefined, (pen) => {
      pen.lineWidth = 2 / view.scale
      pen.strokeStyle = EDGE
      pen.strokeRect(0, 0, paper.width, paper.height)
      pen.fillStyle = '#fff'
      pen.fillRect(0, 0, paper.width, paper.height)
      if (photo && picture) {
        const { x, y, width, height } = photoBox(photo, paper)
        pen.globalAlpha = opacity
        pen.drawImage(picture, x, y, width, height)
        pen.globalAlpha = 1
      }
      if (grid.shown) drawGrid(pen, grid, paper, view.scale)
    })
  }

  /** All finished strokes; or what of them is in a part of the paper, where something was rubbed out. */
  ink({ paper, strokes }: Sheet, view: View, part?: Box): void {
    const seen = part ?? this.seen(view)
    const pen = this.pens.ink
    pen.save()
    if (part) this.clipTo(pen, view, part)
    this.clear('ink')
    this.on('ink', view, paper, () => {
      for (const stroke of strokes) if (meet(strokeBox(stroke), seen)) drawStroke(pen, stroke, INK)
    })
    pen.restore()
  }

  /** While the paper moves: the strokes as one picture. Drawing each of them anew would take longer than a frame. */
  inkMoved({ paper, strokes }: Sheet, view: View): void {
    if (this.still?.strokes !== strokes) this.still = { strokes, picture: this.stillOf(paper, strokes, view) }
    const { picture } = this.still
    this.clear('ink')
    this.on('ink', view, paper, (pen) => pen.drawImage(picture, 0, 0, paper.width, paper.height))
  }

  private stillOf(paper: Size, strokes: readonly Stroke[], view: View): HTMLCanvasElement {
    const scale = Math.min(view.scale * this.ratio, STILL_PX / Math.max(paper.width, paper.height))
    const picture = canvasOf({ width: Math.ceil(paper.width * scale), height: Math.ceil(paper.height * scale) })
    const pen = picture.getContext('2d')!
    pen.scale(picture.width / paper.width, picture.height / paper.height)
    for (const stroke of strokes) drawStroke(pen, stroke, INK)
    return picture
  }

  /** One more stroke over the others. */
  add(stroke: Stroke, { paper }: Sheet, view: View): void {
    this.on('ink', view, paper, (pen) => drawStroke(pen, stroke, INK))
  }

  hand({ paper }: Sheet, view: View, strokes: readonly Stroke[], colour = INK): void {
    this.clear('hand')
    this.on('hand', view, paper, (pen) => {
      for (const stroke of strokes) drawStroke(pen, stroke, colour)
    })
  }

  /** The rubber's outline, seen on light and on dark. */
  disc(view: View, at: Point, radius: number): void {
    this.on('hand', view, undefined, (pen) => {
      for (const [colour, width] of [['#fff', 3], ['#555', 1.2]] as const) {
        pen.strokeStyle = colour
        pen.lineWidth = width / view.scale
        pen.beginPath()
        pen.arc(at.x, at.y, radius, 0, 2 * Math.PI)
        pen.stroke()
      }
    })
  }

  /** Draws on a layer in paper units. What is beside the paper is not in the picture: with `paper` it is not shown either. */
  private on(layer: Layer, { scale, x, y }: View, paper: Size | undefined, draw: (pen: CanvasRenderingContext2D) => void): void {
    const pen = this.pens[layer]
    pen.save()
    pen.setTransform(scale * this.ratio, 0, 0, scale * this.ratio, x * this.ratio, y * this.ratio)
    if (paper) clip(pen, 0, 0, paper.width, paper.height)
    draw(pen)
    pen.restore()
  }

  /** Empties a layer, as far as it is clipped: not to the paper, which may have been elsewhere. */
  private clear(layer: Layer): void {
    const pen = this.pens[layer]
    pen.save()
    pen.resetTransform()
    pen.clearRect(0, 0, pen.canvas.width, pen.canvas.height)
    pen.restore()
  }

  /** To whole pixels: half ones would leave a seam. */
  private clipTo(pen: CanvasRenderingContext2D, view: View, { left, top, right, bottom }: Box): void {
    const [start, end] = [toScreen(view, { x: left, y: top }), toScreen(view, { x: right, y: bottom })]
    const [x, y] = [Math.floor(start.x * this.ratio) - 1, Math.floor(start.y * this.ratio) - 1]
    pen.resetTransform()
    clip(pen, x, y, Math.ceil(end.x * this.ratio) + 1 - x, Math.ceil(end.y * this.ratio) + 1 - y)
  }

  private seen(view: View): Box {
    const [start, end] = [toPaper(view, { x: 0, y: 0 }), toPaper(view, { x: this.stage.width, y: this.stage.height })]
    return { left: start.x, top: start.y, right: end.x, bottom: end.y }
  }
}

function clip(pen: CanvasRenderingContext2D, x: number, y: number, width: number, height: number): void {
  pen.beginPath()
  pen.rect(x, y, width, height)
  pen.clip()
}

function drawGrid(pen: CanvasRenderingContext2D, grid: Grid, paper: Size, scale: number): void {
  pen.save()
  clip(pen, 0, 0, paper.width, paper.height)
  pen.strokeStyle = GRID
  pen.lineWidth = 1 / scale
  pen.beginPath()
  for (const [from, to] of rays(grid, paper)) {
    pen.moveTo(from.x, from.y)
    pen.lineTo(to.x, to.y)
  }
  pen.stroke()
  pen.restore()
  // The horizon goes on beside the paper, as far as the vanishing points.
  const [y, points] = [grid.horizon * paper.height, vanishingPoints(grid, paper)]
  pen.strokeStyle = HORIZON
  pen.lineWidth = 1.5 / scale
  pen.beginPath()
  pen.moveTo(Math.min(0, ...points.map(({ x }) => x)), y)
  pen.lineTo(Math.max(paper.width, ...points.map(({ x }) => x)), y)
  pen.stroke()
}
