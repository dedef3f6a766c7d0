import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import sharp from 'sharp'
import { signedPath } from '../signing.js'
import { drawn } from './drawing-material.js'
import { emulateAws, newUser, SECRET, startApp, token } from './support.js'

const IMMUTABLE = 'private, max-age=86400, immutable'

describe('pictures', () => {
  const user = newUser()
  let aws, api, id, png, webp, shown
  before(async () => {
    aws = await emulateAws()
    api = await startApp(aws)
    png = await sharp({ create: { width: 512, height: 256, channels: 3, background: '#a06040' } }).png().toBuffer()
    webp = await sharp(png).resize(384).webp().toBuffer()
    const { generations, pictures } = api.services
    id = (await api.call('POST', '/api/generations', { user, body: { prompt: 'a room' } })).json().id
    await Promise.all([pictures.put(`outputs/${id}/0.png`, png, 'image/png'), pictures.put(`outputs/${id}/0.webp`, webp, 'image/webp')])
    const images = [{ n: 0, key: `outputs/${id}/0.png`, thumbnailKey: `outputs/${id}/0.webp`, width: 512, height: 256, bytes: png.length, sha256: createHash('sha256').update(png).digest('hex') }]
    await generations.finish({ id, owner: user }, 'succeeded', { set: { images } })
    shown = (await api.call('GET', `/api/generations/${id}`, { user })).json().images[0]
  })
  after(async () => {
    await api?.close()
    await aws?.stop()
  })

  it('are the very bytes that were stored, by the address that the API gave and without a token', async () => {
    const answer = await api.call('GET', shown.url)
    assert.equal(answer.statusCode, 200, answer.body)
    assert.deepEqual(answer.rawPayload, png)
    const { 'content-type': type, 'content-length': length, 'cache-control': caching, 'x-content-type-options': sniff, 'referrer-policy': referrer } = answer.headers
    assert.deepEqual({ type, length, caching, sniff, referrer }, { type: 'image/png', length: String(png.length), caching: IMMUTABLE, sniff: 'nosniff', referrer: 'no-referrer' })
    assert.equal(answer.headers['cross-origin-resource-policy'], 'cross-origin', 'the page is at another origin')
    assert.equal(shown.sha256, createHash('sha256').update(answer.rawPayload).digest('hex'))
  })

  it('have thumbnails, as WebP', async () => {
    const answer = await api.call('GET', shown.thumbnailUrl)
    assert.deepEqual([answer.statusCode, answer.headers['content-type']], [200, 'image/webp'])
    assert.deepEqual(answer.rawPayload, webp)
  })

  it('are for their owner with a token too, and for nobody else', async () => {
    for (const path of [`/api/images/${id}/0`, `/api/images/${id}/0/thumbnail`]) {
      assert.equal((await api.call('GET', path, { user })).statusCode, 200)
      assert.equal((await api.call('GET', path, { user: newUser() })).statusCode, 404)
      assert.equal((await api.call('GET', path)).statusCode, 401)
    }
  })

  it('are for whoever holds the address, whoever they are: it was given to the owner alone', async () => {
    assert.equal((await api.call('GET', shown.url, { user: newUser() })).statusCode, 200)
    assert.equal((await api.call('GET', shown.url, { auth: `Bearer ${token(user, { exp: 1 })}` })).statusCode, 200)
  })

  it('keep their address for hours, so that browsers can cache them, and lose it within a day', async () => {
    const again = (await api.call('GET', `/api/generations/${id}`, { user })).json().images[0]
    const [first, second] = [shown.url, again.url].map((url) => Number(new URL(url, 'http://x').searchParams.get('expires')))
    assert.ok(second - first === 0 || second - first === 12 * 3600)
    const left = second - Date.now() / 1000
    assert.ok(left > 12 * 3600 - 60 && left <= 24 * 3600, `${left} s`)
    const path = `/api/images/${id}/0`
    const key = api.config.imageKey
    const hours = (n) => Date.now() - n * 3_600_000
    assert.equal((await api.call('GET', signedPath(key, path, hours(11.9)))).statusCode, 200)
    assert.equal((await api.call('GET', signedPath(key, path, hours(24.1)))).statusCode, 403)
  })

  it('are not sent again to who has them', async () => {
    const { etag } = (await api.call('GET', shown.url)).headers
    assert.match(etag, /^"[^"]+"$/)
    for (const held of [etag, `W/${etag}`, `"other", ${etag}`, '*']) {
      const answer = await api.call('GET', shown.url, { headers: { 'if-none-match': held } })
      assert.deepEqual([answer.statusCode, answer.rawPayload.length, answer.headers.etag], [304, 0, etag], held)
      assert.equal(answer.headers['cache-control'], IMMUTABLE)
    }
    for (const held of ['"other"', etag.slice(1, -1), '']) {
      assert.equal((await api.call('GET', shown.url, { headers: { 'if-none-match': held } })).statusCode, 200, held)
    }
  })

  it('answer 304 only to who may see them', async () => {
    const { etag } = (await api.call('GET', shown.url)).headers
    const headers = { 'if-none-match': etag }
    assert.equal((await api.call('GET', `/api/images/${id}/0`, { user: newUser(), headers })).statusCode, 404)
    assert.equal((await api.call('GET', `${shown.url}x`, { headers })).statusCode, 403)
  })

  it('tell their head alone when asked for it', async () => {
    const answer = await api.call('HEAD', shown.url)
    assert.deepEqual([answer.statusCode, answer.rawPayload.length, answer.headers['content-length']], [200, 0, String(png.length)])
  })

  it('come over a real socket to many at once, whole', async () => {
    const base = await api.app.listen({ host: '127.0.0.1', port: 0 })
    const all = await Promise.all(Array.from({ length: 30 }, () => fetch(base + shown.url, { headers: { 'x-origin-secret': SECRET } }).then((answer) => answer.arrayBuffer())))
    assert.ok(all.every((bytes) => Buffer.from(bytes).equals(png)))
  })

  it('that are not there are 404, and nothing of that is cached', async () => {
    const gone = await api.call('GET', signedPath(api.config.imageKey, `/api/images/${id}/2`))
    assert.equal(gone.statusCode, 404)
    assert.equal(gone.headers['cache-control'], 'no-store')
  })

  it('of the API are JSON that nobody caches', async () => {
    for (const path of ['/api/generations', `/api/generations/${id}`, '/api/status', '/api/styles', '/api/nothing']) {
      assert.equal((await api.call('GET', path, { user })).headers['cache-control'], 'no-store', path)
    }
  })
})

describe('drawings that were uploaded', () => {
  const user = newUser()
  let aws, api
  before(async () => {
    aws = await emulateAws()
    api = await startApp(aws)
  })
  after(async () => {
    await api?.close()
    await aws?.stop()
  })
  const upload = async (picture, type) => api.call('POST', '/api/sketches', { user, headers: { 'content-type': type }, payload: await picture.toBuffer() })

  it('are taken as PNG, JPEG and WebP, and kept as PNG with their lines beside them', async () => {
    for (const [picture, type] of [[drawn().png(), 'image/png'], [drawn().jpeg(), 'image/jpeg'], [drawn().webp(), 'image/webp']]) {
      const answer = await upload(picture, type)
      assert.equal(answer.statusCode, 201, answer.body)
      const { id, url, width, height } = answer.json()
      assert.deepEqual([width, height], [640, 480])
      const seen = await api.call('GET', url)
      assert.deepEqual([seen.statusCode, seen.headers['content-type'], seen.headers['cache-control']], [200, 'image/png', IMMUTABLE])
      const { format, width: wide } = await sharp(seen.rawPayload).metadata()
      assert.deepEqual([format, wide], ['png', 640])
      const note = await api.services.generations.note(`sketch#${id}`)
      assert.equal(note.owner, user)
      assert.equal(note.sha256, createHash('sha256').update(seen.rawPayload).digest('hex'))
      const days = (note.expiresAt - Date.now() / 1000) / 86_400
      assert.ok(Math.abs(days - api.config.retentionDays) < 1)
      assert.ok(await api.services.pictures.bytes(note.linesKey))
      assert.equal((await api.call('GET', `/api/sketches/${id}`, { user })).statusCode, 200)
      assert.equal((await api.call('GET', `/api/sketches/${id}`, { user: newUser() })).statusCode, 404)
    }
  })

  it('are shown again with the generation that follows them', async () => {
    const { id } = (await upload(drawn().png(), 'image/png')).json()
    const made = (await api.call('POST', '/api/generations', { user, body: { prompt: 'a room', sketchId: id } })).json()
    const { sketchUrl } = (await api.call('GET', `/api/generations/${made.id}`, { user })).json()
    assert.equal((await api.call('GET', sketchUrl)).statusCode, 200)
  })

  it('leave no record when they cannot be stored', async () => {
    const { pictures, generations } = api.services
    const [put, setNote] = [pictures.put, generations.setNote]
    let noted = 0
    pictures.put = async () => {
      throw Object.assign(new Error('SlowDown'), { $metadata: { httpStatusCode: 503 } })
    }
    generations.setNote = async () => noted++
    try {
      const answer = await upload(drawn().png(), 'image/png')
      assert.equal(answer.statusCode, 503)
      assert.deepEqual([answer.headers['retry-after'], noted], ['5', 0])
    } finally {
      Object.assign(pictures, { put })
      Object.assign(generations, { setNote })
    }
  })
})
