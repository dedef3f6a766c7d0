/** What was, what is, and what was undone. States share what they have in common, so that many cost little. */
const MOST = 1000

export class History<State> {
  private past: State[] = []
  private future: State[] = []

  constructor(private current: State) {}

  get present(): State {
    return this.current
  }
  get canUndo(): boolean {
    return this.past.length > 0
  }
  get canRedo(): boolean {
    return this.future.length > 0
  }

  push(next: State): void {
    if (next === this.current) return
    this.past.push(this.current)
    if (this.past.length > MOST) this.past.shift()
    this.current = next
    this.future = []
  }

  undo(): void {
    const before = this.past.pop()
    if (before === undefined) return
    this.future.push(this.current)
    this.current = before
  }

  redo(): void {
    const after = this.future.pop()
    if (after === undefined) return
    this.past.push(this.current)
    this.current = after
  }
}
