/** The document that the API gives of itself: valid, whole, and true of what is really answered. */
import { PutObjectCommand } from '@aws-sdk/client-s3'
import { Validator } from '@seriousme/openapi-schema-validator'
import Ajv2020 from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { drawn } from './drawing-material.js'
import { emulateAws, newUser, startApp } from './support.js'

const METHODS = ['get', 'put', 'post', 'delete', 'patch', 'head', 'options', 'trace']
const BODIES = { 'patch /api/generations/{id}': { favourite: true }, 'post /api/generations/{id}/shares': { seconds: 60 } }
/** Routes that ask for nobody's token. */
const OPEN = ['/api/health', '/api/ready', '/api/shared/{token}']
const WISH = { prompt: 'a bright living room', negativePrompt: 'dark', style: 'Indochine', styleStrength: 0.7, seed: 5, count: 2 }

/** Path of an operation as a pattern: /api/images/{id}/{n}. */
const template = (url) => url.replace(/:(\w+)/g, '{$1}')

describe('the OpenAPI document', () => {
  const user = newUser()
  let aws, api, document, routes, ajv
  before(async () => {
    aws = await emulateAws()
    const thumbnail = { Bucket: 'pictures', Key: 'loras/Indochine.jpg', Body: 'picture', ContentType: 'image/jpeg' }
    await aws.clients.s3.send(new PutObjectCommand(thumbnail))
    api = await startApp(aws)
    const answer = await api.call('GET', '/api/openapi.json')
    assert.equal(answer.statusCode, 200)
    document = answer.json()
    routes = await routesOf(api)
    ajv = addFormats(new Ajv2020({ strict: false, allErrors: true }))
    ajv.addSchema(document, 'document')
  })
  after(async () => {
    await api?.close()
    await aws?.stop()
  })

  const operations = () => Object.entries(document.paths).flatMap(([path, item]) => METHODS.filter((one) => one in item).map((method) => ({ path, method, ...item[method] })))

  /** The document's schema for an answer; throws when it has none for this status and type. */
  function schemaOf(method, path, status, type) {
    const { responses } = document.paths[path][method.toLowerCase()]
    const key = [String(status), `${String(status)[0]}XX`].find((one) => one in responses)
    assert.ok(key, `${method} ${path} does not speak of ${status}`)
    const found = responses[key].content?.[type]
    assert.ok(found, `${method} ${path} ${key} does not speak of ${type}`)
    const pointer = ['paths', path, method.toLowerCase(), 'responses', key, 'content', type, 'schema']
    return ajv.compile({ $ref: `document#/${pointer.map((one) => encodeURIComponent(one.replaceAll('~', '~0').replaceAll('/', '~1'))).join('/')}` })
  }

  function holds(method, path, answer) {
    const type = answer.headers['content-type'].split(';')[0]
    const validate = schemaOf(method, path, answer.statusCode, type)
    assert.ok(validate(answer.json()), `${method} ${path} ${answer.statusCode}: ${JSON.stringify(validate.errors)}\n${answer.body.slice(0, 500)}`)
  }

  it('is valid OpenAPI 3.1', async () => {
    const validator = new Validator()
    const result = await validator.validate(structuredClone(document))
    assert.ok(result.valid, JSON.stringify(result.errors))
    assert.equal(validator.version, '3.1')
    assert.equal(document.servers[0].url, api.config.backendUrl)
  })

  it('has every route of the app, and none besides', () => {
    const described = operations().map(({ method, path }) => `${method.toUpperCase()} ${path}`)
    const served = routes.filter(({ url }) => url !== '/api/openapi.json').map(({ method, url }) => `${method} ${template(url)}`)
    assert.deepEqual(described.sort(), served.sort())
    assert.ok(served.length >= 12)
  })

  it('tells of every operation what it does, who may ask, and that errors are problems', () => {
    for (const { method, path, summary, security = document.security, responses, parameters = [] } of operations()) {
      const name = `${method} ${path}`
      assert.ok(summary?.length > 10, name)
      if (OPEN.includes(path)) assert.deepEqual(security, [], name)
      else assert.ok(security.some((one) => 'bearer' in one), name)
      if (path !== '/api/health') {
        for (const range of ['4XX', '5XX']) assert.ok(responses[range].content['application/problem+json'], `${name} ${range}`)
      }
      const named = [...path.matchAll(/\{(\w+)\}/g)].map(([, one]) => one)
      assert.deepEqual(parameters.filter((one) => one.in === 'path').map((one) => one.name), named, name)
    }
  })

  it('refers to nothing that is not there', () => {
    for (const [, pointer] of JSON.stringify(document).matchAll(/"\$ref":"([^"]+)"/g)) {
      assert.match(pointer, /^#\//)
      let at = document
      for (const part of pointer.slice(2).split('/')) at = at?.[part.replaceAll('~1', '/').replaceAll('~0', '~')]
      assert.ok(at, pointer)
    }
  })

  it('tells the limits of this service, which the real check is made of', async () => {
    const { schema } = document.paths['/api/generations'].post.requestBody.content['application/json']
    const validate = ajv.compile(schema)
    assert.equal(schema.properties.prompt.maxLength, api.config.limits.promptCharacters)
    for (const body of [WISH, { prompt: '' }, { ...WISH, width: 513 }, { ...WISH, count: 5 }, { ...WISH, more: 1 }, { prompt: 'a\u0000' }, {}]) {
      const { statusCode } = await api.call('POST', '/api/generations', { user, body })
      assert.equal(validate(body), statusCode === 202, JSON.stringify(body))
    }
  })

  it('is true of what every route answers, when it goes well', async () => {
    const ask = async (method, path, url, options = {}) => {
      const answer = await api.call(method, url, { user, ...options })
      assert.ok(answer.statusCode < 300, `${method} ${url}: ${answer.body}`)
      holds(method, path, answer)
      return answer.json()
    }
    const wish = await ask('POST', '/api/generations', '/api/generations', { body: WISH })
    const payload = await drawn().png().toBuffer()
    const sketch = await ask('POST', '/api/sketches', '/api/sketches', { headers: { 'content-type': 'image/png' }, payload })
    const follows = await ask('POST', '/api/generations', '/api/generations', { body: { prompt: 'a room', sketchId: sketch.id } })
    await api.services.generations.claim(follows.id, { workerName: 'w', leaseToken: 't', leaseUntil: new Date(Date.now() + 60_000).toISOString() })
    await ask('GET', '/api/generations/{id}', `/api/generations/${follows.id}`)
    const failed = await ask('POST', '/api/generations', '/api/generations', { body: { prompt: 'a room' } })
    await api.services.generations.finish({ id: failed.id, owner: user }, 'failed', { set: { error: { code: 'out_of_memory', message: 'Too large.', detail: 'CUDA' } } })
    const error = (await ask('GET', '/api/generations/{id}', `/api/generations/${failed.id}`)).error
    assert.deepEqual(error, { code: 'out_of_memory', message: 'Too large.' }, "the operator's detail is not shown")
    const images = [{ n: 0, key: 'k', thumbnailKey: 't', width: 512, height: 512, bytes: 5, sha256: 'ab' }]
    await api.services.pictures.put(`outputs/${wish.id}/0.png`, Buffer.from('x'), 'image/png')
    await api.services.generations.finish({ id: wish.id, owner: user }, 'succeeded', { set: { images } })
    const whole = await ask('GET', '/api/generations/{id}', `/api/generations/${wish.id}`)
    assert.ok(whole.recipe.graph && whole.images[0].url && whole.finishedAt)
    assert.deepEqual((await ask('GET', '/api/generations', '/api/generations?limit=2')).items.length, 2)
    await ask('DELETE', '/api/generations/{id}', `/api/generations/${follows.id}`)
    const marked = await ask('PATCH', '/api/generations/{id}', `/api/generations/${wish.id}`, { body: { favourite: true } })
    assert.equal(marked.favourite, true)
    const { token } = await ask('POST', '/api/generations/{id}/shares', `/api/generations/${wish.id}/shares`, { body: { seconds: 60 } })
    assert.equal((await ask('GET', '/api/shared/{token}', `/api/shared/${token}`)).images.length, 1)
    assert.ok((await ask('GET', '/api/generations/{id}', `/api/generations/${wish.id}`)).sharedUntil)
    for (const at of ['shares', 'record']) {
      const answer = await api.call('DELETE', `/api/generations/${wish.id}/${at}`, { user })
      assert.deepEqual([answer.statusCode, answer.body], [204, ''], at)
      assert.ok(document.paths[`/api/generations/{id}/${at}`].delete.responses['204'])
    }
    for (const path of ['/api/styles', '/api/status', '/api/health', '/api/ready']) await ask('GET', path, path)
    for (const at of ['', '/thumbnail']) {
      const type = at ? 'image/webp' : 'image/png'
      assert.ok(document.paths[`/api/images/{id}/{n}${at}`].get.responses['200'].content[type], `pictures are ${type}`)
    }
    assert.ok(document.paths['/api/sketches/{id}'].get.responses['200'].content['image/png'])
    assert.ok(document.paths['/api/styles/{name}/thumbnail'].get.responses['200'].content['image/jpeg'])
    const [known] = await api.services.styles.list()
    const [style] = (await ask('GET', '/api/styles', '/api/styles')).items
    assert.deepEqual(Object.keys(style).sort(), Object.keys(known).map((key) => (key === 'thumbnailKey' ? 'thumbnailUrl' : key)).sort())
  })

  it('hides nothing that a route answers: what it does not speak of would be lost', async () => {
    const { id } = (await api.call('POST', '/api/generations', { user, body: WISH })).json()
    const record = await api.services.generations.get(id)
    const presented = await api.services.present(record, { withRecipe: true })
    const answered = (await api.call('GET', `/api/generations/${id}`, { user })).json()
    assert.deepEqual(Object.keys(answered).sort(), Object.keys(presented).sort())
    assert.deepEqual(answered.request, presented.request)
    assert.deepEqual(answered.recipe, presented.recipe)
    assert.deepEqual(Object.keys(answered.gpu).sort(), Object.keys(presented.gpu).sort())
  })

  it('is true of the problems of every route', async () => {
    for (const { method, path } of operations()) {
      const url = path.replace('{id}', randomUUID()).replace('{n}', '0')
      const verb = method.toUpperCase()
      const without = await api.call(verb, url, { headers: { 'x-origin-secret': 'wrong' } })
      assert.equal(without.statusCode, 403)
      if (path !== '/api/health') holds(verb, path, without)
      if (OPEN.includes(path)) continue
      const anonymous = await api.call(verb, url)
      assert.equal(anonymous.statusCode, 401, `${verb} ${url}`)
      holds(verb, path, anonymous)
      if (!path.includes('{id}')) continue
      const missing = await api.call(verb, url, { user, body: BODIES[`${method} ${path}`] })
      assert.equal(missing.statusCode, 404, `${verb} ${url}`)
      holds(verb, path, missing)
    }
    holds('POST', '/api/generations', await api.call('POST', '/api/generations', { user, body: { prompt: 5, width: 1 } }))
    holds('POST', '/api/sketches', await api.call('POST', '/api/sketches', { user, headers: { 'content-type': 'image/png' }, payload: Buffer.from('no') }))
  })

  it('is true of the problems of a service in trouble', async () => {
    const { generations } = api.services
    const real = generations.unfinished
    generations.unfinished = async () => {
      throw new Error('the table is away')
    }
    try {
      const answer = await api.call('GET', '/api/ready')
      assert.equal(answer.statusCode, 503)
      holds('GET', '/api/ready', answer)
    } finally {
      generations.unfinished = real
    }
  })
})

/** What the app really serves: paths from its router, methods from what it says is allowed; heads of GET left out. */
async function routesOf({ app, call }) {
  const found = []
  const parts = []
  for (const line of app.printRoutes({ commonPrefix: false }).split('\n')) {
    const [, indent, part, methods] = /^([│ ]*)[├└]── (\S+)(?: \(([A-Z, ]+)\))?/.exec(line) ?? []
    if (part === undefined) continue
    parts.splice(indent.length / 4, Infinity, part)
    const url = parts.join('')
    if (!methods || !url.startsWith('/api/')) continue
    const { statusCode, headers } = await call('PUT', url.replace(':id', randomUUID()).replace(':n', '0'))
    assert.equal(statusCode, 405, url)
    for (const method of headers.allow.split(', ')) if (method !== 'HEAD') found.push({ method, url })
  }
  return found
}
