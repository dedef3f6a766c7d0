/** What goes over the border, in and out. The OpenAPI document is made of these. */
import { KINDS, STATES } from './contract.js'
import { CODES, FAILED_BY_OPERATOR, FAILURES, FIELD_CODES } from './problems.js'
import { MAX_SEED } from './services/submissions.js'

const uuid = { type: 'string', format: 'uuid' }
const text = (description) => ({ type: 'string', description })
const moment = { type: 'string', format: 'date-time' }
const open = (description) => ({ type: 'object', description, additionalProperties: true })

export const idParams = {
  type: 'object',
  required: ['id'],
  properties: { id: { type: 'string', format: 'uuid', maxLength: 36 } },
}

export const problem = {
  $id: 'Problem',
  type: 'object',
  description: 'What was wrong (RFC 9457).',
  required: ['type', 'title', 'status', 'code', 'detail', 'errors'],
  properties: {
    type: text('Kind of problem; about:blank: as the status says.'),
    title: text('The problem in a few words.'),
    status: { type: 'integer' },
    code: { type: 'string', enum: Object.keys(CODES), description: 'The problem, for programs: stays when words change.' },
    detail: text('The problem in a sentence, to be shown.'),
    errors: {
      type: 'array',
      items: {
        type: 'object',
        required: ['field', 'code', 'message'],
        properties: {
          field: text('The field at fault.'),
          code: { type: 'string', enum: FIELD_CODES, description: 'What is wrong, for programs.' },
          message: text('What is wrong.'),
          allowed: text('What is allowed.'),
          limits: { type: 'object', description: 'The numbers of what is allowed.', additionalProperties: { type: 'number' } },
        },
      },
    },
  },
}

/** Of errors: every route may answer with them. */
export const problems = Object.fromEntries(
  ['4xx', '5xx'].map((status) => [
    status,
    { description: 'A problem', content: { 'application/problem+json': { schema: { $ref: 'Problem#' } } } },
  ]),
)

const gpu = {
  type: 'object',
  required: ['state', 'comfyUi'],
  properties: {
    state: { type: 'string', enum: ['asleep', 'stopping', 'waking', 'ready', 'unreachable'] },
    etaSeconds: { type: 'integer', description: 'Seconds until it is ready, asleep ones once a job wakes it.' },
    measured: { type: 'boolean', description: 'Whether the estimate comes from earlier starts; else it is a guess.' },
    stage: text('What the machine does now on its way to ready: network, models, warm-up and so on.'),
    problem: text('Why the last attempt to start it, or its boot, failed.'),
    comfyUi: {
      type: 'object',
      description: 'Version of ComfyUI by kind; null while it does not answer.',
      properties: Object.fromEntries(KINDS.map((kind) => [kind, { type: ['string', 'null'] }])),
    },
  },
}

const image = {
  type: 'object',
  required: ['n', 'url', 'thumbnailUrl', 'width', 'height'],
  properties: {
    n: { type: 'integer' },
    url: text('Path of the PNG; needs no token, and is valid for 12 to 24 hours.'),
    thumbnailUrl: text('Path of a small WebP.'),
    width: { type: 'integer' },
    height: { type: 'integer' },
    bytes: { type: 'integer' },
    sha256: { type: 'string' },
  },
}

/** @param {Record<string, number>} limits */
export function requestSchema(limits) {
  const side = {
    type: 'integer',
    minimum: Math.ceil(limits.pictureMinSide / 8) * 8,
    maximum: Math.floor(limits.pictureMaxSide / 8) * 8,
    multipleOf: 8,
  }
  return {
    type: 'object',
    required: ['prompt'],
    additionalProperties: false,
    properties: {
      // A sign at least; no control characters but tab and line feeds.
      prompt: { type: 'string', minLength: 1, maxLength: limits.promptCharacters, pattern: PROMPT },
      negativePrompt: { type: 'string', maxLength: limits.promptCharacters, pattern: '^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f]*$' },
      style: { type: 'string', minLength: 1, maxLength: 200 },
      styleStrength: { type: 'number', minimum: 0, maximum: 2 },
      seed: { type: 'integer', minimum: 0, maximum: MAX_SEED },
      width: side,
      height: side,
      steps: { type: 'integer', minimum: 1, maximum: limits.maxSteps },
      guidance: { type: 'number', minimum: 1, maximum: 20 },
      count: { type: 'integer', minimum: 1, maximum: 4 },
      sketchId: uuid,
      sketchStrength: { type: 'number', minimum: 0, maximum: 2 },
      sketchEnd: { type: 'number', minimum: 0.05, maximum: 1, description: 'Part of the steps that follow the drawing.' },
    },
  }
}

const PROMPT = '^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f]*[^\\s\\u0000-\\u001f\\u007f][^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f]*$'

export const accepted = {
  $id: 'Accepted',
  type: 'object',
  required: ['id', 'kind', 'state', 'position', 'etaSeconds'],
  properties: {
    id: uuid,
    kind: { type: 'string', enum: KINDS },
    state: { type: 'string', enum: STATES },
    position: { type: 'integer', description: 'Place among the waiting; 1 is next, 0 is no longer waiting.' },
    etaSeconds: { type: 'integer', description: 'Seconds until the pictures are there, estimated.' },
    seed: { type: 'integer' },
  },
}

export const generation = {
  $id: 'Generation',
  type: 'object',
  required: ['id', 'kind', 'state', 'createdAt', 'request', 'images'],
  properties: {
    id: uuid,
    kind: { type: 'string', enum: KINDS },
    state: { type: 'string', enum: STATES },
    createdAt: moment,
    startedAt: moment,
    finishedAt: moment,
    position: { type: 'integer' },
    etaSeconds: { type: 'integer' },
    gpu,
    request: open('What was asked for, with the defaults that were added and the seed.'),
    error: {
      type: 'object',
      properties: {
        code: { type: 'string', description: `Why it failed: ${[...Object.keys(FAILURES), FAILED_BY_OPERATOR].join(', ')}.` },
        message: text('To be shown.'),
      },
    },
    images: { type: 'array', items: image },
    sketchUrl: text('Path of the drawing that was followed.'),
    styleVersion: text('The version of the style that makes or made it; may be asked for as a style.'),
    favourite: { type: 'boolean', description: 'Marked by its owner.' },
    sharedUntil: { ...moment, description: 'Until when the last link to it holds.' },
    recipe: open('Workflow, its hash and its graph, models and styles with checksums where known.'),
  },
}

export const mark = {
  type: 'object',
  required: ['favourite'],
  additionalProperties: false,
  properties: { favourite: { type: 'boolean' } },
}

export const shareWish = {
  type: 'object',
  required: ['seconds'],
  additionalProperties: false,
  properties: { seconds: { type: 'integer', minimum: 1, maximum: 90 * 86_400, description: 'How long the link holds.' } },
}

export const share = {
  type: 'object',
  required: ['token', 'expiresAt'],
  properties: { token: text('For GET /api/shared/{token}, and the page at /shared/{token}.'), expiresAt: moment },
}

export const shared = {
  type: 'object',
  required: ['kind', 'createdAt', 'expiresAt', 'images'],
  properties: {
    kind: { type: 'string', enum: KINDS },
    createdAt: moment,
    expiresAt: moment,
    style: { type: 'string' },
    images: { type: 'array', items: image },
    sketchUrl: text('Path of the drawing that was followed.'),
  },
}

export const styleParams = {
  type: 'object',
  required: ['name'],
  properties: { name: { type: 'string', minLength: 1, maxLength: 200 } },
}

export const tokenParams = {
  type: 'object',
  required: ['token'],
  properties: { token: { type: 'string', maxLength: 90 } },
}

/** Of 204. */
export const nothing = { description: 'Done', type: 'null' }

export const page = {
  type: 'object',
  required: ['items'],
  properties: {
    items: { type: 'array', items: { $ref: 'Generation#' } },
    next: text('Cursor of the next page; missing on the last one.'),
  },
}

export const sketch = {
  type: 'object',
  required: ['id', 'width', 'height', 'url'],
  properties: { id: uuid, width: { type: 'integer' }, height: { type: 'integer' }, url: text('Path of the drawing as it was taken.') },
}

export const styles = {
  type: 'object',
  required: ['items'],
  properties: {
    items: {
      type: 'array',
      items: {
        type: 'object',
        required: ['name', 'title', 'offered'],
        properties: {
          name: text('To be sent as `style`.'),
          title: text('To be shown.'),
          triggerWord: text('Added to the prompt by the server.'),
          recommendedStrength: { type: 'number' },
          version: text('Name of the version that the style is now; may be sent as `style` as well, also after it was replaced.'),
          bytes: { type: 'integer' },
          sha256: { type: 'string' },
          thumbnailUrl: text('Path of a JPEG of 512 x 512; needs no token, and is valid for 12 to 24 hours. Missing without one.'),
          publishedAt: moment,
          offered: {
            type: 'object',
            description: 'Whether ComfyUI has that version now, by kind; null while it sleeps.',
            properties: Object.fromEntries(KINDS.map((kind) => [kind, { type: ['boolean', 'null'] }])),
          },
        },
      },
    },
  },
}

const lengths = {
  type: 'object',
  properties: { queued: { type: 'integer' }, running: { type: 'integer' }, secondsPerPicture: { type: 'number' } },
}

export const status = {
  type: 'object',
  required: ['gpu', 'queues', 'versions'],
  properties: {
    gpu,
    queues: { type: 'object', properties: Object.fromEntries(KINDS.map((kind) => [kind, lengths])) },
    versions: { type: 'object', additionalProperties: { type: ['string', 'null'] } },
  },
}

export const listQuery = {
  type: 'object',
  additionalProperties: false,
  properties: {
    limit: { type: 'string', pattern: '^([1-9]|[1-9][0-9]|100)$', description: '1 to 100, and 20 if not given' },
    cursor: { type: 'string', maxLength: 300, description: '`next` of the page before.' },
    state: { type: 'string', enum: STATES },
    style: { type: 'string', minLength: 1, maxLength: 200 },
    favourite: { type: 'string', enum: ['true'], description: 'Favourites alone.' },
  },
}
