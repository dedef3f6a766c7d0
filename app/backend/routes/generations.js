/** Asking for pictures, following them, and thinking better of it. */
import { FINAL } from '../contract.js'
import { fieldProblem, Problem } from '../problems.js'
import * as schemas from '../schemas.js'

const PAGE = 20
const KEY = /^[\x21-\x7e]{1,200}$/
const MOMENT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/
// A page may end with a sketch: they have an owner and a time too.
const ITEM = /^(sketch#)?[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/** @param {import('fastify').FastifyInstance} app */
export function generationRoutes(app, { config, authenticate, submissions, generations, comfyUi, events, own, present }) {
  const secured = { onRequest: authenticate }

  app.post('/api/generations', {
    ...secured,
    schema: {
      summary: 'Ask for pictures, from words or, with a sketchId, from a drawing',
      headers: { type: 'object', properties: { 'idempotency-key': { type: 'string', description: 'The same key never makes a second generation: 1 to 200 visible ASCII characters.' } } },
      body: schemas.requestSchema(config.limits),
      response: { 202: { $ref: 'Accepted#' }, ...schemas.problems },
    },
    handler: async (request, reply) => {
      for (const field of ['prompt', 'negativePrompt', 'style']) {
        if (request.body[field]?.isWellFormed() === false) throw fieldProblem(field, 'bad_characters', 'is not valid Unicode', 'whole characters')
      }
      const { record, isReplay } = await submissions.submit(request.user.id, request.body, keyOf(request))
      const { position = 0, etaSeconds = 0 } = await present(record)
      reply.code(202).header('Location', `/api/generations/${record.id}`)
      if (isReplay) reply.header('Idempotent-Replayed', 'true')
      return { id: record.id, kind: record.kind, state: record.state, position, etaSeconds, seed: record.request.seed }
    },
  })

  app.get('/api/generations', {
    ...secured,
    schema: {
      summary: 'Mine, newest first',
      querystring: schemas.listQuery,
      response: { 200: schemas.page, ...schemas.problems },
    },
    handler: async (request) => {
      const { limit, cursor, state, style, favourite } = request.query
      const found = await generations.ofOwner(request.user.id, {
        limit: limit ? Number(limit) : PAGE,
        after: cursor === undefined ? undefined : readCursor(cursor),
        state,
        style,
        favourite: favourite !== undefined,
      })
      const items = await Promise.all(found.items.map((record) => present(record)))
      return { items, ...(found.next ? { next: writeCursor(found.next) } : {}) }
    },
  })

  app.get('/api/generations/:id', {
    ...secured,
    schema: {
      summary: 'One of mine, with its whole recipe',
      params: schemas.idParams,
      response: { 200: { $ref: 'Generation#' }, ...schemas.problems },
    },
    handler: async (request) => present(await own(request), { withRecipe: true }),
  })

  app.get('/api/generations/:id/events', {
    ...secured,
    exposeHeadRoute: false,
    schema: {
      summary: 'What happens to it: state, position, progress, preview, done (server-sent events)',
      params: schemas.idParams,
      headers: { type: 'object', properties: { 'last-event-id': { type: 'string', description: 'Resume after this event.' } } },
      response: { 200: { description: 'Events', content: { 'text/event-stream': { schema: { type: 'string' } } } }, ...schemas.problems },
    },
    handler: async (request, reply) => {
      const record = await own(request)
      if (events.isFull(request.user.id)) {
        throw new Problem('too_many_streams', 'You follow too many generations at once.', [], { 'Retry-After': '5' })
      }
      const headers = reply.getHeaders()
      reply.hijack()
      await events.stream(record, {
        response: reply.raw,
        headers,
        lastEventId: request.headers['last-event-id'],
        user: request.user.id,
        until: request.user.expires * 1000,
      })
    },
  })

  app.delete('/api/generations/:id', {
    ...secured,
    schema: {
      summary: 'Cancel it, whether it waits or runs',
      params: schemas.idParams,
      response: { 200: { $ref: 'Generation#' }, ...schemas.problems },
    },
    handler: async (request) => {
      const record = await own(request)
      const done = !FINAL.includes(record.state) && (await generations.finish(record, 'cancelled'))
      const after = await own(request)
      if (!done && after.state !== 'cancelled') {
        throw new Problem('already_finished', `It has ${after.state} already: there is nothing to cancel.`)
      }
      if (done) {
        await events.tell({ id: record.id, type: 'changed' })
        // The worker would see it too; this way the GPU is free at once. One that is away has nothing to stop, and
        // nobody waits for it.
        if (record.state === 'running') comfyUi[record.kind].cancel(record.id).catch(() => {})
      }
      return present(after)
    },
  })
}

function keyOf(request) {
  const key = request.headers['idempotency-key']
  if (key === undefined || KEY.test(key)) return key
  throw fieldProblem('Idempotency-Key', 'bad_form', 'has a form that is not taken', '1 to 200 visible ASCII characters')
}

function writeCursor({ id, createdAt }) {
  return Buffer.from(JSON.stringify([createdAt, id])).toString('base64url')
}

/** The owner is not in it: another's cursor leads nowhere but into one's own list. */
function readCursor(text) {
  try {
    const [createdAt, id] = JSON.parse(Buffer.from(text, 'base64url').toString())
    if (typeof createdAt === 'string' && ITEM.test(id) && MOMENT.test(createdAt)) return { id, createdAt }
  } catch {
    // refused below, as any other text that is no cursor
  }
  throw fieldProblem('cursor', 'bad_form', 'is no cursor', '`next` of the page before')
}
