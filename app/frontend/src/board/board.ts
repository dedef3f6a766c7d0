/** The drawing board: what is on it, and what can be done with it. Knows canvases, but no framework. */
import { dotAt, PenHand, RubberHand, RulerHand, type Hand, type Keys } from './hands'
import { History } from './history'
import type { Point, Size } from './geometry'
import { Keeper } from './keep'
import { Painter, PREVIEW, type Canvases } from './paint'
import type { Picture } from './photo'
import { toPng } from './raster'
import { readSettings, RUBBERS, SETTINGS, WIDTHS, type Settings } from './settings'
import { nearestPaper, onPaper, photoBox, readSheet, type Paper, type Sheet } from './sheet'
import { line, type Dot, type Stroke } from './strokes'
import { fitted, held, toPaper, zoomed, type View } from './view'

export interface BoardOptions {
  /** What papers there are, in units; the first is what one begins with. */
  papers: readonly Paper[]
  /** IndexedDB's key of this designer's board. */
  key: string
  changed(): void
  /** The browser lets nothing be kept. */
  notKept(): void
}

/** What is seen of it around the paper. */
export interface State {
  settings: Settings
  paper: Paper
  view: View
  canUndo: boolean
  canRedo: boolean
  isEmpty: boolean
  hasPhoto: boolean
  strokes: number
}

const MARGIN = 20
const STILL_MS = 120
const NEAREST = 0.35 // CSS pixels: points of a stroke that are nearer to each other are one

export class Board {
  settings: Settings = SETTINGS
  private history: History<Sheet>
  private view: View = { scale: 1, x: 0, y: 0 }
  private painter: Painter | undefined
  private hand: Hand | undefined
  private hover: Point | undefined
  private preview: readonly Stroke[] | undefined
  private readonly pictures = new Map<string, Picture>()
  private readonly keeper: Keeper
  private stale = new Set<'ground' | 'ink' | 'hand'>()
  private frame = 0
  /** Until the paper has stood still for a moment. */
  private moving: ReturnType<typeof setTimeout> | undefined
  /** As long as nobody moved it, the paper fills the stage, whatever size that gets. */
  private isFitted = true

  constructor(private readonly options: BoardOptions) {
    this.history = new History<Sheet>({ paper: options.papers[0]!, strokes: [] })
    this.keeper = new Keeper(options.key, options.notKept)
  }

  get sheet(): Sheet {
    return this.history.present
  }

  get state(): State {
    const { sheet, settings, view, history } = this
    const [count, hasPhoto] = [sheet.strokes.length, sheet.photo !== undefined]
    return { settings, view, paper: sheet.paper, canUndo: history.canUndo, canRedo: history.canRedo, isEmpty: count === 0, hasPhoto, strokes: count }
  }

  /** What was kept, onto the board. */
  async load(): Promise<void> {
    const parts = (kept: unknown): { sheet?: unknown; settings?: unknown } => (typeof kept === 'object' && kept !== null ? kept : {})
    const { board, photo } = await this.keeper.load((kept) => readSheet(parts(kept).sheet)?.photo?.id)
    this.settings = readSettings(parts(board).settings)
    let sheet = readSheet(parts(board).sheet)
    if (sheet?.photo && photo) this.pictures.set(sheet.photo.id, { blob: photo, bitmap: await createImageBitmap(photo) })
    else if (sheet) sheet = { paper: sheet.paper, strokes: sheet.strokes }
    if (sheet) this.history = new History<Sheet>(sheet)
    this.fit()
    this.options.changed()
  }

  attach(canvases: Canvases): void {
    this.painter = new Painter(canvases)
  }

  resize(stage: Size, ratio: number): void {
    this.painter?.resize(stage, ratio)
    if (this.isFitted) this.fit()
    else this.look(this.view)
    // A canvas whose size was set is empty; waiting for the next frame would be seen.
    this.paint()
  }

  set(change: Partial<Settings>): void {
    this.settings = { ...this.settings, ...change }
    this.keep()
    this.refresh('ground', 'hand')
    this.options.changed()
  }

  // What is drawn

  begin(dots: readonly Dot[], keys: Keys, pen: { pressed: boolean; rubber: boolean }): void {
    this.hand = this.handFor(pen.pressed, pen.rubber)
    this.move(dots, keys)
  }

  move(dots: readonly Dot[], keys: Keys): void {
    if (!this.hand) return
    this.hover = dots.at(-1)
    this.hand.move(dots, keys)
    this.refresh('hand')
  }

  end(): void {
    const { hand } = this
    this.hand = undefined
    if (hand instanceof RubberHand) {
      return this.change({ ...this.sheet, strokes: hand.strokes }, ['ink'])
    }
    const stroke = hand?.stroke
    if (!stroke) return this.refresh('hand')
    this.change({ ...this.sheet, strokes: [...this.sheet.strokes, stroke] }, [])
    this.painter?.add(stroke, this.sheet, this.view)
  }

  /** A second finger came down, or Escape: it was not meant. */
  cancel(): void {
    const wasRubber = this.hand instanceof RubberHand
    this.hand = undefined
    this.refresh('hand', ...(wasRubber ? (['ink'] as const) : []))
  }

  get isDrawing(): boolean {
    return this.hand !== undefined
  }

  /** Where the pointer is while nothing is drawn: the rubber shows its size. */
  hoverAt(point: Point | undefined): void {
    this.hover = point
    if (this.settings.tool === 'eraser') this.refresh('hand')
  }

  undo(): void {
    this.history.undo()
    this.changed()
  }

  redo(): void {
    this.history.redo()
    this.changed()
  }

  clear(): void {
    if (this.sheet.strokes.length || this.sheet.photo) this.change({ paper: this.sheet.paper, strokes: [] })
  }

  setPaper(form: string): void {
    const paper = this.options.papers.find((one) => one.form === form)
    if (!paper || paper.form === this.sheet.paper.form) return
    this.change(onPaper(this.sheet, paper))
    this.fit()
  }

  /** Strokes of a file: instead of what is there. */
  take(paper: Paper, strokes: readonly Stroke[]): void {
    this.change({ ...this.sheet, paper, strokes })
    this.fit()
  }

  // The photograph beneath

  async setPhoto(picture: Picture): Promise<void> {
    const { width, height } = picture.bitmap
    const id = crypto.randomUUID()
    this.pictures.set(id, picture)
    const sheet = this.sheet.strokes.length ? this.sheet : { ...this.sheet, paper: nearestPaper(this.options.papers, { width, height }) }
    this.change({ ...sheet, photo: { id, width, height } })
    this.fit()
    await this.keeper.savePhoto(id, picture.blob)
  }

  removePhoto(): void {
    this.change({ paper: this.sheet.paper, strokes: this.sheet.strokes })
  }

  get photo(): ImageBitmap | undefined {
    return this.pictures.get(this.sheet.photo?.id ?? '')?.bitmap
  }

  /** Lines found in the photograph, shown before they are taken. In its pixels, as it was when they were looked for. */
  showEdges(lines: readonly (readonly Point[])[], searched: Size): void {
    const { photo, paper } = this.sheet
    if (!photo) return
    const { x, y, width, height } = photoBox(photo, paper)
    const at = (point: Point): Point => ({ x: x + (point.x * width) / searched.width, y: y + (point.y * height) / searched.height })
    this.preview = lines.map((points) => line(points.map(at), WIDTHS.fine))
    this.refresh('hand')
  }

  endEdges(take: boolean): void {
    const found = this.preview ?? []
    this.preview = undefined
    if (take && found.length) this.change({ ...this.sheet, strokes: [...this.sheet.strokes, ...found] })
    this.refresh('hand')
  }

  // Where it is seen

  fit(): void {
    if (!this.painter) return
    this.isFitted = true
    clearTimeout(this.moving)
    this.moving = undefined
    this.view = fitted(this.painter.stage, this.sheet.paper, Math.min(MARGIN, this.painter.stage.width / 20))
    this.refresh('ground', 'ink', 'hand')
    this.options.changed()
  }

  pan(dx: number, dy: number): void {
    this.look({ ...this.view, x: this.view.x + dx, y: this.view.y + dy })
  }

  /** at: on the stage; without it, its middle. */
  zoom(factor: number, at?: Point): void {
    const { width, height } = this.painter?.stage ?? { width: 0, height: 0 }
    this.look(zoomed(this.view, factor, at ?? { x: width / 2, y: height / 2 }))
  }

  toDot(at: Point, pressure?: number): Dot {
    return dotAt(toPaper(this.view, at), pressure)
  }

  // What becomes of it

  png(size: Size): Promise<Blob> {
    return toPng(this.sheet, size)
  }

  /** Kept, and nothing more done. */
  async close(): Promise<void> {
    cancelAnimationFrame(this.frame)
    clearTimeout(this.moving)
    await this.keeper.flush()
  }

  flush(): void {
    this.keeper.flushAtOnce()
  }

  private look(view: View): void {
    if (!this.painter) return
    this.isFitted = false
    this.view = held(view, this.painter.stage, this.sheet.paper)
    clearTimeout(this.moving)
    this.moving = setTimeout(() => {
      this.moving = undefined
      this.refresh('ink')
    }, STILL_MS)
    this.refresh('ground', 'ink', 'hand')
    this.options.changed()
  }

  private handFor(pressed: boolean, rubber: boolean): Hand {
    const { tool, thickness, smooth, grid, whole } = this.settings
    const { paper, strokes } = this.sheet
    if (rubber || tool === 'eraser') return new RubberHand(strokes, RUBBERS[this.settings.rubber], whole)
    if (tool === 'pen') return new PenHand(WIDTHS[thickness], pressed, smooth, NEAREST / this.view.scale)
    return new RulerHand(tool, WIDTHS[thickness], paper, grid.shown && grid.snap ? grid : undefined)
  }

  private change(sheet: Sheet, layers: ('ground' | 'ink')[] = ['ground', 'ink']): void {
    const same = sheet.strokes === this.sheet.strokes && sheet.paper === this.sheet.paper && sheet.photo === this.sheet.photo
    if (!same) this.history.push(sheet)
    this.changed(layers)
  }

  private changed(layers: ('ground' | 'ink')[] = ['ground', 'ink']): void {
    this.keep()
    this.refresh(...layers, 'hand')
    this.options.changed()
  }

  private keep(): void {
    this.keeper.save(() => ({ sheet: this.sheet, settings: this.settings }))
  }

  private refresh(...layers: ('ground' | 'ink' | 'hand')[]): void {
    for (const one of layers) this.stale.add(one)
    if (this.painter && !this.frame) this.frame = requestAnimationFrame(() => this.paint())
  }

  /** What is stale, now; otherwise with the next frame. */
  paint(): void {
    cancelAnimationFrame(this.frame)
    this.frame = 0
    const { painter, stale, sheet, view, settings, hand } = this
    this.stale = new Set()
    if (!painter) return
    if (stale.has('ground')) painter.ground(sheet, view, this.photo, settings.opacity, settings.grid)
    if (stale.has('ink') && this.moving) painter.inkMoved(sheet, view)
    else if (stale.has('ink')) painter.ink(hand instanceof RubberHand ? { ...sheet, strokes: hand.strokes } : sheet, view)
    if (hand instanceof RubberHand) this.paintRubbed(hand)
    if (!stale.has('hand')) return
    if (this.preview) painter.hand(sheet, view, this.preview, PREVIEW)
    else painter.hand(sheet, view, hand?.stroke ? [hand.stroke] : [])
    if (this.hover && (hand instanceof RubberHand || (!hand && settings.tool === 'eraser'))) painter.disc(view, this.hover, RUBBERS[settings.rubber])
  }

  private paintRubbed(hand: RubberHand): void {
    const part = hand.takePart()
    if (part) this.painter?.ink({ ...this.sheet, strokes: hand.strokes }, this.view, part)
  }
}
