/** Pages of pictures that were made, under one filter; each picture once, however the pages overlap. */
import type { Api, Filter, Generation } from './api'

export class Gallery {
  items = $state.raw<Generation[]>([])
  loading = $state(false)
  failed = $state(false)
  private next = $state<string>()
  private begun = $state(false)

  constructor(
    private readonly api: Api,
    readonly filter: Filter,
  ) {}

  get isEnd(): boolean {
    return this.begun && this.next === undefined
  }

  get isEmpty(): boolean {
    return this.isEnd && this.items.length === 0
  }

  async more(): Promise<void> {
    if (this.loading || this.isEnd) return
    this.loading = true
    this.failed = false
    try {
      const page = await this.api.generations({ ...this.filter, state: 'succeeded' }, { cursor: this.next })
      const known = new Set(this.items.map((one) => one.id))
      this.items = [...this.items, ...page.items.filter((one) => !known.has(one.id))]
      this.next = page.next
      this.begun = true
    } catch {
      this.failed = true
    } finally {
      this.loading = false
    }
  }

  keep(generation: Generation): void {
    this.items = this.items.map((one) => (one.id === generation.id ? generation : one))
  }
}
