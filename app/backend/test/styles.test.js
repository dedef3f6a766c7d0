/** Styles and their versions: what designers get, what they may ask for, and what the record keeps (docs/decisions/0017). */
import { DeleteObjectCommand, ListObjectsV2Command, PutObjectCommand } from '@aws-sdk/client-s3'
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { after, afterEach, before, beforeEach, describe, it } from 'node:test'
import { Shelf } from '../services/shelf.js'
import { emulateAws, newUser, startApp } from './support.js'

const SHA256 = { v1: '1'.repeat(64), v2: '2'.repeat(64) }
const quiet = { warn: () => {} }

describe('styles', () => {
  const user = newUser()
  let aws, api
  before(async () => (aws = await emulateAws()))
  after(() => aws?.stop())
  beforeEach(async () => {
    for (const { Key } of await listed()) await aws.clients.s3.send(new DeleteObjectCommand({ Bucket: 'pictures', Key }))
    api = await startApp(aws) // with nothing remembered
  })
  afterEach(() => api.close())

  const listed = async () => (await aws.clients.s3.send(new ListObjectsV2Command({ Bucket: 'pictures', Prefix: 'loras/' }))).Contents ?? []
  const put = (name, Body, more = {}) => aws.clients.s3.send(new PutObjectCommand({ Bucket: 'pictures', Key: `loras/${name}`, Body, ...more }))
  const alias = (style, version, more = {}) => put(`${style}.alias.json`, JSON.stringify({ style, version, previous: [], retired: false, ...more }))

  /** Versions 1 and 2 of Indochine, as training/publish.py leaves them. */
  async function versions({ thumbnails = true } = {}) {
    for (const version of ['v1', 'v2']) {
      const name = `Indochine-${version}`
      const told = { style: 'Indochine', version: name, title: 'Đông Dương', triggerWord: `indochine ${version}`, recommendedStrength: 0.7, sha256: SHA256[version], publishedAt: '2026-11-28T05:00:00Z' }
      if (thumbnails) await put(`${name}.jpg`, `picture of ${version}`, { ContentType: 'image/jpeg' })
      await put(`${name}.json`, JSON.stringify(told))
      await put(`${name}.safetensors`, `weights of ${version}`, { Metadata: { sha256: SHA256[version] } })
    }
  }
  const styles = async () => (await api.call('GET', '/api/styles', { user })).json().items
  const names = async () => (await styles()).map((one) => one.name)
  const ask = (body) => api.call('POST', '/api/generations', { user, body: { prompt: 'a room', ...body } })
  const record = async (answer) => (await api.call('GET', `/api/generations/${answer.json().id}`, { user })).json()
  /** As another process sees it: nothing remembered. */
  const anew = async () => {
    await api.close()
    api = await startApp(aws)
  }

  it('are what the aliases choose, each with its version’s own story', async () => {
    await versions()
    await alias('Indochine', 'Indochine-v1')
    const [one, ...others] = await styles()
    assert.deepEqual(others, [], 'a version that is not chosen, a sidecar or a thumbnail is no style')
    const { publishedAt, thumbnailUrl, ...rest } = one
    assert.deepEqual(rest, {
      name: 'Indochine',
      title: 'Đông Dương',
      triggerWord: 'indochine v1',
      recommendedStrength: 0.7,
      version: 'Indochine-v1',
      bytes: 13,
      sha256: SHA256.v1,
      offered: { text: null, sketch: null },
    })
    assert.ok(Date.parse(publishedAt) > Date.now() - 60_000)
    assert.match(thumbnailUrl, /^\/api\/styles\/Indochine-v1\/thumbnail\?expires=\d+&signature=/)
    await alias('Indochine', 'Indochine-v2')
    await anew()
    assert.equal((await styles())[0].version, 'Indochine-v2')
  })

  it('are retired, or have a version that is not there: designers do not get them', async () => {
    await versions()
    await put('Plain.safetensors', 'p')
    await alias('Indochine', 'Indochine-v1', { retired: true })
    await alias('Plain', 'Plain', { retired: true })
    await alias('Gone', 'Gone-v4')
    assert.deepEqual(await names(), [])
    for (const style of ['Indochine', 'Plain', 'Gone']) {
      const answer = await ask({ style })
      assert.deepEqual([answer.statusCode, answer.json().errors[0].code], [400, 'unknown_style'], style)
    }
    assert.equal((await ask({ style: 'Indochine-v1' })).statusCode, 202, 'a recipe can be made again')
    await alias('Plain', 'Plain')
    await anew()
    assert.deepEqual(await names(), ['Plain'])
  })

  it('that nobody made by training are files by their own names', async () => {
    await put('Plain.safetensors', 'p', { Metadata: { sha256: 'cd' } })
    await put('Other-v3.safetensors', 'o')
    await put('Broken.safetensors', 'b')
    await put('Broken.json', '{')
    assert.deepEqual(await names(), ['Broken', 'Other-v3', 'Plain'])
    const { styleVersion, recipe } = await record(await ask({ style: 'Plain' }))
    assert.equal(styleVersion, 'Plain')
    assert.deepEqual(recipe.style, { style: 'Plain', version: 'Plain', name: 'Plain.safetensors', sha256: 'cd' })
  })

  it('whose publication was cut off before its alias are none yet', async () => {
    await versions()
    assert.deepEqual(await names(), [])
  })

  it('whose alias or sidecar is broken break no other', async () => {
    await versions()
    await put('Good.safetensors', 'g')
    await put('Indochine.alias.json', '{"version": 5}')
    assert.deepEqual(await names(), ['Good'])
    await alias('Indochine', 'Indochine-v1')
    await put('Indochine-v1.json', '[]')
    await anew()
    const [, indochine] = await styles()
    assert.deepEqual([indochine.title, indochine.version, indochine.triggerWord], ['Indochine', 'Indochine-v1', undefined])
  })

  it('are promoted while a picture waits: its record keeps the older version', async () => {
    await versions()
    await alias('Indochine', 'Indochine-v1')
    const before = await ask({ style: 'Indochine' })
    assert.equal(before.statusCode, 202, before.body)
    await alias('Indochine', 'Indochine-v2', { previous: ['Indochine-v1'] })
    await anew()
    const after = await record(await ask({ style: 'Indochine' }))
    const kept = await record(before)
    const seen = ({ state, request, styleVersion, recipe }) => [state, request.style, styleVersion, recipe.style.sha256]
    assert.deepEqual(seen(kept), ['queued', 'Indochine', 'Indochine-v1', SHA256.v1])
    assert.deepEqual(seen(after), ['queued', 'Indochine', 'Indochine-v2', SHA256.v2])
    const lora = ({ recipe }) => Object.values(recipe.graph).find((node) => node.class_type === 'LoraLoader').inputs.lora_name
    assert.deepEqual([lora(kept), lora(after)], ['Indochine-v1.safetensors', 'Indochine-v2.safetensors'])
    assert.match(JSON.stringify(kept.recipe.graph), /indochine v1, a room/)
    const again = await record(await ask({ style: 'Indochine-v1', seed: kept.request.seed }))
    assert.deepEqual(again.recipe.graph, kept.recipe.graph, 'the same picture can be made again')
  })

  it('find the pictures of all their versions in the gallery', async () => {
    const owner = newUser()
    const post = async (style) => (await api.call('POST', '/api/generations', { user: owner, body: { prompt: 'a room', style } })).json().id
    const found = async (style) => (await api.call('GET', `/api/generations?style=${style}`, { user: owner })).json().items.map((one) => one.id).sort()
    await versions()
    await alias('Indochine', 'Indochine-v1')
    const first = await post('Indochine')
    await alias('Indochine', 'Indochine-v2')
    await anew()
    const [second, byVersion] = [await post('Indochine'), await post('Indochine-v1')]
    assert.deepEqual(await found('Indochine'), [first, second, byVersion].sort())
    assert.deepEqual(await found('Indochine-v1'), [first, byVersion].sort())
    assert.deepEqual(await found('Indochine-v2'), [second])
    assert.deepEqual(await found('Plain'), [])
  })

  it('have a thumbnail for everybody who is signed in, kept as long as its version is the same', async () => {
    await versions()
    await alias('Indochine', 'Indochine-v2')
    await put('Plain.safetensors', 'p')
    const [indochine, plain] = await styles()
    assert.equal(plain.thumbnailUrl, undefined)
    const shown = await api.call('GET', indochine.thumbnailUrl)
    assert.deepEqual([shown.statusCode, shown.body, shown.headers['content-type']], [200, 'picture of v2', 'image/jpeg'])
    assert.match(shown.headers['cache-control'], /max-age=86400, immutable/)
    const held = await api.call('GET', indochine.thumbnailUrl, { headers: { 'if-none-match': shown.headers.etag } })
    assert.equal(held.statusCode, 304)
    const byName = await api.call('GET', '/api/styles/Indochine/thumbnail', { user: newUser() })
    assert.deepEqual([byName.body, byName.headers['cache-control']], ['picture of v2', 'private, max-age=300'])
    for (const [path, options, status] of [
      ['/api/styles/Indochine-v2/thumbnail', {}, 401],
      [indochine.thumbnailUrl.replace('v2', 'v1'), {}, 403],
      ['/api/styles/Plain/thumbnail', { user }, 404],
      ['/api/styles/Baroque/thumbnail', { user }, 404],
      ['/api/styles/..%2Foutputs%2Fx/thumbnail', { user }, 404],
      ['/api/styles/__proto__/thumbnail', { user }, 404],
    ]) {
      const answer = await api.call('GET', path, options)
      assert.deepEqual([answer.statusCode, answer.headers['content-type']], [status, 'application/problem+json; charset=utf-8'], path)
    }
  })

  it('have names of any kind, and thumbnails at addresses that hold them', async () => {
    await put('Đông Dương & more.safetensors', 'x')
    await put('Đông Dương & more.jpg', 'picture', { ContentType: 'image/jpeg' })
    const [{ name, thumbnailUrl }] = await styles()
    assert.equal(name, 'Đông Dương & more')
    assert.equal((await api.call('GET', thumbnailUrl)).body, 'picture')
  })

  it('are offered when ComfyUI has the very version', async () => {
    await versions()
    await alias('Indochine', 'Indochine-v2')
    const there = ['Indochine-v1.safetensors', 'by-hand.safetensors']
    const comfyUi = createServer((_, response) => response.end(JSON.stringify(there)))
    await new Promise((resolve) => comfyUi.listen(0, '127.0.0.1', resolve))
    const offered = async () => {
      await api.close()
      api = await startApp(aws, { COMFY_UI_TEXT_PORT: String(comfyUi.address().port) })
      return (await styles()).map((one) => [one.name, one.offered.text])
    }
    try {
      assert.deepEqual(await offered(), [['Indochine', false], ['by-hand', true]])
      there.push('Indochine-v2.safetensors')
      assert.deepEqual(await offered(), [['Indochine', true], ['by-hand', true]])
      const { styleVersion } = await record(await ask({ style: 'by-hand' }))
      assert.equal(styleVersion, 'by-hand')
    } finally {
      comfyUi.close()
    }
  })

  it('that go away while they are read take no other along', async () => {
    await put('Plain.safetensors', 'p')
    await put('Gone.safetensors', 'g')
    const send = async (command) => {
      const answer = await aws.clients.s3.send(command)
      if (command instanceof ListObjectsV2Command) await aws.clients.s3.send(new DeleteObjectCommand({ Bucket: 'pictures', Key: 'loras/Gone.safetensors' }))
      return answer
    }
    const { styles: left } = await new Shelf({ s3: { send } }, { bucket: 'pictures' }, quiet).read()
    assert.deepEqual([...left.keys()], ['Plain'])
  })

  it('are not taken for broken because S3 was away for a moment', async () => {
    await versions()
    await alias('Indochine', 'Indochine-v1')
    let away = true
    const send = async (command) => {
      if (away && command.input.Key?.endsWith('.json')) throw Object.assign(new Error('SlowDown'), { $metadata: { httpStatusCode: 503 } })
      return aws.clients.s3.send(command)
    }
    const shelf = new Shelf({ s3: { send } }, { bucket: 'pictures' }, quiet)
    await assert.rejects(shelf.read(), /SlowDown/)
    away = false
    const { styles: now } = await shelf.read()
    assert.deepEqual([...now.entries()].map(([name, { file, told }]) => [name, file, told.title]), [['Indochine', 'Indochine-v1', 'Đông Dương']])
  })

  it('are read once: the next reading asks for the list and what changed alone', async () => {
    await versions()
    await alias('Indochine', 'Indochine-v1')
    const asked = []
    const s3 = { send: (command) => (asked.push(command.constructor.name), aws.clients.s3.send(command)) }
    const shelf = new Shelf({ s3 }, { bucket: 'pictures' }, quiet)
    await shelf.read()
    assert.equal(asked.length, 1 + 1 + 2 + 2, 'list, alias, two heads, two sidecars')
    asked.length = 0
    await shelf.read()
    assert.deepEqual(asked, ['ListObjectsV2Command'])
    await alias('Indochine', 'Indochine-v2')
    const { styles: now } = await shelf.read()
    assert.equal(now.get('Indochine').file, 'Indochine-v2')
    assert.deepEqual(asked.slice(1), ['ListObjectsV2Command', 'GetObjectCommand'])
  })
})
