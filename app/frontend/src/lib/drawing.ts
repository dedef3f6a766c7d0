/** The drawing of a wish, and the picture that is made from it, in one size. */
import type { Studio } from './app.svelte'
import type { Limits } from './limits'

/** Where this designer's board is kept in the browser. */
export const boardKey = (studio: Studio): string => `${studio.draft.key}:board`

/** A drawing of the board is sent again when the picture shall have another size than it was drawn in. */
export async function fitDrawing(studio: Studio, limits: Limits): Promise<void> {
  const { values } = studio.draft
  const { sketch, from } = values
  const size = studio.draft.size(limits)
  if (from !== 'drawing' || !sketch || (sketch.width === size.width && sketch.height === size.height)) return
  const { keepUsed, redrawn } = await import('../board/redraw')
  const found = await redrawn(boardKey(studio), sketch.id, size)
  if (!found) return
  values.sketch = await studio.api.upload(found.png)
  await keepUsed(boardKey(studio), values.sketch.id, found.sheet)
}
