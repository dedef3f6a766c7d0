/** Generations that are under way, followed by server-sent events until they end. */
import { EventSource, type ErrorEvent } from 'eventsource'
import { isFinal, Problem, type Api, type Generation, type Gpu } from './api'
import { placeOf, type Place } from './line'

const MOST_STREAMS = 3
// A browser opens six connections to a server over HTTP/1.1: the rest must stay free for pictures and questions.
const LOOK_MS = 4000
// Those without a stream are asked for this often.
const AGAIN_MS = [1000, 2000, 4000, 8000]
const LOST_MS = 2500
// A stream that is back within this was not lost: the backend ends streams when a token ends.
const UNFINISHED_LIMIT = 100

export class Job {
  generation: Generation = $state.raw()!
  /** Of the run's steps; undefined before the first. */
  percent = $state<number>()
  preview = $state<string>()
  isCancelling = $state(false)

  constructor(generation: Generation) {
    this.generation = generation
  }

  get id(): string {
    return this.generation.id
  }

  get isDone(): boolean {
    return isFinal(this.generation.state)
  }
}

export class Work {
  /** Newest first; those that ended stay until the page is loaded anew. */
  jobs = $state.raw<Job[]>([])
  /** The connection is lost, and being sought again. */
  lost = $state(false)
  private streams = new Map<string, Stream>()
  private timer: ReturnType<typeof setInterval>
  private readonly again = (): void => {
    if (document.visibilityState === 'visible') for (const stream of this.streams.values()) stream.reconnect()
  }

  constructor(
    private readonly api: Api,
    private readonly onDone: (generation: Generation) => void = () => {},
  ) {
    this.timer = setInterval(() => void this.look(), LOOK_MS)
    addEventListener('online', this.again)
    document.addEventListener('visibilitychange', this.again)
  }

  get unfinished(): Job[] {
    return this.jobs.filter((one) => !one.isDone)
  }

  placeOf(job: Job): Place {
    return placeOf(job, this.unfinished)
  }

  /** What the backend has under way for this user: also what another tab asked for, or this one before a reload. */
  async load(): Promise<void> {
    const pages = await Promise.all((['queued', 'running'] as const).map((state) => this.api.generations({ state }, { limit: UNFINISHED_LIMIT })))
    for (const one of pages.flatMap((page) => page.items)) this.add(one)
  }

  /** Follow a generation; one that is known is shown once. */
  add(generation: Generation): Job {
    const known = this.jobs.find((one) => one.id === generation.id)
    if (known) return known
    const job = new Job(generation)
    this.jobs = [...this.jobs, job].sort((a, b) => (a.generation.createdAt < b.generation.createdAt ? 1 : -1))
    this.share()
    return job
  }

  async cancel(job: Job): Promise<void> {
    job.isCancelling = true
    try {
      this.update(job, await this.api.cancel(job.id))
    } catch (error) {
      // It ended first: what it ended as is the answer.
      if (!(error instanceof Problem && error.status === 409)) throw error
      this.update(job, await this.api.generation(job.id))
    } finally {
      job.isCancelling = false
    }
  }

  forget(id: string): void {
    this.streams.get(id)?.close()
    this.streams.delete(id)
    this.jobs = this.jobs.filter((one) => one.id !== id)
    this.share()
  }

  close(): void {
    clearInterval(this.timer)
    removeEventListener('online', this.again)
    document.removeEventListener('visibilitychange', this.again)
    for (const stream of this.streams.values()) stream.close()
    this.streams.clear()
  }

  /** Streams go to the oldest: they are next. */
  private share(): void {
    const due = this.unfinished.slice(-MOST_STREAMS)
    for (const [id, stream] of this.streams) {
      if (due.some((job) => job.id === id)) continue
      stream.close()
      this.streams.delete(id)
    }
    for (const job of due) {
      if (!this.streams.has(job.id)) this.streams.set(job.id, new Stream(this.api, job.id, this.listener(job)))
    }
  }

  private listener(job: Job): Listener {
    return {
      whole: (generation) => this.update(job, generation),
      place: (place) => (job.generation = { ...job.generation, ...place }),
      progress: (percent) => (job.percent = percent),
      preview: (image) => (job.preview = image),
      gone: () => this.forget(job.id),
      lost: () => (this.lost = [...this.streams.values()].some((one) => one.isLost)),
    }
  }

  private update(job: Job, generation: Generation): void {
    const wasDone = job.isDone
    // A second attempt begins at the beginning.
    if (generation.startedAt !== job.generation.startedAt) job.percent = job.preview = undefined
    job.generation = generation
    if (!job.isDone || wasDone) return
    this.streams.get(job.id)?.close()
    this.streams.delete(job.id)
    this.lost = [...this.streams.values()].some((one) => one.isLost)
    this.share()
    this.onDone(generation)
  }

  private async look(): Promise<void> {
    for (const job of this.unfinished.filter((one) => !this.streams.has(one.id))) {
      await this.api.generation(job.id).then(
        (found) => this.update(job, found),
        () => {}, // asked again at the next look
      )
    }
  }
}

interface Listener {
  whole(generation: Generation): void
  place(place: { position: number; etaSeconds: number; gpu?: Gpu }): void
  progress(percent: number): void
  preview(image: string): void
  gone(): void
  lost(): void
}

/** One event stream, opened again when it breaks, after the last event seen. */
class Stream {
  isLost = false
  private source: EventSource | undefined
  private last: string | undefined
  private failures = 0
  private reopening: ReturnType<typeof setTimeout> | undefined
  private losing: ReturnType<typeof setTimeout> | undefined

  constructor(
    private readonly api: Api,
    private readonly id: string,
    private readonly listener: Listener,
  ) {
    this.open()
  }

  close(): void {
    this.source?.close()
    clearTimeout(this.reopening)
    clearTimeout(this.losing)
  }

  /** Now, if it is lost: there is a network again, or somebody looks again. */
  reconnect(): void {
    if (this.isLost) this.open()
  }

  private open(): void {
    this.source?.close()
    clearTimeout(this.reopening)
    const source = new EventSource(this.api.address(`/api/generations/${this.id}/events`), {
      fetch: (url, init) => {
        const headers = new Headers(init.headers as HeadersInit)
        if (this.last) headers.set('Last-Event-ID', this.last)
        return this.api.authorised(url, { ...(init as RequestInit), headers })
      },
    })
    this.source = source
    const on = (name: string, take: (data: never) => void): void =>
      source.addEventListener(name, (event: MessageEvent) => {
        if (event.lastEventId) this.last = event.lastEventId
        take(JSON.parse(event.data as string) as never)
      })
    on('state', this.listener.whole)
    on('done', this.listener.whole)
    on('position', this.listener.place)
    on('progress', ({ percent }: { percent: number }) => this.listener.progress(percent))
    on('preview', ({ image }: { image: string }) => this.listener.preview(image))
    source.addEventListener('open', () => {
      this.failures = 0
      clearTimeout(this.losing)
      this.losing = undefined
      this.tell(false)
    })
    source.addEventListener('error', (event) => this.broken(source, event))
  }

  private broken(source: EventSource, { code }: ErrorEvent): void {
    if (source !== this.source) return
    if (code === 404) return this.listener.gone()
    this.losing ??= setTimeout(() => this.tell(true), LOST_MS)
    // The library tries again by itself unless the answer was an error.
    if (source.readyState !== EventSource.CLOSED) return
    this.reopening = setTimeout(() => this.open(), AGAIN_MS[Math.min(this.failures++, AGAIN_MS.length - 1)]!)
  }

  private tell(isLost: boolean): void {
    if (this.isLost === isLost) return
    this.isLost = isLost
    this.listener.lost()
  }
}
