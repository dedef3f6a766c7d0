/** Tells the API's process what happens, for the event streams. Best effort: it looks at the records as well. */
import http from 'node:http'
import { INTERNAL_KEY_HEADER } from '../routes/service.js'
import { contract } from '../contract.js'

const LIMIT_MS = 2000
const PREVIEW_MS = 400
// Least time between two previews of a generation: an eye sees no more, and each is some 20 KB.

export class Reporter {
  constructor({ eventsUrl, eventKey, originSecret }, log) {
    this.url = `${eventsUrl}/internal/events`
    this.headers = {
      'Content-Type': 'application/json',
      [INTERNAL_KEY_HEADER]: eventKey,
      [contract.originSecretHeader]: originSecret,
    }
    this.agent = new http.Agent({ keepAlive: true })
    this.log = log
    this.previews = new Map()
    this.pending = new Map()
  }

  changed(record) {
    return this.#send({ id: record.id, type: 'changed' })
  }

  /** Only the newest progress of a generation is kept while one is on its way. */
  progress(record, step, steps) {
    this.#newest(record.id, { id: record.id, version: record.version, type: 'progress', step, steps })
  }

  preview(record, { mime, image }) {
    const last = this.previews.get(record.id) ?? 0
    if (Date.now() - last < PREVIEW_MS) return
    this.previews.set(record.id, Date.now())
    this.#send({ id: record.id, version: record.version, type: 'preview', image: `data:${mime};base64,${image.toString('base64')}` })
  }

  forget(id) {
    this.previews.delete(id)
    this.pending.delete(id)
  }

  async #newest(id, event) {
    const isBusy = this.pending.has(id)
    this.pending.set(id, event)
    if (isBusy) return
    while (this.pending.get(id)) {
      const next = this.pending.get(id)
      await this.#send(next)
      if (this.pending.get(id) === next) this.pending.delete(id)
    }
  }

  /** Resolves when it is told, or can't be. node:http, since fetch took a twelfth of the worker's time for this alone. */
  #send(event) {
    return new Promise((resolve) => {
      const failed = (error) => {
        this.log.debug({ err: error }, 'the API was not told; it looks for itself')
        resolve()
      }
      const request = http.request(this.url, { method: 'POST', headers: this.headers, agent: this.agent, timeout: LIMIT_MS })
      request.on('response', (answer) => answer.resume().on('close', resolve))
      request.on('timeout', () => request.destroy(new Error(`no answer after ${LIMIT_MS} ms`)))
      request.on('error', failed)
      request.end(JSON.stringify(event))
    })
  }
}
