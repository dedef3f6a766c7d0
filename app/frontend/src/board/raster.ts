/** The drawing as a PNG in the picture's own size: drawn in it from the strokes, never made larger or smaller. */
import type { Size } from './geometry'
import { drawStroke } from './paint'
import { blobOf, canvasOf } from './photo'
import type { Sheet } from './sheet'

export function toPng({ paper, strokes }: Sheet, size: Size): Promise<Blob> {
  const canvas = canvasOf(size)
  const pen = canvas.getContext('2d')!
  pen.fillStyle = '#fff'
  pen.fillRect(0, 0, size.width, size.height)
  // Sides are multiples of eight: the two scales may differ by a hair.
  pen.scale(size.width / paper.width, size.height / paper.height)
  for (const stroke of strokes) drawStroke(pen, stroke, '#000')
  return blobOf(canvas, 'image/png')
}
