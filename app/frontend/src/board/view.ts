/** Where the paper is seen on the screen: paper units to CSS pixels. */
import type { Point, Size } from './geometry'

export interface View {
  scale: number
  x: number
  y: number
}

const LEAST = 0.1
const MOST = 16

export const toScreen = ({ scale, x, y }: View, point: Point): Point => ({ x: point.x * scale + x, y: point.y * scale + y })
export const toPaper = ({ scale, x, y }: View, point: Point): Point => ({ x: (point.x - x) / scale, y: (point.y - y) / scale })

/** The whole paper in the middle of the stage, as large as it can be. */
export function fitted(stage: Size, paper: Size, margin: number): View {
  const scale = clamp(Math.min((stage.width - 2 * margin) / paper.width, (stage.height - 2 * margin) / paper.height))
  return { scale, x: (stage.width - paper.width * scale) / 2, y: (stage.height - paper.height * scale) / 2 }
}

/** Larger or smaller by a factor; what is at `at` on the screen stays there. */
export function zoomed(view: View, factor: number, at: Point): View {
  const scale = clamp(view.scale * factor)
  const still = toPaper(view, at)
  return { scale, x: at.x - still.x * scale, y: at.y - still.y * scale }
}

/** The paper can be pushed away only so far that a corner of it is still seen. */
export function held(view: View, stage: Size, paper: Size): View {
  const seen = 48
  const hold = (at: number, length: number, room: number): number => Math.min(room - seen, Math.max(seen - length, at))
  return { ...view, x: hold(view.x, paper.width * view.scale, stage.width), y: hold(view.y, paper.height * view.scale, stage.height) }
}

const clamp = (scale: number): number => Math.min(MOST, Math.max(LEAST, scale || LEAST))
