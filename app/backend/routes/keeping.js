/** What designers do with what was made: mark it, show it to a client, delete it. */
import { FINAL } from '../contract.js'
import { notFound, Problem } from '../problems.js'
import * as schemas from '../schemas.js'
import { isShared, newShareKey, readToken, shareToken } from '../services/shares.js'

/** @param {import('fastify').FastifyInstance} app */
export function keepingRoutes(app, { authenticate, generations, pictures, own, present, presentShared }) {
  const secured = { onRequest: authenticate }
  const params = schemas.idParams

  app.patch('/api/generations/:id', {
    ...secured,
    schema: { summary: 'Mark it as a favourite, or no more', params, body: schemas.mark, response: { 200: { $ref: 'Generation#' }, ...schemas.problems } },
    handler: async (request) => {
      const { id } = await own(request)
      if (!(await generations.favour(id, request.body.favourite))) throw notFound('generation')
      return present(await own(request))
    },
  })

  app.delete('/api/generations/:id/record', {
    ...secured,
    schema: { summary: 'Delete a finished one for good: its pictures, its recipe, its links', params, response: { 204: schemas.nothing, ...schemas.problems } },
    handler: async (request, reply) => {
      const record = await own(request)
      const unfinished = new Problem('not_finished', 'It is not finished: cancel it first.')
      if (!FINAL.includes(record.state)) throw unfinished
      // The pictures first: should this fail half-way, the record is still there to be deleted again.
      await pictures.deleteGeneration(record.id, record.request.count)
      if (!(await generations.remove(record.id))) throw unfinished
      return reply.code(204).send()
    },
  })

  app.post('/api/generations/:id/shares', {
    ...secured,
    schema: { summary: 'A link for somebody without an account, which ends by itself', params, body: schemas.shareWish, response: { 201: schemas.share, ...schemas.problems } },
    handler: async (request, reply) => {
      const record = await own(request)
      // The pictures go with the record: a link promises no more than that.
      const expires = Math.min(Math.floor(Date.now() / 1000) + request.body.seconds, record.expiresAt ?? Infinity)
      const expiresAt = new Date(expires * 1000).toISOString()
      const sharedUntil = record.sharedUntil > expiresAt ? record.sharedUntil : expiresAt
      const shared = await generations.share(record.id, { shareKey: newShareKey(), sharedUntil })
      if (!shared) throw new Problem('no_pictures', `There are no pictures to show: it has ${record.state}.`)
      reply.code(201)
      return { token: shareToken(shared, expires), expiresAt }
    },
  })

  app.delete('/api/generations/:id/shares', {
    ...secured,
    schema: { summary: 'End all links to it', params, response: { 204: schemas.nothing, ...schemas.problems } },
    handler: async (request, reply) => {
      const { id } = await own(request)
      await generations.unshare(id)
      return reply.code(204).send()
    },
  })

  app.get('/api/shared/:token', {
    schema: {
      summary: 'What a link shows: the pictures and the drawing, to whoever has it',
      security: [],
      params: schemas.tokenParams,
      response: { 200: schemas.shared, ...schemas.problems },
    },
    handler: async ({ params: { token } }) => {
      const spoken = readToken(token)
      const record = spoken && (await generations.get(spoken.id))
      if (!isShared(record, token)) throw new Problem('not_found', 'There is nothing at this link.')
      if (spoken.expires * 1000 <= Date.now()) throw new Problem('link_ended', 'This link has ended.')
      return presentShared(record, spoken.expires)
    },
  })
}
