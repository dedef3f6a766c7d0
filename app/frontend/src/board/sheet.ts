/** What is on the board, as it is kept: the paper, what is drawn on it, and the photograph beneath. */
import type { Size } from './geometry'
import type { Dot, Stroke } from './strokes'

/** form: as the page names it, such as '3:2'. The sides are the units that strokes are in. */
export interface Paper extends Size {
  form: string
}

/** The picture itself is kept apart, by its id: it is large, and never changes. */
export interface Photo extends Size {
  id: string
}

export interface Sheet {
  readonly paper: Paper
  readonly strokes: readonly Stroke[]
  readonly photo?: Photo
}

/** The sheet on paper of another form: what was in the middle stays there. */
export function onPaper(sheet: Sheet, paper: Paper): Sheet {
  const [dx, dy] = [(paper.width - sheet.paper.width) / 2, (paper.height - sheet.paper.height) / 2]
  const moved = sheet.strokes.map((stroke) => ({ ...stroke, dots: stroke.dots.map((dot) => ({ ...dot, x: dot.x + dx, y: dot.y + dy })) }))
  return { ...sheet, paper, strokes: moved }
}

/** Where the photograph lies: whole, in the middle of the paper. */
export function photoBox(photo: Size, paper: Size): { x: number; y: number; width: number; height: number } {
  const scale = Math.min(paper.width / photo.width, paper.height / photo.height)
  const [width, height] = [photo.width * scale, photo.height * scale]
  return { x: (paper.width - width) / 2, y: (paper.height - height) / 2, width, height }
}

/** The paper whose form is nearest to this one's. */
export function nearestPaper(papers: readonly Paper[], size: Size): Paper {
  const off = (paper: Paper): number => Math.abs(Math.log((paper.width / paper.height) * (size.height / size.width)))
  return papers.reduce((best, paper) => (off(paper) < off(best) ? paper : best))
}

const isNumber = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value)
const isSide = (value: unknown): boolean => isNumber(value) && value > 0 && value < 100_000

/** Strokes that were kept or come from a file; undefined when they are not ours. */
export function readStrokes(value: unknown): Stroke[] | undefined {
  return Array.isArray(value) && value.every(isStroke) ? (value as Stroke[]) : undefined
}

function isStroke(value: unknown): boolean {
  const { kind, width, dots, pressed } = (value ?? {}) as Partial<Stroke>
  return (kind === 'pen' || kind === 'line') && isSide(width) && (pressed === undefined || typeof pressed === 'boolean') && Array.isArray(dots) && dots.length > 0 && dots.every(isDot)
}

function isDot(value: unknown): boolean {
  const { x, y, pressure } = (value ?? {}) as Partial<Dot>
  return isNumber(x) && isNumber(y) && isNumber(pressure) && pressure >= 0 && pressure <= 1
}

/** A sheet that was kept, by whatever version of the page; undefined when it cannot be used. */
export function readSheet(value: unknown): Sheet | undefined {
  const { paper, strokes, photo } = (value ?? {}) as Partial<Sheet>
  const drawn = readStrokes(strokes)
  if (!drawn || !paper || typeof paper.form !== 'string' || !isSide(paper.width) || !isSide(paper.height)) return undefined
  const whole = photo && typeof photo.id === 'string' && isSide(photo.width) && isSide(photo.height)
  return { paper, strokes: drawn, ...(whole ? { photo } : {}) }
}
