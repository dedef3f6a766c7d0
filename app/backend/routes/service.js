/** What the service has and how it is: styles, status, health; and the worker's word to the event streams. */
import { createRequire } from 'node:module'
import { KINDS } from '../contract.js'
import { Problem } from '../problems.js'
import * as schemas from '../schemas.js'
import { equal, signedPath } from '../signing.js'
import { thumbnailPath } from './pictures.js'

const { version } = createRequire(import.meta.url)('../package.json')
export const INTERNAL_KEY_HEADER = 'x-internal-key'
const READY_MS = 3000

/** @param {import('fastify').FastifyInstance} app */
export function serviceRoutes(app, { config, authenticate, styles, gpu, queueView, generations, workflows, events }) {
  app.get('/api/styles', {
    onRequest: authenticate,
    schema: { summary: 'Styles (LoRAs) to choose from', response: { 200: schemas.styles, ...schemas.problems } },
    handler: async () => ({
      items: (await styles.list()).map(({ thumbnailKey, ...style }) => ({
        ...style,
        ...(thumbnailKey ? { thumbnailUrl: signedPath(config.imageKey, thumbnailPath(style.version)) } : {}),
      })),
    }),
  })

  app.get('/api/status', {
    onRequest: authenticate,
    schema: { summary: 'Queues, GPU, versions', response: { 200: schemas.status, ...schemas.problems } },
    handler: async () => {
      const [machine, ...lengths] = await Promise.all([gpu.status(), ...KINDS.map((kind) => queueView.lengths(kind))])
      return {
        gpu: machine,
        queues: Object.fromEntries(KINDS.map((kind, at) => [kind, lengths[at]])),
        versions: {
          backend: version,
          node: process.versions.node,
          ...Object.fromEntries(KINDS.map((kind) => [`workflow ${kind}`, workflows[kind].sha256.slice(0, 12)])),
          ...Object.fromEntries(KINDS.map((kind) => [`ComfyUI ${kind}`, machine.comfyUi[kind]])),
        },
      }
    },
  })

  const ok = { type: 'object', properties: { status: { type: 'string' } } }
  app.get('/api/health', {
    schema: { summary: 'The process answers', security: [], response: { 200: ok } },
    logLevel: 'warn',
    handler: async () => ({ status: 'ok' }),
  })
  app.get('/api/ready', {
    schema: { summary: 'It can take generations', security: [], response: { 200: ok, ...schemas.problems } },
    logLevel: 'warn',
    handler: async (request) => {
      const late = new Promise((_, reject) => setTimeout(reject, READY_MS, new Error('no answer')).unref())
      try {
        await Promise.race([generations.unfinished(KINDS[0], { limit: 1 }), late])
      } catch (error) {
        request.log.error({ err: error }, 'not ready')
        throw new Problem('unavailable', 'The table of generations does not answer.', [], { 'Retry-After': '5' })
      }
      return { status: 'ready' }
    },
  })

  app.post('/internal/events', {
    schema: { hide: true, body: { type: 'object', required: ['id', 'type'] } },
    bodyLimit: 2_000_000,
    logLevel: 'warn',
    onRequest: async (request) => {
      // CloudFront adds the origin's secret to everybody's requests; this key only the worker has.
      if (!equal(config.eventKey, request.headers[INTERNAL_KEY_HEADER])) throw new Problem('not_found', 'There is nothing here.')
    },
    handler: async (request) => ({ watched: await events.tell(request.body) }),
  })
}
