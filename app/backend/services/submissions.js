/** Takes a designer's wish: checks what a schema can't, makes the recipe, keeps the record, sends the message. */
import { createHash, randomInt, randomUUID } from 'node:crypto'
import { v5 as uuidOf } from 'uuid'
import { fieldProblem, Problem } from '../problems.js'
import { KNOWN, TOO_MANY } from './generations.js'
import { fileOf } from './styles.js'

const KEYS_NAMESPACE = '2f8ce1d6-6a31-4a0e-9d0a-6f0f6b1f4a55'
// Of ids made from an owner and an Idempotency-Key; any fixed UUID will do, and it must stay.

export const DEFAULTS = { width: 512, height: 512, steps: 25, guidance: 7, count: 1, styleStrength: 0.8, sketchStrength: 0.9 }
export const MAX_SEED = 2 ** 32 - 1

export class Submissions {
  /** @param {object} parts generations, queues, styles, workflows, queueView, log */
  constructor({ limits, retentionDays }, parts) {
    Object.assign(this, { limits, retentionDays, ...parts })
  }

  /** Accept `body` for `owner`. Returns {record, isReplay}. Throws Problem 400, 422, 429. */
  async submit(owner, body, key) {
    const hash = createHash('sha256').update(JSON.stringify(sorted(body))).digest('hex')
    const id = key ? uuidOf(`${owner}\n${key}`, KEYS_NAMESPACE) : randomUUID()
    const [style, sketch] = await Promise.all([this.#style(body), this.#sketch(owner, body)])
    const record = this.#record({ id, owner, body, hash, style, sketch })
    this.queueView.foresee(record.kind) // the answer tells the place: asked for meanwhile, not after
    const outcome = await this.generations.accept(record, this.limits.unfinishedPerUser)
    if (outcome === TOO_MANY) throw await this.#tooMany(record.kind)
    if (outcome === KNOWN) return { record: await this.#replay(id, owner, hash), isReplay: true }
    try {
      await this.queues.send(record.kind, id)
    } catch (error) {
      // Accepted all the same: the worker's sweep sends what the queue doesn't know.
      this.log.error({ err: error, generation: id }, 'the message could not be sent; it will be, later')
    }
    return { record, isReplay: false }
  }

  async #style({ style, styleStrength }) {
    if (style === undefined) {
      if (styleStrength !== undefined) throw fieldProblem('styleStrength', 'needs_style', 'needs a style')
      return undefined
    }
    const found = await this.styles.find(style)
    if (found) return found
    const names = (await this.styles.list()).map((one) => one.name)
    throw fieldProblem('style', 'unknown_style', 'is not known', names.join(', ') || 'none yet: no style has been published')
  }

  async #sketch(owner, { sketchId, sketchStrength, sketchEnd }) {
    if (sketchId === undefined) {
      for (const [field, value] of Object.entries({ sketchStrength, sketchEnd })) {
        if (value !== undefined) throw fieldProblem(field, 'needs_sketch', 'needs a sketchId')
      }
      return undefined
    }
    const found = await this.generations.note(`sketch#${sketchId}`)
    if (found?.owner === owner) return found
    throw fieldProblem('sketchId', 'unknown_sketch', 'is no sketch of yours', 'the id that POST /api/sketches gave')
  }

  #record({ id, owner, body, hash, style, sketch }) {
    const kind = sketch ? 'sketch' : 'text'
    const request = {
      ...pick(DEFAULTS, ['width', 'height', 'steps', 'guidance', 'count']),
      ...(style ? { styleStrength: style.recommendedStrength ?? DEFAULTS.styleStrength } : {}),
      ...(sketch ? { sketchStrength: DEFAULTS.sketchStrength } : {}),
      seed: randomInt(MAX_SEED + 1),
      ...body,
    }
    const at = new Date()
    return {
      id,
      owner,
      kind,
      queue: kind,
      state: 'queued',
      createdAt: at.toISOString(),
      updatedAt: at.toISOString(),
      enqueuedAt: at.toISOString(),
      expiresAt: Math.floor(at.getTime() / 1000) + this.retentionDays * 86_400,
      attempts: 0,
      version: 1,
      requestHash: hash,
      request,
      // The plain name, whichever version it was asked for by: what a gallery looks for.
      ...(style ? { style: style.style, styleVersion: style.file } : {}),
      recipe: this.#recipe(kind, request, style, sketch),
    }
  }

  /** All that it takes to make the same picture again. */
  #recipe(kind, request, style, sketch) {
    const workflow = this.workflows[kind]
    const { sketchId, ...values } = request
    const prompt = style?.triggerWord && !values.prompt.includes(style.triggerWord)
      ? `${style.triggerWord}, ${values.prompt}`
      : values.prompt
    const graph = workflow.fill({
      ...values,
      prompt,
      ...(style ? { style: fileOf(style.file) } : {}),
      ...(sketch ? { drawing: drawingName(sketchId, request) } : {}),
    })
    return {
      workflow: workflow.name,
      workflowSha256: workflow.sha256,
      graph,
      models: workflow.models,
      ...(style ? { style: styleOfRecipe(style) } : {}),
      ...(sketch ? { sketch: { id: sketchId, sha256: sketch.sha256 } } : {}),
    }
  }

  /** The generation that this key made before; a different request under the same key is refused. */
  async #replay(id, owner, hash) {
    const known = await this.generations.get(id)
    if (known?.owner === owner && known.requestHash === hash) return known
    throw new Problem('key_used', 'This Idempotency-Key was used for another request.', [
      { field: 'Idempotency-Key', code: 'key_used', message: 'was used for another request', allowed: 'a new key for each wish' },
    ])
  }

  async #tooMany(kind) {
    const { secondsPerPicture } = await this.queueView.lengths(kind).catch(() => ({ secondsPerPicture: 10 }))
    const most = this.limits.unfinishedPerUser
    return new Problem(
      'too_many_generations',
      `No more than ${most} unfinished at once: wait for one, or cancel one.`,
      [],
      { 'Retry-After': String(Math.max(1, Math.ceil(secondsPerPicture))) },
    )
  }
}

/** Name of a drawing in ComfyUI's input folder: the same for the same drawing in the same size. */
export function drawingName(sketchId, { width, height }) {
  return `${sketchId}-${width}x${height}.png`
}

/** The very bytes that make the picture, whatever the style's name leads to later. */
function styleOfRecipe({ style, file, sha256 }) {
  return { style, version: file, name: fileOf(file), ...(sha256 ? { sha256 } : {}) }
}

const pick = (from, names) => Object.fromEntries(names.map((name) => [name, from[name]]))
const sorted = (object) => Object.fromEntries(Object.entries(object).sort(([a], [b]) => (a < b ? -1 : 1)))
