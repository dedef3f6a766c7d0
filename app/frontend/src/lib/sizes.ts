/** Width and height of a picture from its form and how large it shall be. */
import type { Limits } from './limits'

export const FORMS = ['1:1', '4:3', '3:2', '16:9', '3:4', '2:3'] as const
export type Form = (typeof FORMS)[number] | 'drawing'

/** Shorter side by how fine it shall be. Stable Diffusion 1.5 was trained on 512 pixels. */
export const FINENESS = { standard: 512, fine: 640, finest: 768 } as const
export type Fineness = keyof typeof FINENESS

export function ratioOf(form: Form, drawing?: { width: number; height: number }): number {
  if (form === 'drawing') return drawing ? drawing.width / drawing.height : 1
  const [width, height] = form.split(':').map(Number)
  return width! / height!
}

/** In multiples of 8 and inside the limits; the form is kept as well as that allows. */
export function sizeOf(ratio: number, fineness: Fineness, { side }: Pick<Limits, 'side'>): { width: number; height: number } {
  const short = FINENESS[fineness]
  const long = short * Math.max(ratio, 1 / ratio)
  const scale = Math.min(1, side.maximum / long)
  const fit = (pixels: number): number => Math.min(side.maximum, Math.max(side.minimum, Math.round((pixels * scale) / 8) * 8))
  return ratio >= 1 ? { width: fit(long), height: fit(short) } : { width: fit(short), height: fit(long) }
}
