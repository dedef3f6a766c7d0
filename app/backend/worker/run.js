/**
 * A prompt's run on ComfyUI: queued under the generation's id, or found there already, and followed to its end by the
 * WebSocket and by the history both, since a broken socket's messages are lost.
 */
import { ComfyUiAway } from '../services/comfyui.js'
import { failure } from '../problems.js'
import { AttemptFailed, NotOurs, ofExecution, ofRefusal } from './failures.js'

const POLL_MS = 1000
const GONE_CHECKS = 3
// So many looks in a row must find a prompt neither queued nor in the history before it counts as lost.

/**
 * Queue the record's graph unless ComfyUI has it already, and wait for its pictures. Returns their places on ComfyUI,
 * [{filename, subfolder, type}]. Throws AttemptFailed, or NotOurs when `signal` is aborted.
 */
export async function run(record, { comfyUi, socket, reporter, pictureMs, signal }) {
  const follower = new Follower(record, { comfyUi, socket, reporter, pictureMs, signal })
  try {
    const isKnown = record.attempts > 1 && (await adopt(record, comfyUi))
    if (!isKnown) await queue(record, { comfyUi, clientId: socket.clientId })
    return await follower.outcome()
  } catch (error) {
    if (error instanceof ComfyUiAway) throw lost(error)
    throw error
  } finally {
    follower.stop()
  }
}

/** Whether the prompt is there from before: running, waiting or done. What failed there is forgotten, to run anew. */
async function adopt(record, comfyUi) {
  if ((await comfyUi.queued()).includes(record.id)) return true
  const before = await comfyUi.history(record.id)
  if (before?.status.status_str === 'success') return true
  if (before) await comfyUi.forget(record.id)
  return false
}

async function queue(record, { comfyUi, clientId }) {
  try {
    await comfyUi.queue(record.recipe.graph, { id: record.id, clientId })
  } catch (error) {
    throw ofRefusal(error) ?? error
  }
}

const lost = (error) => new AttemptFailed(failure('server_lost', { detail: error.message }))

/** Follows one prompt; `outcome` settles once. */
class Follower {
  constructor(record, { comfyUi, socket, reporter, pictureMs, signal }) {
    Object.assign(this, { record, comfyUi, socket, reporter, pictureMs, signal })
    this.images = []
    this.missing = 0
    this.progressAt = Date.now()
    this.settled = new Promise((resolve, reject) => Object.assign(this, { resolve, reject }))
    this.settled.catch(() => {}) // it may fail before anybody waits for it
    this.name = `message:${record.id}`
    this.onMessage = (message) => this.#take(message)
    socket.on(this.name, this.onMessage)
    this.onAbort = () => this.reject(new NotOurs('given up'))
    signal.addEventListener('abort', this.onAbort)
    if (signal.aborted) this.onAbort()
  }

  outcome() {
    this.timer = setTimeout(() => this.#poll(), POLL_MS)
    return this.settled
  }

  stop() {
    this.stopped = true
    clearTimeout(this.timer)
    this.socket.off(this.name, this.onMessage)
    this.signal.removeEventListener('abort', this.onAbort)
  }

  #take({ type, data }) {
    this.progressAt = Date.now()
    switch (type) {
      case 'progress':
        this.reporter.progress(this.record, data.value, data.max)
        break
      case 'preview':
        this.reporter.preview(this.record, data)
        break
      case 'executed':
        this.images.push(...(data.output?.images ?? []))
        break
      case 'execution_success':
        if (this.images.length >= this.record.request.count) this.resolve(this.images)
        else this.#poll()
        break
      case 'execution_error':
        this.reject(ofExecution(data))
        break
      case 'execution_interrupted':
        this.reject(new AttemptFailed(failure('server_error', { detail: 'interrupted on ComfyUI' })))
        break
      default:
    }
  }

  /** Look whether it is done without our having been told, or is there no more, or makes no progress. */
  async #poll() {
    clearTimeout(this.timer)
    if (this.stopped) return
    try {
      await this.#look()
    } catch (error) {
      if (!(error instanceof ComfyUiAway)) this.reject(error)
      else if (++this.missing >= GONE_CHECKS) this.reject(lost(error))
    }
    clearTimeout(this.timer)
    if (!this.stopped) this.timer = setTimeout(() => this.#poll(), POLL_MS)
  }

  async #look() {
    const done = await this.comfyUi.history(this.record.id)
    if (done) return this.#conclude(done)
    if (!(await this.comfyUi.queued()).includes(this.record.id)) {
      // It may have ended between the two questions.
      const late = await this.comfyUi.history(this.record.id)
      if (late) return this.#conclude(late)
      if (++this.missing >= GONE_CHECKS) throw lostPrompt()
      return undefined
    }
    this.missing = 0
    if (Date.now() - this.progressAt > this.pictureMs) {
      await this.comfyUi.cancel(this.record.id).catch(() => {})
      const detail = `no progress for ${this.pictureMs / 1000} s`
      throw new AttemptFailed(failure('no_progress', { detail }))
    }
    return undefined
  }

  #conclude({ outputs, status }) {
    if (status.status_str === 'success') {
      this.resolve(Object.values(outputs).flatMap((output) => output.images ?? []))
      return
    }
    const [type, data] = status.messages.at(-1) ?? ['', {}]
    this.reject(
      type === 'execution_interrupted'
        ? new AttemptFailed(failure('server_error', { detail: 'interrupted on ComfyUI' }))
        : ofExecution(data),
    )
  }
}

const lostPrompt = () => new AttemptFailed(failure('server_lost', { detail: 'ComfyUI forgot the prompt: it was restarted' }))
