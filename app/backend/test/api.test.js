import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import sharp from 'sharp'
import { emulateAws, newUser, startApp } from './support.js'

const WISH = { prompt: 'a bright living room' }

describe('the API', () => {
  let aws, api
  before(async () => {
    aws = await emulateAws()
    api = await startApp(aws)
  })
  after(async () => {
    await api?.close()
    await aws?.stop()
  })

  const post = (user, body, headers) => api.call('POST', '/api/generations', { user, body, headers })

  it('takes a wish, keeps its recipe and sends its id alone', async () => {
    const user = newUser()
    const answer = await post(user, { ...WISH, style: 'Indochine', seed: 7 })
    assert.equal(answer.statusCode, 202, answer.body)
    const { id, state, position, kind, seed } = answer.json()
    assert.deepEqual({ state, kind, seed }, { state: 'queued', kind: 'text', seed: 7 })
    assert.ok(position >= 1)
    const one = (await api.call('GET', `/api/generations/${id}`, { user })).json()
    assert.equal(one.recipe.style.sha256, 'ab12')
    assert.equal(one.recipe.graph['3'].inputs.text, WISH.prompt)
    const message = await api.services.queues.receive('text', { visibilitySeconds: 1, waitSeconds: 1 })
    assert.deepEqual(JSON.parse(message.body), { id })
    await api.services.queues.delete('text', message.handle)
  })

  it('makes one generation of one key, and refuses the key for another wish', async () => {
    const user = newUser()
    const headers = { 'idempotency-key': 'k-1' }
    const [first, again] = [await post(user, WISH, headers), await post(user, WISH, headers)]
    assert.equal(first.json().id, again.json().id)
    assert.equal(again.headers['idempotent-replayed'], 'true')
    const other = await post(user, { prompt: 'a kitchen' }, headers)
    assert.equal(other.statusCode, 422)
    assert.equal(other.json().errors[0].field, 'Idempotency-Key')
    const stranger = await post(newUser(), WISH, headers)
    assert.notEqual(stranger.json().id, first.json().id, "another's key is another key")
  })

  it('lists mine alone, newest first, page by page', async () => {
    const user = newUser()
    const ids = []
    for (let n = 0; n < 5; n++) ids.unshift((await post(user, { prompt: `room ${n}` })).json().id)
    await post(newUser(), WISH)
    const seen = []
    let cursor = ''
    do {
      const page = (await api.call('GET', `/api/generations?limit=2${cursor && `&cursor=${cursor}`}`, { user })).json()
      seen.push(...page.items.map((one) => one.id))
      cursor = page.next
    } while (cursor)
    assert.deepEqual(seen, ids)
  })

  it('lets nobody have more unfinished ones than allowed, and more again once one ended', async () => {
    const user = newUser()
    const many = []
    for (let n = 0; n < 10; n++) many.push(await post(user, WISH))
    const codes = many.map((one) => one.statusCode)
    assert.equal(codes.filter((code) => code === 202).length, api.config.limits.unfinishedPerUser)
    const refused = many.find((one) => one.statusCode === 429)
    assert.ok(Number(refused.headers['retry-after']) >= 1)
    const taken = many.find((one) => one.statusCode === 202).json()
    assert.equal((await api.call('DELETE', `/api/generations/${taken.id}`, { user })).json().state, 'cancelled')
    assert.equal((await post(user, WISH)).statusCode, 202)
  })

  it('cancels once, and says so again when asked again', async () => {
    const user = newUser()
    const { id } = (await post(user, WISH)).json()
    for (let n = 0; n < 2; n++) {
      const answer = await api.call('DELETE', `/api/generations/${id}`, { user })
      assert.equal(answer.statusCode, 200, answer.body)
      assert.equal(answer.json().state, 'cancelled')
    }
  })

  it('takes a drawing and makes a sketch generation of it', async () => {
    const user = newUser()
    const svg = '<svg xmlns="http://www.w3.org/2000/svg" width="200" height="100"><rect width="200" height="100" fill="white"/><path d="M10 10 L190 90" stroke="black" stroke-width="4"/></svg>'
    const payload = await sharp(Buffer.from(svg)).png().toBuffer()
    const sent = await api.call('POST', '/api/sketches', { user, headers: { 'content-type': 'image/png' }, payload })
    assert.equal(sent.statusCode, 201, sent.body)
    const sketch = sent.json()
    assert.deepEqual([sketch.width, sketch.height], [200, 100])
    const seen = await api.call('GET', sketch.url)
    assert.equal(seen.statusCode, 200, 'the signed address needs no token')
    assert.equal((await sharp(seen.rawPayload).metadata()).width, 200)
    const answer = await post(user, { ...WISH, sketchId: sketch.id, sketchStrength: 0.5, sketchEnd: 0.6 })
    assert.equal(answer.json().kind, 'sketch', answer.body)
    const { recipe } = (await api.call('GET', `/api/generations/${answer.json().id}`, { user })).json()
    assert.equal(recipe.graph['11'].inputs.strength, 0.5)
    assert.equal(recipe.graph['11'].inputs.end_percent, 0.6)
    const stolen = await post(newUser(), { ...WISH, sketchId: sketch.id })
    assert.equal(stolen.json().errors[0].field, 'sketchId')
  })

  it('tells styles, status and health', async () => {
    const user = newUser()
    const styles = (await api.call('GET', '/api/styles', { user })).json()
    assert.deepEqual(
      styles.items.map(({ name, sha256, offered }) => ({ name, sha256, offered })),
      [{ name: 'Indochine', sha256: 'ab12', offered: { text: null, sketch: null } }],
    )
    const status = (await api.call('GET', '/api/status', { user })).json()
    assert.equal(status.gpu.state, 'unreachable')
    assert.equal((await api.call('GET', '/api/ready')).json().status, 'ready')
  })
})
