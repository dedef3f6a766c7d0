/**
 * ComfyUI's WebSocket: one for all prompts of a kind, kept open, connected again when it breaks. What it missed is not
 * repeated by ComfyUI, so whoever follows a prompt also polls the history (job.js).
 */
import { EventEmitter } from 'node:events'
import WebSocket from 'ws'

const RETRY_MS = [200, 500, 1000, 2000]
const BEAT_MS = 10_000
const HANDSHAKE_MS = 5000
const PREVIEW_WITH_METADATA = 4
const FEATURES = { type: 'feature_flags', data: { supports_preview_metadata: true } }

/** Emits `message:<prompt id>` with {type, data}, and `open`, `closed`. */
export class ComfySocket extends EventEmitter {
  /** @param {import('../services/comfyui.js').ComfyUi} comfyUi */
  constructor(comfyUi, clientId, log) {
    super()
    Object.assign(this, { comfyUi, clientId, log, tries: 0, isOpen: false, isStopped: false })
    this.setMaxListeners(0)
  }

  /** Connect now, and again whenever it breaks, until `stop`. */
  start() {
    const socket = new WebSocket(this.comfyUi.socketUrl(this.clientId), {
      handshakeTimeout: HANDSHAKE_MS,
      perMessageDeflate: false,
      maxPayload: 32 * 1024 * 1024,
    })
    this.socket = socket
    let alive = true
    const beat = setInterval(() => {
      if (!alive) return socket.terminate()
      alive = false
      if (socket.readyState === WebSocket.OPEN) socket.ping()
    }, BEAT_MS)
    socket.on('pong', () => (alive = true))
    socket.on('open', () => {
      this.tries = 0
      this.isOpen = true
      socket.send(JSON.stringify(FEATURES)) // only the first message counts
      this.emit('open')
    })
    socket.on('message', (bytes, isBinary) => {
      alive = true
      try {
        if (isBinary) this.#binary(bytes)
        else this.#text(JSON.parse(bytes))
      } catch (error) {
        this.log.warn({ err: error }, 'a message of ComfyUI could not be read')
      }
    })
    socket.on('error', () => {}) // 'close' follows
    socket.on('close', () => {
      clearInterval(beat)
      if (this.isOpen) this.emit('closed')
      this.isOpen = false
      if (!this.isStopped) this.timer = setTimeout(() => this.start(), RETRY_MS[Math.min(this.tries++, RETRY_MS.length - 1)])
    })
  }

  stop() {
    this.isStopped = true
    clearTimeout(this.timer)
    this.socket?.terminate()
  }

  #text(message) {
    const id = message.data?.prompt_id
    if (id) this.emit(`message:${id}`, message)
  }

  /** A preview: u32 type, u32 length, JSON, image. Those without metadata belong to nobody knows whom, and are dropped. */
  #binary(bytes) {
    if (bytes.length < 8 || bytes.readUInt32BE(0) !== PREVIEW_WITH_METADATA) return
    const length = bytes.readUInt32BE(4)
    const about = JSON.parse(bytes.subarray(8, 8 + length))
    this.emit(`message:${about.prompt_id}`, {
      type: 'preview',
      data: { mime: about.image_type ?? 'image/jpeg', image: bytes.subarray(8 + length) },
    })
  }
}
