/** Asks the thread that finds edges. What is asked while it works waits, and only the last of it. */
import type { Pixels } from './edges'
import type { Point } from './geometry'

export class EdgeFinder {
  private readonly worker = new Worker(new URL('./edges.worker.ts', import.meta.url), { type: 'module' })
  private busy = false
  private wanted: number | undefined

  constructor(picture: Pixels, found: (lines: Point[][]) => void, failed: () => void) {
    this.worker.onmessage = ({ data }: MessageEvent<{ amount: number; lines: Point[][] }>) => {
      this.busy = false
      if (this.wanted !== undefined && this.wanted !== data.amount) this.ask(this.wanted)
      found(data.lines)
    }
    this.worker.onerror = failed
    this.worker.postMessage({ picture: { data: picture.data, width: picture.width, height: picture.height } })
  }

  ask(amount: number): void {
    this.wanted = amount
    if (this.busy) return
    this.busy = true
    this.worker.postMessage({ amount })
  }

  close(): void {
    this.worker.terminate()
  }
}
