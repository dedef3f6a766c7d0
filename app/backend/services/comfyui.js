/** ComfyUI's HTTP API, as much of it as we use. It is asked as a program, with no Origin header (it would answer 403). */

const ANSWER_MS = 10_000
const PICTURE_MS = 60_000

/** ComfyUI answered with a refusal; `body` is what it said. */
export class ComfyUiRefused extends Error {
  constructor(what, status, body) {
    super(`${what}: ${status} ${typeof body === 'string' ? body.slice(0, 300) : JSON.stringify(body).slice(0, 300)}`)
    this.status = status
    this.body = body
  }
}

/** ComfyUI did not answer: asleep, starting, or gone. */
export class ComfyUiAway extends Error {}

export class ComfyUi {
  /** @param {string} url such as http://172.16.0.10:8188 */
  constructor(url) {
    this.url = url
  }

  socketUrl(clientId) {
    return `${this.url.replace(/^http/, 'ws')}/ws?clientId=${encodeURIComponent(clientId)}`
  }

  /** Version and devices; the usual probe. */
  stats(limitMs = ANSWER_MS) {
    return this.#json('GET', '/system_stats', undefined, limitMs)
  }

  /** File names that it offers now in a model folder. */
  models(folder) {
    return this.#json('GET', `/models/${folder}`, undefined, 2000)
  }

  /** Queue a graph under our own id. Throws ComfyUiRefused with its node errors. */
  async queue(graph, { id, clientId }) {
    await this.#json('POST', '/prompt', { prompt: graph, prompt_id: id, client_id: clientId })
  }

  /** Ids that are running or wait. */
  async queued() {
    const { queue_running: running, queue_pending: pending } = await this.#json('GET', '/queue')
    return [...running, ...pending].map((entry) => entry[1])
  }

  /** What became of a prompt; undefined while it isn't finished, or was forgotten. */
  async history(id) {
    return (await this.#json('GET', `/history/${id}`))[id]
  }

  /** Forget what became of a prompt, so that the same id can run again. */
  async forget(id) {
    await this.#call('POST', '/history', JSON.stringify({ delete: [id] }))
  }

  /** Stop a prompt, whether it waits or runs; others are left alone. */
  async cancel(id) {
    await this.#call('POST', '/queue', JSON.stringify({ delete: [id] }))
    await this.#call('POST', '/interrupt', JSON.stringify({ prompt_id: id }))
  }

  /** Put a PNG into its input folder; returns the name under which LoadImage finds it. */
  async upload(name, bytes) {
    const form = new FormData()
    form.set('image', new Blob([bytes], { type: 'image/png' }), name)
    form.set('overwrite', 'true')
    const answer = await this.#call('POST', '/upload/image', form)
    const { name: kept, subfolder } = await answer.json()
    return subfolder ? `${subfolder}/${kept}` : kept
  }

  /** Bytes of a picture that it made. */
  async view({ filename, subfolder, type }) {
    const query = new URLSearchParams({ filename, subfolder, type })
    const answer = await this.#call('GET', `/view?${query}`, undefined, PICTURE_MS)
    return Buffer.from(await answer.arrayBuffer())
  }

  async #json(method, path, body, limitMs) {
    const answer = await this.#call(method, path, body && JSON.stringify(body), limitMs)
    try {
      return await answer.json()
    } catch (error) {
      throw new ComfyUiAway(`${method} ${path}: ${error.message}`, { cause: error })
    }
  }

  async #call(method, path, body, limitMs = ANSWER_MS) {
    let answer
    try {
      answer = await fetch(this.url + path, { method, body, signal: AbortSignal.timeout(limitMs) })
    } catch (error) {
      throw new ComfyUiAway(`${method} ${path}: ${error.cause?.code ?? error.message}`, { cause: error })
    }
    if (answer.ok) return answer
    const text = await answer.text().catch(() => '')
    throw new ComfyUiRefused(`${method} ${path}`, answer.status, parsed(text))
  }
}

function parsed(text) {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
