/** The board's keys: as in the programs that designers know. */
import type { Board } from './board'
import type { Tool } from './settings'

const TOOL_KEYS: Record<string, Tool> = { b: 'pen', e: 'eraser', l: 'line', r: 'rectangle' }
const ZOOM = 1.25

/** Whether the key did something. */
export function onKey(board: Board, event: KeyboardEvent, { choose, toggleGrid }: { choose: (tool: Tool) => void; toggleGrid: () => void }): boolean {
  const key = event.key.toLowerCase()
  if (event.ctrlKey || event.metaKey) {
    if (key === 'z' && event.shiftKey) board.redo()
    else if (key === 'z') board.undo()
    else if (key === 'y') board.redo()
    else return false
    return true
  }
  // A list is searched by letters.
  if (event.altKey || (event.target as Element).matches('select, textarea, input:not([type=range], [type=checkbox])')) return false
  const tool = TOOL_KEYS[key]
  if (tool) choose(tool)
  else if (key === 'g') toggleGrid()
  else if (key === '0') board.fit()
  else if (key === '+' || key === '=') board.zoom(ZOOM)
  else if (key === '-') board.zoom(1 / ZOOM)
  else return false
  return true
}

export { ZOOM }
