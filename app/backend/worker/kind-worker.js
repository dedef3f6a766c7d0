/**
 * The loop of one kind: receives messages, claims their records, has them worked on, and settles both.
 *
 * A message stays unseen and a record stays leased while this worker renews them. The record decides: a message whose
 * record has ended is deleted, one whose record is another's is left alone, and comes again.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { FINAL } from '../contract.js'
import { failure } from '../problems.js'
import { POLL_SECONDS } from '../services/queues.js'
import { AttemptFailed, NotOurs } from './failures.js'
import { makePictures } from './job.js'
import { ComfySocket } from './socket.js'

const SLOTS = 2
// One runs on ComfyUI while the other's pictures are stored: the GPU never waits for us.
const HIDDEN_SECONDS = 40
// A message handed to a worker that died meanwhile is back after this.
const RENEW_MS = 12_000
const ASLEEP_LOOK_MS = 3000
const TROUBLE_MS = 2000
const AGAIN_SECONDS = 2
// So long a message rests after a failed attempt.

export class KindWorker {
  /** @param {object} parts core services, reporter, log */
  constructor(kind, config, parts) {
    Object.assign(this, { kind, ...parts })
    this.log = parts.log.child({ kind })
    this.server = parts.comfyUi[kind]
    this.workerName = config.workerName
    this.maxAttempts = config.maxAttempts
    this.pictureMs = config.limits.pictureSeconds * 1000
    this.socket = new ComfySocket(this.server, `${config.workerName}-${kind}-${randomUUID()}`, this.log)
    this.active = new Map()
    this.emptyAt = 0
    this.stopping = new AbortController()
  }

  /** Work until `stop`; then finish what runs. */
  async run() {
    this.socket.start()
    this.socket.on('open', () => this.gpu.awake().catch((error) => this.log.warn({ err: error }, 'a start was not learned')))
    await this.#patiently(() => this.#adoptOwn())
    while (!this.stopping.signal.aborted) await this.#patiently(() => this.#next())
    await Promise.allSettled([...this.active.values()].map((job) => job.done))
    this.socket.stop()
  }

  stop() {
    this.stopping.abort()
  }

  async #patiently(step) {
    try {
      await step()
    } catch (error) {
      if (this.stopping.signal.aborted) return
      this.log.error({ err: error }, 'AWS or ComfyUI has trouble; trying again')
      await this.#sleep(TROUBLE_MS)
    }
  }

  /** One message, or a look whether a sleeping GPU is needed. */
  async #next() {
    if (this.active.size >= SLOTS) {
      await Promise.race([...[...this.active.values()].map((job) => job.done), this.#stopped()])
      return
    }
    if (!this.socket.isOpen && (await this.#isWorkWaiting())) return this.#wake()
    const message = await this.queues.receive(this.kind, {
      visibilitySeconds: HIDDEN_SECONDS,
      signal: this.stopping.signal,
    })
    if (!message) this.emptyAt = Date.now()
    else if (this.socket.isOpen) await this.#take(message)
    else await this.#takeAsleep(message)
  }

  /** Whether the queue had nothing for this worker a moment ago. */
  get isQueueEmpty() {
    return Date.now() - this.emptyAt < 2.2 * POLL_SECONDS * 1000
  }

  async #isWorkWaiting() {
    return (await this.generations.unfinished(this.kind, { limit: 1 })).length > 0
  }

  /** ComfyUI is away and needed: its machine is woken if it sleeps, and the messages stay in the queue. */
  async #wake() {
    await this.gpu.wake()
    await Promise.race([this.#sleep(ASLEEP_LOOK_MS), new Promise((resolve) => this.socket.once('open', resolve))])
  }

  /** A message while ComfyUI is away: what has ended needs no GPU, all else waits for it. */
  async #takeAsleep(message) {
    const known = message.id ? await this.generations.get(message.id) : undefined
    if (!known || FINAL.includes(known.state)) return this.#discard(message, known)
    await this.queues.hide(this.kind, message.handle, AGAIN_SECONDS)
    return this.#wake()
  }

  async #take(message) {
    if (!message.id) return this.#discard(message)
    const inHand = this.active.get(message.id)
    if (inHand) {
      inHand.message = message // delivered again: only the newest receipt is sure to work
      return undefined
    }
    const record = await this.#claim(message.id)
    if (record) return this.#start(record, message)
    const known = await this.generations.get(message.id)
    if (known && !FINAL.includes(known.state)) return undefined // another worker's: comes again if that one dies
    return this.#discard(message, known)
  }

  /** Delete a message that asks for nothing: its record has ended, or there is none. */
  async #discard(message, known) {
    if (!message.id) this.log.error({ body: message.body?.slice(0, 200) }, 'a message that is not ours was dropped')
    if (known?.state === 'cancelled' || known?.state === 'failed') {
      await this.pictures.deleteGeneration(message.id, known.request.count)
    }
    return this.queues.delete(this.kind, message.handle)
  }

  #claim(id, token) {
    const leaseToken = randomUUID()
    return this.generations.claim(id, { workerName: this.workerName, leaseToken, leaseUntil: leaseEnd(), token })
  }

  /** What this worker's process before had in hand when it died; their messages come later, and find them ended. */
  async #adoptOwn() {
    for (const { id, state, workerName } of await this.generations.unfinished(this.kind)) {
      if (state !== 'running' || workerName !== this.workerName) continue
      const { leaseToken } = await this.generations.get(id)
      const record = await this.#claim(id, leaseToken)
      if (!record) continue
      this.log.info({ generation: id }, 'adopted after a restart')
      this.#start(record)
    }
  }

  #start(record, message) {
    const given = new AbortController()
    const job = { record, message, given }
    this.active.set(record.id, job)
    job.done = this.#work(job)
      .catch((error) => this.log.error({ err: error, generation: record.id }, 'not settled: its message comes again'))
      .finally(() => {
        this.active.delete(record.id)
        this.reporter.forget(record.id)
      })
  }

  async #work(job) {
    const { record, given } = job
    const renewal = setInterval(() => this.#renew(job), RENEW_MS)
    this.reporter.changed(record)
    try {
      if (record.attempts > this.maxAttempts) {
        throw new AttemptFailed(record.error ?? failure('server_lost'), { isFinal: true })
      }
      const { images, seconds } = await makePictures(record, { ...this, comfyUi: this.server }, given.signal)
      const isDone = await this.#persist(() =>
        this.generations.finish(record, 'succeeded', { leaseToken: record.leaseToken, set: { images } }),
      )
      if (!isDone) throw new NotOurs('ended by another')
      this.log.info({ generation: record.id, attempt: record.attempts, seconds }, 'succeeded')
      await this.#settle(job)
      await this.queueView.learn(this.kind, seconds / images.length)
      await this.server.forget(record.id)
    } catch (error) {
      await this.#failed(job, error)
    } finally {
      clearInterval(renewal)
    }
  }

  /** After an error: another attempt, or the end with its reason. */
  async #failed(job, error) {
    const { record } = job
    const now = await this.#persist(() => this.generations.get(record.id))
    if (!now || now.leaseToken !== record.leaseToken || FINAL.includes(now.state)) {
      return this.#drop(job, now)
    }
    const attempt = error instanceof AttemptFailed ? error : new AttemptFailed(failure('server_error', { detail: String(error) }))
    this.log.warn({ generation: record.id, attempt: record.attempts, err: attempt }, 'an attempt failed')
    if (!attempt.isFinal && record.attempts < this.maxAttempts) {
      const { leaseToken, attempts } = record
      await this.#persist(() => this.generations.release(record.id, leaseToken, { attempts, error: attempt.failure }))
      this.reporter.changed(record)
      return this.#again(job)
    }
    const isEnded = await this.#persist(() =>
      this.generations.finish(record, 'failed', { leaseToken: record.leaseToken, set: { error: attempt.failure } }),
    )
    // What was cancelled meanwhile is nothing to bury.
    if (isEnded) await this.#persist(() => this.queues.bury(this.kind, record.id, attempt.failure.code))
    if (isEnded) await this.#removePictures(record)
    return this.#settle(job)
  }

  /** Cancelled, ended, or taken by another: nothing of it is kept here. */
  async #drop(job, now) {
    if (now?.state === 'cancelled' || now?.state === 'failed') {
      await this.server.cancel(job.record.id).catch(() => {})
      await this.#removePictures(job.record)
    }
    if (!now || FINAL.includes(now.state)) await this.#settle(job)
  }

  #removePictures({ id, request }) {
    return this.#persist(() => this.pictures.deleteGeneration(id, request.count))
  }

  /** The record is final: its message goes, and those who watch are told. */
  async #settle({ record, message }) {
    this.reporter.changed(record)
    if (message) await this.#persist(() => this.queues.delete(this.kind, message.handle))
  }

  /** The same message again soon; one that was adopted without a message gets a new one. */
  async #again({ record, message }) {
    if (message) await this.queues.hide(this.kind, message.handle, AGAIN_SECONDS)
    else await this.queues.send(this.kind, record.id)
  }

  async #renew({ record, message, given }) {
    try {
      const isOurs = await this.generations.renew(record.id, record.leaseToken, leaseEnd())
      if (!isOurs) return given.abort()
      if (message) await this.queues.hide(this.kind, message.handle, HIDDEN_SECONDS)
    } catch (error) {
      this.log.warn({ err: error, generation: record.id }, 'not renewed; trying again')
    }
    return undefined
  }

  /** Pictures are made: AWS's trouble of a minute must not lose them. */
  async #persist(step, tries = 8) {
    for (let attempt = 1; ; attempt++) {
      try {
        return await step()
      } catch (error) {
        if (attempt >= tries) throw error
        await sleep(Math.min(250 * 2 ** attempt, 8000))
      }
    }
  }

  async #sleep(ms) {
    await sleep(ms, undefined, { signal: this.stopping.signal }).catch(() => {})
  }

  #stopped() {
    return new Promise((resolve) => this.stopping.signal.addEventListener('abort', resolve, { once: true }))
  }
}

const leaseEnd = () => new Date(Date.now() + HIDDEN_SECONDS * 1000).toISOString()
