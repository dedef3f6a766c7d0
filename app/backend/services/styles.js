/** Styles (LoRAs): what the bucket has, what is known of each, and which ones ComfyUI really offers now. */
import { GetObjectCommand, HeadObjectCommand, ListObjectsV2Command } from '@aws-sdk/client-s3'
import { contract, KINDS } from '../contract.js'
import { cached } from './cached.js'

const LORAS = contract.prefixes.loras
const SUFFIX = '.safetensors'
const BUCKET_MS = 15_000
const OFFERED_MS = 5000
const SIDECAR_LIMIT = 64 * 1024

export class Styles {
  constructor({ s3 }, { bucket }, { comfyUi, log }) {
    Object.assign(this, { s3, bucket, comfyUi, log, known: new Map() })
    this.stored = cached(BUCKET_MS, () => this.#stored())
    this.offered = Object.fromEntries(
      KINDS.map((kind) => [kind, cached(OFFERED_MS, () => comfyUi[kind].models('loras').catch(() => null))]),
    )
  }

  /** All styles by name, each with `offered` by kind: true, false, or null while ComfyUI sleeps. */
  async list() {
    const [stored, ...offered] = await Promise.all([this.stored(), ...KINDS.map((kind) => this.offered[kind]())])
    const names = new Set([...stored.keys(), ...offered.flatMap((files) => (files ?? []).map(nameOf))])
    return [...names].sort().map((name) => ({
      name,
      title: name,
      ...stored.get(name),
      offered: Object.fromEntries(
        KINDS.map((kind, at) => [kind, offered[at] ? offered[at].includes(fileOf(name)) : null]),
      ),
    }))
  }

  /** One style, or undefined. Asks ComfyUI only for one that the bucket doesn't have. */
  async find(name) {
    const stored = (await this.stored()).get(name)
    if (stored) return { name, ...stored }
    return (await this.list()).find((one) => one.name === name)
  }

  async #stored() {
    const found = new Map()
    let ContinuationToken
    do {
      const page = await this.s3.send(
        new ListObjectsV2Command({ Bucket: this.bucket, Prefix: LORAS, ContinuationToken }),
      )
      const objects = (page.Contents ?? []).filter((one) => one.Key.endsWith(SUFFIX))
      const sidecars = new Set((page.Contents ?? []).map((one) => one.Key).filter((key) => key.endsWith('.json')))
      for (const one of objects) {
        const name = nameOf(one.Key.slice(LORAS.length))
        found.set(name, await this.#describe(one, sidecars.has(`${LORAS}${name}.json`)))
      }
      ContinuationToken = page.NextContinuationToken
    } while (ContinuationToken)
    this.known = new Map([...this.known].filter(([etag]) => [...found.values()].some((one) => one.etag === etag)))
    return found
  }

  /** What is known of an object; asked for once for each version of it. */
  async #describe({ Key, ETag, Size, LastModified }, hasSidecar) {
    const before = this.known.get(ETag)
    if (before && before.hasSidecar === hasSidecar) return before
    const { Metadata } = await this.s3.send(new HeadObjectCommand({ Bucket: this.bucket, Key }))
    const described = {
      etag: ETag,
      hasSidecar,
      bytes: Size,
      publishedAt: LastModified.toISOString(),
      ...(Metadata?.sha256 ? { sha256: Metadata.sha256 } : {}),
      ...(hasSidecar ? await this.#sidecar(Key) : {}),
    }
    this.known.set(ETag, described)
    return described
  }

  /** What training wrote beside the file. A broken one is told of in the log; the style works without it. */
  async #sidecar(key) {
    const Key = key.replace(/\.safetensors$/, '.json')
    try {
      const { Body, ContentLength } = await this.s3.send(new GetObjectCommand({ Bucket: this.bucket, Key }))
      if (ContentLength > SIDECAR_LIMIT) throw new Error(`${ContentLength} bytes`)
      const said = JSON.parse(await Body.transformToString())
      return {
        ...(typeof said.title === 'string' ? { title: said.title } : {}),
        ...(typeof said.triggerWord === 'string' ? { triggerWord: said.triggerWord } : {}),
        ...(typeof said.recommendedStrength === 'number' ? { recommendedStrength: said.recommendedStrength } : {}),
      }
    } catch (error) {
      this.log.warn({ err: error, key: Key }, "a style's sidecar cannot be read")
      return {}
    }
  }
}

export const fileOf = (name) => `${name}${SUFFIX}`
const nameOf = (file) => file.replace(/\.safetensors$/, '')
