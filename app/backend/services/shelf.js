/** What lies under loras/ in the bucket: styles, their versions, and the aliases that choose one (docs/decisions/0017). */
import { GetObjectCommand, HeadObjectCommand, ListObjectsV2Command } from '@aws-sdk/client-s3'
import { contract } from '../contract.js'

const LORAS = contract.prefixes.loras
const FILE = '.safetensors'
const SIDECAR = '.json'
const THUMBNAIL = '.jpg'
const ALIAS = '.alias.json'
const JSON_LIMIT = 64 * 1024
const AT_ONCE = 16
// Objects asked for at the same time.

/**
 * A LoRA in the bucket. `file`: its name without the suffix; `style`: the style that it is, or is a version of; `told`: what
 * is known of it.
 * @typedef {{bytes: number, publishedAt: string, sha256?: string, title?: string, triggerWord?: string, recommendedStrength?: number}} Told
 * @typedef {{file: string, style: string, isVersion: boolean, thumbnailKey?: string, told: Told}} Lora
 */

export class Shelf {
  constructor({ s3 }, { bucket }, log) {
    Object.assign(this, { s3, bucket, log, known: new Map(), missed: new Set() })
  }

  /**
   * All that is there now: what designers get, by the style's name; every file, by its own; names that were taken from
   * designers. What did not change since the last reading is not asked for again.
   * @returns {Promise<{styles: Map<string, Lora>, files: Map<string, Lora>, retired: Set<string>}>}
   */
  async read() {
    const objects = await this.#listed()
    const seen = new Map()
    const aliases = new Map()
    await each(ending(objects, ALIAS), async (name) => {
      const alias = await this.#once(seen, [objects.get(name + ALIAS)], (key) => this.#alias(key))
      if (alias) aliases.set(name, alias)
    })
    const files = new Map()
    await each(ending(objects, FILE), async (file) => {
      const object = objects.get(file + FILE)
      const sources = [object, objects.get(file + SIDECAR)]
      const described = await this.#once(seen, sources, (key, sidecarKey) => this.#described(object, key, sidecarKey))
      if (!described) return
      const thumbnailKey = objects.get(file + THUMBNAIL)?.Key
      files.set(file, { file, ...belongs(file, described.sidecar, aliases), thumbnailKey, told: described.told })
    })
    this.known = seen
    return { files, ...this.#chosen(files, aliases) }
  }

  #chosen(files, aliases) {
    const styles = new Map()
    const retired = new Set()
    for (const [file, lora] of files) if (!lora.isVersion && !aliases.has(file)) styles.set(file, lora)
    for (const [style, alias] of aliases) {
      const lora = files.get(alias.version)
      if (alias.retired) retired.add(style)
      else if (lora) styles.set(style, { ...lora, style })
      else this.#miss(style, alias.version)
    }
    return { styles, retired }
  }

  #miss(style, version) {
    const id = `${style} ${version}`
    if (!this.missed.has(id)) this.log.warn({ style, version }, "a style's version is not in the bucket: designers do not get it")
    this.missed.add(id)
  }

  /** Everything under loras/, by its name there. */
  async #listed() {
    const objects = new Map()
    let ContinuationToken
    do {
      const page = await this.s3.send(new ListObjectsV2Command({ Bucket: this.bucket, Prefix: LORAS, ContinuationToken }))
      for (const one of page.Contents ?? []) objects.set(one.Key.slice(LORAS.length), one)
      ContinuationToken = page.NextContinuationToken
    } while (ContinuationToken)
    return objects
  }

  /** What `ask` says of these objects, as they are now; from the last reading if that saw the same. Nothing of what is gone. */
  async #once(seen, objects, ask) {
    const id = objects.map((one) => (one ? `${one.Key} ${one.ETag}` : '')).join('\n')
    try {
      const answer = this.known.has(id) ? this.known.get(id) : await ask(...objects.map((one) => one?.Key))
      seen.set(id, answer)
      return answer
    } catch (error) {
      if (![403, 404].includes(error.$metadata?.httpStatusCode)) throw error
      this.log.warn({ err: error, key: objects[0].Key }, 'a style went away while it was read, or may not be read')
      return undefined
    }
  }

  async #described({ Size, LastModified }, Key, sidecarKey) {
    const [{ Metadata }, sidecar] = await Promise.all([
      this.s3.send(new HeadObjectCommand({ Bucket: this.bucket, Key })),
      sidecarKey ? this.#sidecar(sidecarKey) : {},
    ])
    return {
      sidecar,
      told: {
        bytes: Size,
        publishedAt: LastModified.toISOString(),
        ...(Metadata?.sha256 ? { sha256: Metadata.sha256 } : {}),
        ...(typeof sidecar.title === 'string' ? { title: sidecar.title } : {}),
        ...(typeof sidecar.triggerWord === 'string' ? { triggerWord: sidecar.triggerWord } : {}),
        ...(typeof sidecar.recommendedStrength === 'number' ? { recommendedStrength: sidecar.recommendedStrength } : {}),
      },
    }
  }

  /** What was written beside the file. A broken one is told of in the log; the style works without it. */
  async #sidecar(key) {
    const text = await this.#text(key)
    try {
      return objectIn(text)
    } catch (error) {
      this.log.warn({ err: error, key }, "a style's sidecar cannot be read")
      return {}
    }
  }

  /** A broken alias is told of in the log, and hides its style: which version was meant nobody knows. */
  async #alias(key) {
    const text = await this.#text(key)
    try {
      const { version, retired = false } = objectIn(text)
      if (typeof version !== 'string' || typeof retired !== 'boolean') throw new Error('it needs version and retired')
      return { version, retired }
    } catch (error) {
      this.log.warn({ err: error, key }, "a style's alias cannot be read: designers do not get it")
      return { version: '', retired: true }
    }
  }

  /** The object's text; empty when it is too long to be one of ours. That S3 gives none is the caller's to know. */
  async #text(Key) {
    const { Body, ContentLength } = await this.s3.send(new GetObjectCommand({ Bucket: this.bucket, Key }))
    if (ContentLength <= JSON_LIMIT) return Body.transformToString()
    Body.destroy()
    return ''
  }
}

function objectIn(text) {
  const found = JSON.parse(text)
  if (found === null || typeof found !== 'object' || Array.isArray(found)) throw new Error('no JSON object')
  return found
}

/** A file is a version when its sidecar says of which style, and that style has an alias or the sidecar is this file's own. */
function belongs(file, { style, version }, aliases) {
  const isVersion = typeof style === 'string' && style !== file && (aliases.has(style) || version === file)
  return { style: isVersion ? style : file, isVersion }
}

/** Names, without the ending, of those that have it. */
const ending = (objects, end) => [...objects.keys()].filter((name) => name.endsWith(end)).map((name) => name.slice(0, -end.length))

async function each(names, work) {
  for (let at = 0; at < names.length; at += AT_ONCE) await Promise.all(names.slice(at, at + AT_ONCE).map(work))
}
