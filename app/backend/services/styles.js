/** Styles (LoRAs) to choose from: what designers get of those in the bucket, and which ones ComfyUI really offers now. */
import { KINDS } from '../contract.js'
import { cached } from './cached.js'
import { Shelf } from './shelf.js'

const SUFFIX = '.safetensors'
const BUCKET_MS = 15_000
const OFFERED_MS = 5000

export class Styles {
  constructor(clients, config, { comfyUi, log }) {
    const shelf = new Shelf(clients, config, log)
    this.shelf = cached(BUCKET_MS, () => shelf.read())
    this.offered = Object.fromEntries(
      KINDS.map((kind) => [kind, cached(OFFERED_MS, () => comfyUi[kind].models('loras').catch(() => null))]),
    )
  }

  /** All styles by name, each with `offered` of its version's file by kind: true, false, or null while ComfyUI sleeps. */
  async list() {
    const [{ styles, files, retired }, ...offered] = await Promise.all([this.shelf(), ...KINDS.map((kind) => this.offered[kind]())])
    // What somebody put on the machine by hand; of what is in the bucket the aliases decide.
    const others = offered.flatMap((there) => (there ?? []).map(nameOf)).filter((name) => !files.has(name) && !retired.has(name))
    return [...new Set([...styles.keys(), ...others])].sort().map((name) => {
      const lora = styles.get(name)
      const file = fileOf(lora?.file ?? name)
      return {
        name,
        title: name,
        ...(lora ? { ...lora.told, version: lora.file } : {}),
        ...(lora?.thumbnailKey ? { thumbnailKey: lora.thumbnailKey } : {}),
        offered: Object.fromEntries(KINDS.map((kind, at) => [kind, offered[at] ? offered[at].includes(file) : null])),
      }
    })
  }

  /**
   * What a wish means by this name, or undefined: a style's version that designers get now, or a version by its own name,
   * so that a recipe can be made again. Asks ComfyUI only for one that the bucket doesn't have.
   * @returns {Promise<{style: string, file: string, sha256?: string, triggerWord?: string, recommendedStrength?: number} | undefined>}
   */
  async find(name) {
    const { styles, files, retired } = await this.shelf()
    if (retired.has(name)) return undefined
    const found = styles.get(name) ?? files.get(name)
    if (found) return { style: found.style, file: found.file, ...found.told }
    const other = (await this.list()).find((one) => one.name === name)
    return other && { style: name, file: name }
  }

  /** Where the thumbnail of a style, or of a version by its own name, lies; `isFinal`: it never changes. Undefined without. */
  async thumbnail(name) {
    const { styles, files } = await this.shelf()
    const lora = files.get(name) ?? styles.get(name)
    return lora?.thumbnailKey && { key: lora.thumbnailKey, isFinal: lora.isVersion && lora.file === name }
  }
}

export const fileOf = (name) => `${name}${SUFFIX}`
const nameOf = (file) => file.replace(/\.safetensors$/, '')
