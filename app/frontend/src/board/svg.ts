/** A drawing as SVG, for other programs; the strokes are in it as they were drawn, so that it can be opened here again. */
import { readStrokes, type Paper, type Sheet } from './sheet'
import { svgPath, type Dot, type Stroke } from './strokes'

/** x, y and pressure of each point in turn: a third of the letters. */
interface Packed extends Omit<Stroke, 'dots'> {
  dots: number[]
}

export function toSvg({ paper, strokes }: Sheet): string {
  const { width, height, form } = paper
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" data-board="${form}">`,
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    ...strokes.map((stroke) => `<path d="${svgPath(stroke)}" ${look(stroke)} data-stroke='${JSON.stringify(packed(stroke))}'/>`),
    '</svg>',
    '',
  ].join('\n')
}

const look = ({ kind, width }: Stroke): string =>
  kind === 'pen' ? 'fill="#000"' : `fill="none" stroke="#000" stroke-width="${width}" stroke-linecap="round" stroke-linejoin="round"`

/** What an SVG of ours has in it; undefined for any other. It is read, never shown: nothing in it can run. */
export function fromSvg(text: string): { paper: Paper; strokes: Stroke[] } | undefined {
  const root = new DOMParser().parseFromString(text, 'image/svg+xml').documentElement
  const form = root.getAttribute('data-board')
  const [width, height] = ['width', 'height'].map((name) => Number(root.getAttribute(name)))
  if (!form || !width || !height) return undefined
  try {
    const kept = [...root.querySelectorAll('[data-stroke]')].map((path) => unpacked(JSON.parse(path.getAttribute('data-stroke')!)))
    const strokes = readStrokes(kept)
    return strokes && { paper: { form, width, height }, strokes }
  } catch {
    return undefined
  }
}

const short = (value: number): number => Math.round(value * 1000) / 1000

function packed({ dots, ...rest }: Stroke): Packed {
  return { ...rest, dots: dots.flatMap(({ x, y, pressure }) => [short(x), short(y), short(pressure)]) }
}

function unpacked({ kind, width, pressed, dots }: Packed): Stroke {
  const whole: Dot[] = []
  for (let n = 0; n < dots.length; n += 3) whole.push({ x: dots[n]!, y: dots[n + 1]!, pressure: dots[n + 2]! })
  return { kind, width, dots: whole, ...(pressed ? { pressed } : {}) }
}
