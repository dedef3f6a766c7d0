/** Errors that a client sees, as application/problem+json (RFC 9457). */
const TITLES = {
  400: 'The request is not right',
  401: 'Sign in first',
  403: 'Not allowed',
  404: 'Not found',
  405: 'Not allowed here',
  408: 'Too slow',
  409: 'Too late for that',
  410: 'Not there any more',
  413: 'Too large',
  415: 'Wrong kind of content',
  422: 'Key used before',
  429: 'Too many at once',
  431: 'Head too large',
  500: 'The server made a mistake',
  503: 'Not available just now',
}

/** A fault of the request: status, sentence, and the fields at fault with what is allowed. */
export class Problem extends Error {
  /**
   * @param {number} status
   * @param {string} detail
   * @param {{field: string, message: string, allowed?: string}[]} [errors]
   * @param {Record<string, string>} [headers]
   */
  constructor(status, detail, errors = [], headers = {}) {
    super(detail)
    this.statusCode = status
    this.errors = errors
    this.headers = headers
  }
}

/** One field is wrong: 400 with its name, what is wrong with it and what is allowed. */
export function fieldProblem(field, message, allowed) {
  return new Problem(400, `${field} ${message}.`, [{ field, message, ...(allowed ? { allowed } : {}) }])
}

/** 404: the same words for what isn't there and for what is another's, so that ids tell nothing. */
export function notFound(what) {
  return new Problem(404, `There is no ${what} of yours with this id.`)
}

/** 404 for what can't be an id: it is as little there as any other that isn't. */
export function noId() {
  const allowed = allowedBy({ type: 'string', format: 'uuid' })
  return new Problem(404, 'There is nothing with this id: ids are UUIDs.', [{ field: 'id', message: 'is no id', allowed }])
}

/** The body of an answer. */
export function problemBody(status, detail, errors = []) {
  return { type: 'about:blank', title: TITLES[status] ?? 'Error', status, detail, errors }
}

/** What a schema allows, in words: "256 to 1024, multiples of 8". */
export function allowedBy(schema) {
  if (!schema) return undefined
  if (schema.enum) return schema.enum.join(', ')
  const parts = []
  if (schema.type === 'string') {
    if (schema.format === 'uuid') parts.push('a UUID')
    else if (schema.pattern && schema.description) parts.push(schema.description)
    else if (schema.maxLength) parts.push(`text of ${schema.minLength ?? 0} to ${schema.maxLength} characters`)
    else parts.push('text')
  } else if (schema.type === 'integer' || schema.type === 'number') {
    parts.push(schema.type === 'integer' ? 'whole numbers' : 'numbers')
    if (schema.minimum !== undefined) parts[0] += ` from ${schema.minimum} to ${schema.maximum}`
    if (schema.multipleOf) parts.push(`multiples of ${schema.multipleOf}`)
  } else if (schema.type === 'object') {
    parts.push(`the fields ${Object.keys(schema.properties ?? {}).join(', ')}`)
  }
  return parts.join(', ') || undefined
}

/** Ajv's findings as fields with a message. */
export function fieldErrors(validation, schema) {
  return validation.map((one) => {
    const path = one.instancePath.slice(1).replaceAll('/', '.')
    const extra = one.params.missingProperty ?? one.params.additionalProperty ?? one.params.unevaluatedProperty
    const field = [path, extra].filter(Boolean).join('.') || 'body'
    const known = schema?.properties?.[field] ?? (field === 'body' ? schema : undefined)
    const allowed = one.keyword === 'additionalProperties' ? allowedBy(schema) : allowedBy(known)
    return { field, message: wording(one), ...(allowed ? { allowed } : {}) }
  })
}

function wording(one) {
  switch (one.keyword) {
    case 'required':
      return 'is missing'
    case 'additionalProperties':
      return 'is not a known field'
    case 'multipleOf':
      return `must be a multiple of ${one.params.multipleOf}`
    case 'pattern':
      return 'has characters that are not allowed, or none at all'
    case 'type':
      return `must be ${one.params.type === 'object' ? 'a JSON object' : `of type ${one.params.type}`}`
    default:
      return one.message
  }
}

/** Reasons of failed generations: a code for programs, a sentence for the designer. */
export const FAILURES = {
  style_missing: (what) => `The style ${what} is not on the image server any more. Choose another style and try again.`,
  model_missing: () => 'The image server lacks a model it needs. Whoever runs the service has to put it there.',
  out_of_memory: () => 'The picture was too large for the graphics card. Try a smaller size, or fewer pictures at once.',
  disk_full: () => 'The image server has no space left. Whoever runs the service has been told; try again later.',
  no_progress: () => 'The image server stopped in the middle of the picture, several times. Try again later.',
  server_lost: () => 'The image server went away in the middle of the picture, several times. Try again later.',
  server_error: () => 'The image server could not make this picture. Try again; if it happens again, change the wish a little.',
  store_failed: () => 'The picture was made but could not be stored. Try again later.',
  sketch_missing: () => 'The drawing is no longer there. Upload it again.',
  gpu_unavailable: () => 'The graphics machine could not be started in time. Try again later.',
  operator: (what) => what,
}

/** A failure as the record keeps it. `detail` is for the operator, and never shown to designers. */
export function failure(code, { what = '', detail = '' } = {}) {
  return { code, message: FAILURES[code](what), ...(detail ? { detail: detail.slice(0, 1000) } : {}) }
}
