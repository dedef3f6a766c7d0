/** Files that come onto the board, and files that are made of it. */
import type { Board } from './board'
import type { Size } from './geometry'
import { checkSize, NotTaken, readPhoto } from './photo'
import { fromSvg, toSvg } from './svg'

/** A drawing of ours is opened; any picture lies beneath the drawing. Throws NotTaken. */
export async function takeFile(board: Board, file: File): Promise<'drawing' | 'photo'> {
  if (file.type !== 'image/svg+xml' && !file.name.toLowerCase().endsWith('.svg')) {
    await board.setPhoto(await readPhoto(file))
    return 'photo'
  }
  checkSize(file)
  const found = fromSvg(await file.text())
  if (!found) throw new NotTaken('other-svg')
  board.take(found.paper, found.strokes)
  return 'drawing'
}

export async function saveFile(board: Board, kind: 'png' | 'svg', name: string, size: Size): Promise<void> {
  const blob = kind === 'png' ? await board.png(size) : new Blob([toSvg(board.sheet)], { type: 'image/svg+xml' })
  const url = URL.createObjectURL(blob)
  Object.assign(document.createElement('a'), { href: url, download: `${name}.${kind}` }).click()
  // The download has begun by then; until then the address must be good.
  setTimeout(() => URL.revokeObjectURL(url), 60_000)
}
