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

/**
 * What a refusal is called, for programs and for pages in other languages, and the status that goes with it. A code stays
 * what it means; there may be more of them.
 */
export const CODES = {
  invalid: 400, // `errors` says what
  malformed: 400,
  signed_out: 401,
  wrong_address: 403,
  address_ended: 403,
  not_found: 404,
  wrong_method: 405,
  too_slow: 408,
  already_finished: 409,
  not_finished: 409,
  no_pictures: 409,
  link_ended: 410,
  too_large: 413,
  wrong_type: 415,
  key_used: 422,
  too_many_generations: 429,
  too_many_streams: 429,
  head_too_large: 431,
  server_fault: 500,
  unavailable: 503,
}

/** What can be wrong with a field. */
export const FIELD_CODES = [
  'missing',
  'unknown_field',
  'wrong_type',
  'out_of_range',
  'not_a_multiple',
  'too_short',
  'too_long',
  'bad_characters',
  'bad_form',
  'not_in_list',
  'unknown_style',
  'unknown_sketch',
  'needs_style',
  'needs_sketch',
  'key_used',
  'empty',
  'not_json',
  'too_large',
  'too_many_pixels',
  'too_few_pixels',
  'animation',
  'no_lines',
  'unreadable',
  'wrong_format',
]

/** A fault of the request: its code, a sentence, and the fields at fault with what is allowed. */
export class Problem extends Error {
  /**
   * @param {keyof typeof CODES} code
   * @param {string} detail
   * @param {FieldError[]} [errors]
   * @param {Record<string, string>} [headers]
   */
  constructor(code, detail, errors = [], headers = {}) {
    super(detail)
    this.code = code
    this.statusCode = CODES[code]
    this.errors = errors
    this.headers = headers
  }
}

/**
 * @typedef {{field: string, code: string, message: string, allowed?: string, limits?: Record<string, number>}} FieldError
 *   limits: the numbers of what is allowed, by their names in JSON Schema
 */

/** One field is wrong: 400 with its name, what is wrong with it and what is allowed. */
export function fieldProblem(field, code, message, allowed) {
  return new Problem('invalid', `${field} ${message}.`, [{ field, code, message, ...(allowed ? { allowed } : {}) }])
}

/** 404: the same words for what isn't there and for what is another's, so that ids tell nothing. */
export function notFound(what) {
  return new Problem('not_found', `There is no ${what} of yours with this id.`)
}

/** 404 for what can't be an id: it is as little there as any other that isn't. */
export function noId() {
  const allowed = allowedBy({ type: 'string', format: 'uuid' })
  return new Problem('not_found', 'There is nothing with this id: ids are UUIDs.', [{ field: 'id', code: 'bad_form', message: 'is no id', allowed }])
}

/** The body of an answer. `status`: of a refusal that has no code of its own. */
export function problemBody(code, detail, errors = [], status = CODES[code]) {
  return { type: 'about:blank', title: TITLES[status] ?? 'Error', status, code, detail, errors }
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
    const limits = limitsOf(known)
    return { field, code: codeOf(one), message: wording(one), ...(allowed ? { allowed } : {}), ...(limits ? { limits } : {}) }
  })
}

const LIMITS = ['minimum', 'maximum', 'multipleOf', 'minLength', 'maxLength']

/** The numbers of a schema, for who says it in words of their own. */
function limitsOf(schema) {
  const found = LIMITS.filter((name) => schema?.[name] !== undefined)
  return found.length > 0 ? Object.fromEntries(found.map((name) => [name, schema[name]])) : undefined
}

/** Ajv's keywords as codes of ours: a schema that uses another one needs a code for it here. */
const KEYWORDS = {
  required: 'missing',
  additionalProperties: 'unknown_field',
  type: 'wrong_type',
  minimum: 'out_of_range',
  maximum: 'out_of_range',
  multipleOf: 'not_a_multiple',
  minLength: 'too_short',
  maxLength: 'too_long',
  pattern: 'bad_characters',
  format: 'bad_form',
  enum: 'not_in_list',
}

const codeOf = ({ keyword }) => KEYWORDS[keyword] ?? 'bad_form'

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

/** Code of a generation that the service's operator ended (ops/job_records.py): its message is the operator's own. */
export const FAILED_BY_OPERATOR = 'failed_by_operator'

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
}

/** A failure as the record keeps it. `detail` is for the operator, and never shown to designers. */
export function failure(code, { what = '', detail = '' } = {}) {
  return { code, message: FAILURES[code](what), ...(detail ? { detail: detail.slice(0, 1000) } : {}) }
}
