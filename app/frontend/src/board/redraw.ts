/** A drawing of the board in another size: drawn anew from its strokes, as making it larger or smaller would blur its lines. */
import { get, set } from 'idb-keyval'
import type { Size } from './geometry'
import { toPng } from './raster'
import { readSheet, type Sheet } from './sheet'

interface Used {
  /** The drawing's, as the service knows it. */
  id: string
  sheet: Sheet
}

const place = (key: string): string => `${key}:used`

/** What was drawn, when it was used: one may draw on since. */
export function keepUsed(key: string, id: string, sheet: Sheet): Promise<void> {
  // A browser that keeps nothing sends drawings in the size they have.
  return set(place(key), { id, sheet: { paper: sheet.paper, strokes: sheet.strokes } } satisfies Used).catch(() => {})
}

const ALIKE = 0.02

/** Undefined when that drawing was not made here, or its form is another. */
export async function redrawn(key: string, id: string, size: Size): Promise<{ png: Blob; sheet: Sheet } | undefined> {
  const used = await get<Partial<Used>>(place(key)).catch(() => undefined)
  const sheet = used?.id === id ? readSheet(used.sheet) : undefined
  if (!sheet) return undefined
  const off = Math.log((sheet.paper.width / sheet.paper.height) * (size.height / size.width))
  return Math.abs(off) < ALIKE ? { png: await toPng(sheet, size), sheet } : undefined
}
