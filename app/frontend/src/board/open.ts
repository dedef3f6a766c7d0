/** Opens the board over the page. It is no part of the form that it is opened from: its buttons send nothing. */
import { mount, unmount } from 'svelte'
import Board from './Board.svelte'
import type { Size } from './geometry'
import type { Paper } from './sheet'

export interface BoardProps {
  /** IndexedDB's key: each designer of a stack has a board of their own. */
  key: string
  papers: readonly Paper[]
  /** The picture's size on paper of a form: what the drawing is made in. */
  pictureSize: (form: string) => Size
  /** The drawing, as PNG; returns its id. What it throws is told, and the board stays open. */
  onDone: (drawing: Blob) => Promise<string>
  /** A picture to be traced. */
  photo?: Blob | undefined
}

/** Returns what closes it. closed: it was closed, by whomever. */
export function openBoard(props: BoardProps, closed: () => void = () => {}): () => void {
  const before = document.activeElement
  let isOpen = true
  const close = (): void => {
    if (!isOpen) return
    isOpen = false
    void unmount(made)
    if (before instanceof HTMLElement && before.isConnected) before.focus()
    closed()
  }
  const made = mount(Board, { target: document.body, props: { ...props, close } })
  return close
}
