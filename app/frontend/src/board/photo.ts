/** Photographs and plans that somebody brings: checked, turned as the camera was held, and not larger than is of use. */
import type { Size } from './geometry'

export class NotTaken extends Error {
  constructor(readonly reason: 'too-large' | 'no-picture' | 'other-svg') {
    super(reason)
  }
}

export const MOST_MEGABYTES = 30
const MOST_BYTES = MOST_MEGABYTES * 1_000_000
const LONGEST = 2048
// Beyond this a screen shows no more of it, and it has to be kept.

export interface Picture {
  blob: Blob
  bitmap: ImageBitmap
}

export function checkSize(file: Blob): void {
  if (file.size > MOST_BYTES) throw new NotTaken('too-large')
}

export async function readPhoto(file: Blob): Promise<Picture> {
  checkSize(file)
  const whole = await decoded(file)
  const shrink = Math.min(1, LONGEST / Math.max(whole.width, whole.height))
  if (shrink === 1 && file.size < 2_000_000) return { blob: file, bitmap: whole }
  const canvas = canvasOf({ width: Math.round(whole.width * shrink), height: Math.round(whole.height * shrink) })
  const pen = canvas.getContext('2d')!
  // JPEG knows no transparency: it would be black.
  pen.fillStyle = '#fff'
  pen.fillRect(0, 0, canvas.width, canvas.height)
  pen.drawImage(whole, 0, 0, canvas.width, canvas.height)
  whole.close()
  const blob = await blobOf(canvas, 'image/jpeg')
  return { blob, bitmap: await createImageBitmap(canvas) }
}

/** Any picture that this browser can show. */
export async function decoded(file: Blob): Promise<ImageBitmap> {
  try {
    return await createImageBitmap(file)
  } catch {
    throw new NotTaken('no-picture')
  }
}

/** Its pixels, in a size that edges are looked for in. */
export function pixels(bitmap: ImageBitmap, longest: number): ImageData {
  const shrink = Math.min(1, longest / Math.max(bitmap.width, bitmap.height))
  const canvas = canvasOf({ width: Math.max(1, Math.round(bitmap.width * shrink)), height: Math.max(1, Math.round(bitmap.height * shrink)) })
  const pen = canvas.getContext('2d', { willReadFrequently: true })!
  pen.fillStyle = '#fff'
  pen.fillRect(0, 0, canvas.width, canvas.height)
  pen.drawImage(bitmap, 0, 0, canvas.width, canvas.height)
  return pen.getImageData(0, 0, canvas.width, canvas.height)
}

export function canvasOf({ width, height }: Size): HTMLCanvasElement {
  return Object.assign(document.createElement('canvas'), { width, height })
}

export function blobOf(canvas: HTMLCanvasElement, type: string): Promise<Blob> {
  return new Promise((resolve, reject) =>
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error(`The browser made no ${type}.`))), type, 0.9),
  )
}
