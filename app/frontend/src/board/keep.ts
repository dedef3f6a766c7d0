/** Keeps the board in the browser's IndexedDB, each under its own key: a designer of a stack has one. */
import { delMany, get, keys, set } from 'idb-keyval'

const PAUSE_MS = 400

export interface Kept {
  board: unknown
  photo?: Blob | undefined
}

export class Keeper {
  private timer: ReturnType<typeof setTimeout> | undefined
  private waiting: (() => unknown) | undefined
  private writing: Promise<void> = Promise.resolve()

  /** failed: the browser does not let us keep anything. */
  constructor(
    private readonly key: string,
    private readonly failed: () => void,
  ) {}

  async load(photoIdOf: (board: unknown) => string | undefined): Promise<Kept> {
    try {
      const board = this.lastWords() ?? (await get<unknown>(this.key))
      const id = photoIdOf(board)
      const photo = id ? await get<Blob>(this.photoKey(id)) : undefined
      // Photographs that were taken away: they were kept only as long as that could be undone.
      const all = (await keys()).filter((key): key is string => typeof key === 'string' && key.startsWith(this.photoKey('')))
      await delMany(all.filter((key) => key !== this.photoKey(id ?? '')))
      return { board, photo }
    } catch {
      this.failed()
      return { board: undefined }
    }
  }

  /** Soon, not at each point. state: what it is then. */
  save(state: () => unknown): void {
    this.waiting = state
    clearTimeout(this.timer)
    this.timer = setTimeout(() => void this.flush(), PAUSE_MS)
  }

  async savePhoto(id: string, photo: Blob): Promise<void> {
    await set(this.photoKey(id), photo).catch(this.failed)
  }

  /** Now. */
  flush(): Promise<void> {
    clearTimeout(this.timer)
    const { waiting } = this
    this.waiting = undefined
    if (waiting) this.writing = set(this.key, waiting()).then(() => localStorage.removeItem(this.key), this.failed)
    return this.writing
  }

  /** The page goes away: IndexedDB would be cut off, local storage writes at once. The next write takes it away again. */
  flushAtOnce(): void {
    try {
      if (this.waiting) localStorage.setItem(this.key, JSON.stringify(this.waiting()))
    } catch {
      // too much for local storage: IndexedDB may still be in time
    }
    void this.flush()
  }

  private lastWords(): unknown {
    const text = localStorage.getItem(this.key)
    return text ? JSON.parse(text) : undefined
  }

  private photoKey(id: string): string {
    return `${this.key}:photo:${id}`
  }
}
