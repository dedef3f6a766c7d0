/** Who waits before whom, and for how long: one question a second to the table, whoever asks. */
import { KINDS } from '../contract.js'
import { cached } from './cached.js'

const FRESH_MS = 1000
const FIRST_GUESS_SECONDS = 8
// No picture was made yet: about what 25 steps take on an A10G.
const WEIGHT = 0.2
// How much the newest picture counts in the running mean.

export class QueueView {
  /** @param {{generations: import('./generations.js').Generations, gpu?: import('./gpu.js').Gpu}} parts */
  constructor({ generations, gpu }) {
    this.generations = generations
    this.gpu = gpu
    this.views = Object.fromEntries(KINDS.map((kind) => [kind, cached(FRESH_MS, () => this.#look(kind))]))
  }

  /** Ask now what `place` of a kind will need, for one who has something else to wait for first. */
  foresee(kind) {
    this.views[kind]().catch(() => {})
    this.gpu?.status().catch(() => {})
  }

  /** {queued, running, secondsPerPicture} of a kind. */
  async lengths(kind) {
    const { places, running, seconds } = await this.views[kind]()
    return { queued: places.size, running, secondsPerPicture: Math.round(seconds * 10) / 10 }
  }

  /**
   * Place among the waiting (1 is next) and seconds until the pictures are there. A generation too new to be seen stands
   * at the end. Running ones have place 0.
   */
  async place({ id, kind, state }) {
    const { places, running, seconds } = await this.views[kind]()
    const position = state === 'running' ? 0 : (places.get(id) ?? places.size + 1)
    const status = await this.gpu?.status()
    const asleep = status && status.state !== 'ready' ? (status.etaSeconds ?? 0) : 0
    const before = state === 'running' ? 0 : running > 0 ? position : position - 1
    return { position, etaSeconds: Math.ceil((before + 1) * seconds + asleep), gpu: status }
  }

  /** A picture took so long: learned for the estimates. Two workers may overwrite each other; it is an estimate. */
  async learn(kind, seconds) {
    const note = await this.generations.note(`stats#${kind}`)
    const mean = note?.seconds ? note.seconds + WEIGHT * (seconds - note.seconds) : seconds
    await this.generations.setNote(`stats#${kind}`, { seconds: Math.round(mean * 1000) / 1000 })
  }

  async #look(kind) {
    const [unfinished, note] = await Promise.all([
      this.generations.unfinished(kind),
      this.generations.note(`stats#${kind}`),
    ])
    const queued = unfinished.filter((one) => one.state === 'queued')
    return {
      places: new Map(queued.map((one, at) => [one.id, at + 1])),
      running: unfinished.length - queued.length,
      seconds: note?.seconds ?? FIRST_GUESS_SECONDS,
    }
  }
}
