import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Problem } from '../src/lib/api'
import { Work } from '../src/lib/work.svelte'
import { FakeApi, generation } from './streams'

let api: FakeApi
let work: Work
const done = vi.fn()

beforeEach(() => {
  api = new FakeApi()
  done.mockClear()
  work = new Work(api.asApi, done)
})
afterEach(() => work.close())

const opened = (count: number): Promise<void> => vi.waitFor(() => expect(api.opened.length).toBe(count), { timeout: 4000 })

describe('a generation that is followed', () => {
  it('tells state, place, progress and preview as they come, and its end once', async () => {
    const job = work.add(generation('1'))
    await opened(1)
    const [stream] = api.opened
    stream!.send('position', { position: 3, etaSeconds: 40 })
    await vi.waitFor(() => expect(job.generation.position).toBe(3))
    stream!.send('state', generation('1', 'running', { startedAt: 'now' }), '2.0')
    stream!.send('progress', { step: 5, steps: 20, percent: 25 }, '2.5')
    stream!.send('preview', { image: 'data:image/png;base64,AA' })
    await vi.waitFor(() => expect([job.generation.state, job.percent, job.preview]).toEqual(['running', 25, 'data:image/png;base64,AA']))
    const end = generation('1', 'succeeded', { startedAt: 'now' })
    stream!.send('done', end, '3.done')
    stream!.send('done', end, '3.done')
    await vi.waitFor(() => expect(job.isDone).toBe(true))
    expect(done).toHaveBeenCalledExactlyOnceWith(end)
    expect(work.unfinished).toEqual([])
  })

  it('begins anew when it is tried a second time', async () => {
    const job = work.add(generation('1', 'running', { startedAt: 'first' }))
    await opened(1)
    api.opened[0]!.send('progress', { step: 9, steps: 10, percent: 90 }, '2.9')
    await vi.waitFor(() => expect(job.percent).toBe(90))
    api.opened[0]!.send('state', generation('1', 'queued'), '3.0')
    await vi.waitFor(() => expect(job.percent).toBeUndefined())
  })

  it('is there once, however often it is heard of', async () => {
    const first = work.add(generation('1'))
    expect(work.add(generation('1'))).toBe(first)
    api.known.set('1', generation('1'))
    await work.load()
    expect(work.jobs.length).toBe(1)
    await opened(1)
  })
})

describe('streams', () => {
  it('are three at most, of the oldest, in whatever order they are heard of', async () => {
    const ids = ['5', '4', '3', '2', '1']
    for (const id of ids) work.add(generation(id, 'queued', { createdAt: `2026-11-28T00:00:0${id}.000Z` }))
    await new Promise((resolve) => setTimeout(resolve, 300))
    expect([...api.open].sort()).toEqual(['1', '2', '3'])
  })
})

describe('a stream', () => {
  it('that breaks is opened again after the last event that was seen', async () => {
    work.add(generation('1'))
    await opened(1)
    api.opened[0]!.send('progress', { step: 7, steps: 20, percent: 35 }, '2.7')
    await new Promise((resolve) => setTimeout(resolve, 50))
    api.opened[0]!.end()
    await opened(2)
    expect(api.opened[1]!.lastEventId).toBe('2.7')
    expect(work.lost).toBe(false)
  })

  it.each([429, 502, 503])('that is refused with %d is asked for again', async (status) => {
    api.refusals = [status]
    work.add(generation('1'))
    await opened(1)
  })

  it('that stays away is told as lost, until it is back', async () => {
    api.refusals = [503, 503, 503]
    work.add(generation('1'))
    await vi.waitFor(() => expect(work.lost).toBe(true), { timeout: 5000 })
    await vi.waitFor(() => expect(work.lost).toBe(false), { timeout: 9000 })
  }, 15_000)

  it('of what is not there any more takes it away', async () => {
    api.refusals = [404]
    work.add(generation('1'))
    await vi.waitFor(() => expect(work.jobs).toEqual([]))
  })

  it('is not left for what ended, and the next one gets its place', async () => {
    for (const id of ['1', '2', '3', '4', '5']) work.add(generation(id))
    await opened(3)
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(api.opened.map((one) => one.id).sort(), 'three at once: the rest of the connections are for pictures').toHaveLength(3)
    const [first] = api.opened
    first!.send('done', generation(first!.id, 'failed'), '3.done')
    await opened(4)
  })

  it('is not needed to learn the end: those without one are asked for', async () => {
    vi.useFakeTimers()
    try {
      const own = new Work(api.asApi, done)
      for (const id of ['1', '2', '3', '4']) own.add(generation(id))
      const [newest] = own.jobs
      api.known.set('4', generation('4', 'succeeded'))
      await vi.advanceTimersByTimeAsync(4100)
      expect(newest!.generation.state).toBe('succeeded')
      own.close()
    } finally {
      vi.useRealTimers()
    }
  })
})

describe('a cancel', () => {
  it('ends it', async () => {
    api.known.set('1', generation('1'))
    const job = work.add(generation('1'))
    await work.cancel(job)
    expect([api.cancelled, job.generation.state, job.isCancelling]).toEqual([['1'], 'cancelled', false])
  })

  it('that comes too late shows how it ended', async () => {
    api.known.set('1', generation('1', 'succeeded'))
    api.cancel = () => Promise.reject(new Problem(409, { detail: 'It has succeeded already.' }))
    const job = work.add(generation('1', 'running'))
    await work.cancel(job)
    expect(job.generation.state).toBe('succeeded')
  })

  it('that fails leaves it as it is', async () => {
    api.cancel = () => Promise.reject(new Problem(503, { detail: 'Trouble.' }))
    const job = work.add(generation('1', 'running'))
    await expect(work.cancel(job)).rejects.toThrow('Trouble.')
    expect([job.generation.state, job.isCancelling]).toEqual(['running', false])
  })
})
