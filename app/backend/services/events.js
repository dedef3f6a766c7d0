/**
 * Server-sent events of generations, to whoever watches them.
 *
 * The worker tells of progress, previews and changes as they come; so that nothing hangs on that, the records of all
 * watched generations are looked at every second too. An event's id is `<version of the record>.<step>`: it means the
 * same to every backend process, so a stream can be resumed after a restart. Places and previews have no id; they are
 * sent anew anyway.
 */
import { FINAL } from '../contract.js'

const LOOK_MS = 1000
const BEAT_MS = 15_000
// CloudFront ends a silent answer after 60 seconds.
const HELD_BYTES = 1_000_000
// More than this waiting for a slow reader: previews are left out for it.
export const STREAMS_PER_USER = 40

export class Events {
  /** @param {{generations: import('./generations.js').Generations, present: (record: object) => Promise<object>}} parts */
  constructor({ generations, queueView, present, log, lookMs = LOOK_MS, beatMs = BEAT_MS }) {
    Object.assign(this, { generations, queueView, present, log, watched: new Map(), perUser: new Map(), closing: false })
    this.timers = [setInterval(() => this.#look(), lookMs), setInterval(() => this.#beat(), beatMs)]
    for (const timer of this.timers) timer.unref()
  }

  /** Number of open streams. */
  get open() {
    return [...this.watched.values()].reduce((sum, streams) => sum + streams.size, 0)
  }

  isFull(user) {
    return (this.perUser.get(user) ?? 0) >= STREAMS_PER_USER
  }

  /**
   * Stream a generation to `response` (a raw one, its head not yet sent) until it is final, the reader goes, or `until`
   * (ms) has come.
   */
  async stream(record, { response, headers, lastEventId, user, until }) {
    if (response.destroyed) return // gone while we looked for the record: no 'close' will come
    const seen = parseId(lastEventId)
    if (FINAL.includes(record.state) && seen?.version === record.version && seen.step === 'done') {
      response.writeHead(204, headers).end() // tells an EventSource not to come again
      return
    }
    response.writeHead(200, {
      ...headers,
      'Content-Type': 'text/event-stream; charset=utf-8',
      'Cache-Control': 'no-store',
      'X-Accel-Buffering': 'no',
      // Else a server that closes waits for connections that may be used again once their stream has ended.
      Connection: 'close',
    })
    // An id from the future is of no record of ours: all is told.
    const { version: shown, step } = seen && seen.version <= record.version ? seen : { version: 0, step: 0 }
    const stream = { response, user, shown, step, sent: '' }
    response.write('retry: 2000\n\n')
    this.#add(record.id, stream)
    const timer = setTimeout(() => response.end(), Math.min(until - Date.now(), 2 ** 31 - 1))
    response.on('close', () => {
      clearTimeout(timer)
      this.#drop(record.id, stream)
    })
    await this.#show(record, [stream]).catch((error) => this.log.warn({ err: error }, 'shown at the next look'))
    if (this.closing) response.end()
  }

  /** Something that the worker tells: {id, version, type: 'changed'|'progress'|'preview', step?, steps?, image?}. */
  async tell({ id, version, type, ...data }) {
    const streams = this.watched.get(id)
    if (!streams) return false
    if (type === 'changed') {
      await this.#read([id])
      return true
    }
    // Whoever sees progress has seen that it runs, whatever came first.
    if (type === 'progress' && [...streams].some((stream) => stream.shown < version)) await this.#read([id])
    for (const stream of streams) {
      if (type === 'progress') {
        if (stream.shown !== version || !(data.step > stream.step)) continue
        stream.step = data.step
        send(stream, 'progress', { ...data, percent: Math.round((100 * data.step) / data.steps) }, `${version}.${data.step}`)
      } else if (stream.response.writableLength < HELD_BYTES) {
        send(stream, 'preview', data)
      }
    }
    return true
  }

  /** End all streams; their readers come again. */
  close() {
    this.closing = true
    for (const timer of this.timers) clearInterval(timer)
    for (const streams of this.watched.values()) for (const { response } of streams) response.end()
  }

  #add(id, stream) {
    const streams = this.watched.get(id) ?? new Set()
    this.watched.set(id, streams.add(stream))
    this.perUser.set(stream.user, (this.perUser.get(stream.user) ?? 0) + 1)
  }

  #drop(id, stream) {
    const streams = this.watched.get(id)
    if (!streams?.delete(stream)) return
    if (streams.size === 0) this.watched.delete(id)
    const left = this.perUser.get(stream.user) - 1
    if (left > 0) this.perUser.set(stream.user, left)
    else this.perUser.delete(stream.user)
  }

  async #look() {
    if (this.looking || this.watched.size === 0) return
    this.looking = true
    try {
      await this.#read([...this.watched.keys()])
    } catch (error) {
      this.log.warn({ err: error }, 'the records of watched generations could not be read')
    } finally {
      this.looking = false
    }
  }

  async #read(ids) {
    for (const record of await this.generations.getMany(ids)) {
      const streams = this.watched.get(record.id)
      if (streams) await this.#show(record, streams)
    }
  }

  /** Bring streams up to a record: a new state, or the place in the queue when that changed. */
  async #show(record, streams) {
    const isFinal = FINAL.includes(record.state)
    const isDue = ({ ended, shown }) => !ended && (record.version > shown || (isFinal && record.version === shown))
    const [place, whole] = await Promise.all([
      isFinal ? {} : this.queueView.place(record).catch(() => undefined),
      [...streams].some(isDue) ? this.present(record) : undefined,
    ])
    // No waiting from here on: two that show the same record at once must not both send it.
    for (const stream of streams) {
      if (isDue(stream)) {
        if (!whole) continue // it came meanwhile, and is shown by whoever let it in
        Object.assign(stream, { shown: record.version, step: 0, sent: JSON.stringify(place) })
        send(stream, isFinal ? 'done' : 'state', whole, `${record.version}.${isFinal ? 'done' : 0}`)
        if (isFinal) {
          stream.ended = true
          stream.response.end()
        }
      } else if (place && record.version === stream.shown && stream.sent !== JSON.stringify(place)) {
        stream.sent = JSON.stringify(place)
        send(stream, 'position', place)
      }
    }
  }

  #beat() {
    for (const { response } of [...this.watched.values()].flatMap((streams) => [...streams])) {
      // One that has ended is here until its slow reader has all of it; writing to it would bring the process down.
      if (!response.writableEnded) response.write(': still here\n\n')
    }
  }
}

function send({ response }, event, data, id) {
  if (response.writableEnded) return
  response.write(`${id ? `id: ${id}\n` : ''}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`)
}

/** {version, step} of an id; undefined for none, or one that isn't ours. A step is a number, or 'done'. */
function parseId(text) {
  const found = /^(\d{1,9})\.(\d{1,9}|done)$/.exec(text ?? '')
  return found ? { version: Number(found[1]), step: found[2] === 'done' ? 'done' : Number(found[2]) } : undefined
}
