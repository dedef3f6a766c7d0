/** Builds the server: border checks, errors, routes. Listens to nothing; index.js does, and tests use inject. */
import cors from '@fastify/cors'
import swagger from '@fastify/swagger'
import Fastify from 'fastify'
import { STATUS_CODES } from 'node:http'
import { authenticator } from './auth.js'
import { contract } from './contract.js'
import { CODES, fieldErrors, noId, notFound, Problem, problemBody } from './problems.js'
import { generationRoutes } from './routes/generations.js'
import { keepingRoutes } from './routes/keeping.js'
import { pictureRoutes, wrongType } from './routes/pictures.js'
import { serviceRoutes } from './routes/service.js'
import * as schemas from './schemas.js'
import { equal } from './signing.js'

const KEEP_ALIVE_MS = 75_000
// Longer than CloudFront holds idle connections (60 s): whoever closes first loses requests.
const GRACE_MS = 10_000
// What is being answered when the server closes has so long to get done.
const PROBLEM_JSON = 'application/problem+json; charset=utf-8'
const METHODS = ['DELETE', 'GET', 'HEAD', 'PATCH', 'POST', 'PUT']

/**
 * @param {{config: object, services: object, verifier: object, logger?: object | false}} parts
 *   services: what services.js makes
 */
export async function buildApp({ config, services, verifier, logger = false }) {
  const app = Fastify({
    ...(logger ? { loggerInstance: logger } : { logger: false }),
    disableRequestLogging: true, // a line a request is enough, with its user and how it ended
    bodyLimit: config.limits.bodyKibibytes * 1024,
    requestTimeout: config.limits.requestSeconds * 1000,
    keepAliveTimeout: KEEP_ALIVE_MS,
    // No forced close: what is being answered is answered.
    forceCloseConnections: 'idle',
    return503OnClosing: false,
    routerOptions: { maxParamLength: 100, ignoreTrailingSlash: false },
    ajv: { customOptions: { coerceTypes: false, allErrors: false, removeAdditional: false, useDefaults: false } },
    schemaErrorFormatter: (errors, where) => Object.assign(new Error(where), { where }),
    // Both answer before any hook runs.
    frameworkErrors: (error, request, reply) => answerError(stranger(config, request) ?? badAddress(error), request, reply),
    clientErrorHandler: answerNoRequest,
  })
  // Only JSON is read; pictures are where they are uploaded.
  app.removeContentTypeParser('text/plain')
  app.decorateRequest('user', null)
  let draining = false
  app.decorate('drain', () => (draining = true))
  app.addHook('onRequest', async (request, reply) => {
    reply.header('Cache-Control', 'no-store') // pictures say otherwise
    if (draining) reply.header('Connection', 'close')
    const refused = stranger(config, request)
    if (refused) throw refused
  })
  const methods = new Map()
  app.addHook('onRoute', ({ method, url }) => {
    if (url.startsWith('/api/')) methods.set(url, [...(methods.get(url) ?? []), ...[method].flat()])
  })
  app.addHook('onResponse', async (request, reply) => {
    const ms = Math.round(reply.elapsedTime)
    const level = request.routeOptions.logLevel === 'warn' ? 'debug' : 'info'
    request.log[level]({ req: request, status: reply.statusCode, ms }, 'answered')
  })
  app.setErrorHandler(answerError)
  app.setNotFoundHandler((request, reply) =>
    answer(reply, 'not_found', `There is no ${request.method} ${request.url.split('?')[0].slice(0, 200)}.`),
  )
  await app.register(cors, {
    origin: config.allowedOrigins,
    methods: ['GET', 'POST', 'PATCH', 'DELETE'],
    allowedHeaders: ['Authorization', 'Content-Type', 'Idempotency-Key', 'Last-Event-ID', 'If-None-Match'],
    exposedHeaders: ['Location', 'Retry-After', 'ETag', 'Idempotent-Replayed'],
    maxAge: 7200,
  })
  await app.register(swagger, { openapi: openApi(config), refResolver: { buildLocalReference: ({ $id }) => $id } })
  for (const schema of [schemas.problem, schemas.accepted, schemas.generation]) app.addSchema(schema)
  const parts = { config, authenticate: authenticator(verifier), ...services }
  // The record that a request speaks of, if it is the user's own.
  const own = async (request) => {
    const record = await services.generations.get(request.params.id)
    if (!record?.kind || record.owner !== request.user.id) throw notFound('generation')
    return record
  }
  generationRoutes(app, { ...parts, own })
  keepingRoutes(app, { ...parts, own })
  // Its own scope: pictures as bodies are taken there alone.
  await app.register(async (scope) => pictureRoutes(scope, parts))
  serviceRoutes(app, parts)
  app.get('/api/openapi.json', { schema: { hide: true } }, async () => app.swagger())
  refuseOtherMethods(app, methods)
  app.addHook('preClose', async () => {
    services.events.close()
    // Connections that were opened and never used are not idle to node: closing would wait a minute for their request.
    setTimeout(() => app.server.closeAllConnections(), GRACE_MS).unref()
  })
  await app.ready()
  return app
}

/** What CloudFront alone sends is missing: the Problem, or undefined when it is there. */
function stranger(config, request) {
  if (equal(config.originSecret, request.headers[contract.originSecretHeader.toLowerCase()])) return undefined
  return new Problem('wrong_address', 'This address is not for you: use the one of the API.')
}

function badAddress(error) {
  return error.code === 'FST_ERR_MAX_PARAM_LENGTH' ? noId() : new Problem('malformed', 'The address is not well formed.')
}

/** 405 with `Allow` where another method would do. `methods`: of each route's URL, those that it has. */
function refuseOtherMethods(app, methods) {
  for (const [url, taken] of [...methods]) {
    const allowed = METHODS.filter((one) => taken.includes(one)).join(', ')
    app.route({
      method: METHODS.filter((one) => !taken.includes(one)),
      url,
      exposeHeadRoute: false,
      schema: { hide: true },
      onRequest: async () => {
        throw new Problem('wrong_method', `This can be asked for with ${allowed} alone.`, [], { Allow: allowed })
      },
      handler: async () => undefined,
    })
  }
}

/** What came is no HTTP, or took too long: there is no request to answer to, only a socket. */
function answerNoRequest(error, socket) {
  if (error.code === 'ECONNRESET' || !socket.writable) return
  const [code, detail] = {
    ERR_HTTP_REQUEST_TIMEOUT: ['too_slow', 'The request took too long to arrive.'],
    HPE_HEADER_OVERFLOW: ['head_too_large', 'The head of the request is too large.'],
  }[error.code] ?? ['malformed', 'This is no request that can be read.']
  const status = CODES[code]
  const body = JSON.stringify(problemBody(code, detail))
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    `Content-Type: ${PROBLEM_JSON}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
  ]
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`)
}

function openApi(config) {
  return {
    openapi: '3.1.0',
    info: {
      title: 'sd-app',
      version: '1.0.0',
      description: 'Pictures of rooms, from words or from a drawing. Errors are application/problem+json.',
    },
    servers: [{ url: config.backendUrl }],
    components: {
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT', description: "Access token of the stack's user pool." },
        signature: { type: 'apiKey', in: 'query', name: 'signature', description: 'In the addresses that the API gives.' },
      },
    },
    security: [{ bearer: [] }],
  }
}

const NOT_JSON = ['The body is not JSON.', [{ field: 'body', code: 'not_json', message: 'is not JSON', allowed: 'a JSON object' }]]

function answerError(error, request, reply) {
  if (error instanceof Problem) {
    return answer(reply.headers(error.headers), error.code, error.message, error.errors)
  }
  if (error.validation) return invalid(error, request, reply)
  switch (error.code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE': {
      const most = request.routeOptions.bodyLimit
      return answer(reply, 'too_large', 'The body is too large.', [
        { field: 'body', code: 'too_large', message: 'is too large', allowed: `up to ${most} bytes`, limits: { maximum: most } },
      ])
    }
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      if (request.url.startsWith('/api/sketches')) return answerError(wrongType(), request, reply)
      return answer(reply, 'wrong_type', 'The body must be JSON.', [
        { field: 'Content-Type', code: 'wrong_format', message: 'is not taken here', allowed: 'application/json' },
      ])
    case 'FST_ERR_CTP_EMPTY_JSON_BODY':
    case 'FST_ERR_CTP_INVALID_JSON_BODY':
      return answer(reply, 'invalid', ...NOT_JSON)
    default:
  }
  // A prototype in it.
  if (error instanceof SyntaxError && error.statusCode === 400) return answer(reply, 'invalid', ...NOT_JSON)
  if (error.statusCode >= 400 && error.statusCode < 500) return answer(reply, 'malformed', error.message, [], error.statusCode)
  request.log.error({ err: error }, 'a request failed')
  if (isAwsTrouble(error)) {
    return answer(reply.header('Retry-After', '5'), 'unavailable', 'The service has trouble just now. Try again in a moment.')
  }
  return answer(reply, 'server_fault', 'This was not your fault. Try again; if it happens again, tell whoever runs the service.')
}

function invalid(error, request, reply) {
  const where = error.validationContext
  const schema = request.routeOptions.schema?.[where]
  const errors = fieldErrors(error.validation, schema)
  if (where === 'params' && errors[0].field === 'id') return answerError(noId(), request, reply)
  if (where === 'params') return answer(reply, 'not_found', 'There is no such picture.', errors)
  const [{ field, message }] = errors
  return answer(reply, 'invalid', `${field} ${message}.`, errors)
}

/** AWS throttles, fails or is out of reach, after the SDK's own attempts. */
function isAwsTrouble(error) {
  return Boolean(error.$fault || error.$metadata || error.code === 'ECONNREFUSED' || error.name === 'TimeoutError')
}

function answer(reply, code, detail, errors = [], status = CODES[code]) {
  return reply.code(status).type(PROBLEM_JSON).serializer(JSON.stringify).send(problemBody(code, detail, errors, status))
}
