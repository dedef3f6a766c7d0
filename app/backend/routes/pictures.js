/**
 * Pictures and drawings, seen by their owner, and thumbnails of styles, seen by everybody who is signed in: with a bearer
 * token, or at the signed address that the API gave.
 */
import { createHash, randomUUID } from 'node:crypto'
import { noId, notFound, Problem } from '../problems.js'
import * as schemas from '../schemas.js'
import { readDrawing, TYPES } from '../services/drawings.js'
import { linesKey, pictureKey, sketchKey, thumbnailKey } from '../services/pictures.js'
import { isSigned, signedPath } from '../signing.js'

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
const DECODERS = 2
// Drawings decoded at once: each may take some hundred MB for a moment.
const IMMUTABLE = 'private, max-age=86400, immutable'
const CHANGEABLE = 'private, max-age=300'

/** @param {import('fastify').FastifyInstance} app */
export function pictureRoutes(app, { config, authenticate, generations, pictures, styles }) {
  const limits = config.limits
  const gate = gateOf(DECODERS)
  const maxBytes = limits.sketchMebibytes * 1024 * 1024
  app.addContentTypeParser(Object.values(TYPES), { parseAs: 'buffer', bodyLimit: maxBytes }, (_, body, done) =>
    done(null, body),
  )

  app.post('/api/sketches', {
    onRequest: authenticate,
    bodyLimit: maxBytes,
    schema: {
      summary: 'Upload a drawing: the picture itself is the body',
      consumes: Object.values(TYPES),
      body: { content: Object.fromEntries(Object.values(TYPES).map((type) => [type, { schema: {} }])) },
      response: { 201: schemas.sketch, ...schemas.problems },
    },
    handler: async (request, reply) => {
      if (!Buffer.isBuffer(request.body)) throw wrongType()
      if (request.body.length === 0) throw new Problem('invalid', 'The body is empty.', [{ field: 'body', code: 'empty', message: 'is empty' }])
      const drawing = await gate(() => readDrawing(request.body, limits))
      const id = randomUUID()
      await Promise.all([
        pictures.put(sketchKey(id), drawing.picture, TYPES.png),
        pictures.put(linesKey(id), drawing.lines, TYPES.png),
      ])
      const { width, height } = drawing
      const at = new Date()
      await generations.setNote(`sketch#${id}`, {
        owner: request.user.id,
        createdAt: at.toISOString(),
        width,
        height,
        sha256: createHash('sha256').update(drawing.picture).digest('hex'),
        key: sketchKey(id),
        linesKey: linesKey(id),
        expiresAt: Math.floor(at.getTime() / 1000) + config.retentionDays * 86_400,
      })
      reply.code(201)
      return { id, width, height, url: signedPath(config.imageKey, `/api/sketches/${id}`) }
    },
  })

  /** Whoever has the signed address was given it as one who may see it; anyone else signs in, and `check` looks. */
  const seen = (check) => async (request, reply) => {
    const path = request.url.split('?')[0]
    if (request.query.signature !== undefined) {
      if (isSigned(config.imageKey, path, request.query)) return
      throw new Problem('address_ended', 'This address is not valid any more: load the generation again for a new one.')
    }
    await authenticate(request, reply)
    await check(request)
  }
  const seenByOwner = (item, what) =>
    seen(async (request) => {
      // The schema is looked at later than this.
      if (!UUID.test(request.params.id)) throw noId()
      const found = await generations.get(item(request))
      if (found?.owner !== request.user.id) throw notFound(what)
    })

  async function send(request, reply, key, what, keep = IMMUTABLE) {
    const found = await pictures.open(key)
    if (!found) throw notFound(what)
    reply.headers({
      'Cache-Control': keep,
      ETag: found.etag,
      'Referrer-Policy': 'no-referrer',
      'Cross-Origin-Resource-Policy': 'cross-origin',
      'Content-Disposition': 'inline',
      'X-Content-Type-Options': 'nosniff',
    })
    if (isHeld(request.headers['if-none-match'], found.etag)) {
      found.body.destroy()
      return reply.code(304).send()
    }
    reply.headers({ 'Content-Type': found.type, 'Content-Length': found.length })
    return reply.send(found.body)
  }

  const picture = (what, type) => ({
    params: {
      type: 'object',
      properties: { id: schemas.idParams.properties.id, n: { type: 'string', enum: ['0', '1', '2', '3'] } },
    },
    querystring: {
      type: 'object',
      properties: { expires: { type: 'string' }, signature: { type: 'string' } },
    },
    security: [{ bearer: [] }, { signature: [] }],
    summary: what,
    response: {
      200: { description: what, content: { [type]: { schema: { type: 'string', contentMediaType: type } } } },
      304: { description: 'Not changed since `If-None-Match`', type: 'null' },
      ...schemas.problems,
    },
  })

  app.get('/api/images/:id/:n', {
    schema: picture('A picture, as PNG', TYPES.png),
    onRequest: seenByOwner(({ params }) => params.id, 'picture'),
    handler: (request, reply) => send(request, reply, pictureKey(request.params.id, request.params.n), 'picture'),
  })
  app.get('/api/images/:id/:n/thumbnail', {
    schema: picture('A small WebP of a picture', TYPES.webp),
    onRequest: seenByOwner(({ params }) => params.id, 'picture'),
    handler: (request, reply) => send(request, reply, thumbnailKey(request.params.id, request.params.n), 'picture'),
  })
  app.get('/api/sketches/:id', {
    schema: { ...picture('A drawing, as it was taken', TYPES.png), params: schemas.idParams },
    onRequest: seenByOwner(({ params }) => `sketch#${params.id}`, 'drawing'),
    handler: (request, reply) => send(request, reply, sketchKey(request.params.id), 'drawing'),
  })
  app.get('/api/styles/:name/thumbnail', {
    schema: { ...picture('A small picture of a style or of a version', TYPES.jpeg), params: schemas.styleParams },
    onRequest: seen(async () => {}),
    handler: async (request, reply) => {
      const found = await styles.thumbnail(request.params.name)
      if (!found) throw new Problem('not_found', 'There is no thumbnail of such a style.')
      return send(request, reply, found.key, 'thumbnail', found.isFinal ? IMMUTABLE : CHANGEABLE)
    },
  })
}

/** Where a style's thumbnail is; by a version's name it stays the same for ever. */
export const thumbnailPath = (name) => `/api/styles/${encodeURIComponent(name)}/thumbnail`

export function wrongType() {
  return new Problem('wrong_type', 'The body must be a picture, with its Content-Type.', [
    { field: 'Content-Type', code: 'wrong_format', message: 'is not taken here', allowed: Object.values(TYPES).join(', ') },
  ])
}

/** Whether If-None-Match names this ETag: alone, in a list, as a weak one (a proxy may make it that), or any. */
function isHeld(header, etag) {
  return (header ?? '').split(',').some((one) => one.trim() === '*' || one.trim().replace(/^W\//, '') === etag)
}

/** Runs at most `width` tasks at once; the others wait in order. */
function gateOf(width) {
  let running = 0
  const waiting = []
  return async (task) => {
    if (running >= width) await new Promise((resolve) => waiting.push(resolve))
    running++
    try {
      return await task()
    } finally {
      running--
      waiting.shift()?.()
    }
  }
}
