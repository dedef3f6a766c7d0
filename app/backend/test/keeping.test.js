import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { newShareKey, readToken, shareToken } from '../services/shares.js'
import { emulateAws, newUser, startApp } from './support.js'

const DAY = 86_400 // seconds

describe('what designers keep', () => {
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

  /** A finished generation of `owner` with one picture in the bucket. */
  async function made({ owner = user, state = 'succeeded', body = {} } = {}) {
    const { generations, pictures } = api.services
    const answer = await api.call('POST', '/api/generations', { user: owner, body: { prompt: 'a room', ...body } })
    const { id } = answer.json()
    await Promise.all([pictures.put(`outputs/${id}/0.png`, 'png', 'image/png'), pictures.put(`outputs/${id}/0.webp`, 'webp', 'image/webp')])
    const images = [{ n: 0, key: `outputs/${id}/0.png`, thumbnailKey: `outputs/${id}/0.webp`, width: 8, height: 8, bytes: 3, sha256: 'ab' }]
    if (state) await generations.finish({ id, owner }, state, { set: state === 'succeeded' ? { images } : {} })
    return id
  }
  const ids = (answer) => answer.json().items.map((one) => one.id)
  const share = (id, seconds = 7 * DAY, by = user) => api.call('POST', `/api/generations/${id}/shares`, { user: by, body: { seconds } })

  describe('as favourites', () => {
    it('are marked and unmarked, and listed alone', async () => {
      const owner = newUser()
      const [first, second] = [await made({ owner }), await made({ owner })]
      const marked = await api.call('PATCH', `/api/generations/${first}`, { user: owner, body: { favourite: true } })
      assert.deepEqual([marked.statusCode, marked.json().favourite], [200, true])
      assert.deepEqual(ids(await api.call('GET', '/api/generations?favourite=true', { user: owner })), [first])
      const unmarked = await api.call('PATCH', `/api/generations/${first}`, { user: owner, body: { favourite: false } })
      assert.equal('favourite' in unmarked.json(), false)
      assert.deepEqual(ids(await api.call('GET', '/api/generations?favourite=true', { user: owner })), [])
      assert.deepEqual(ids(await api.call('GET', '/api/generations', { user: owner })).sort(), [first, second].sort())
    })

    it('are listed by style too', async () => {
      const owner = newUser()
      const [plain, styled] = [await made({ owner }), await made({ owner, body: { style: 'Indochine' } })]
      await api.call('PATCH', `/api/generations/${styled}`, { user: owner, body: { favourite: true } })
      await api.call('PATCH', `/api/generations/${plain}`, { user: owner, body: { favourite: true } })
      for (const asked of ['style=Indochine', 'style=Indochine&favourite=true&state=succeeded']) {
        assert.deepEqual(ids(await api.call('GET', `/api/generations?${asked}`, { user: owner })), [styled], asked)
      }
      assert.deepEqual(ids(await api.call('GET', '/api/generations?style=Minimalist', { user: owner })), [])
    })

    it('are their owner’s to mark, and a wrong mark is refused by name', async () => {
      const id = await made()
      assert.equal((await api.call('PATCH', `/api/generations/${id}`, { user: newUser(), body: { favourite: true } })).statusCode, 404)
      assert.equal((await api.call('PATCH', `/api/generations/${id}`, { body: { favourite: true } })).statusCode, 401)
      for (const [body, field] of [[{}, 'favourite'], [{ favourite: 'yes' }, 'favourite'], [{ favourite: true, seed: 1 }, 'seed']]) {
        const answer = await api.call('PATCH', `/api/generations/${id}`, { user, body })
        assert.deepEqual([answer.statusCode, answer.json().errors[0].field], [400, field])
      }
      assert.equal((await api.call('GET', '/api/generations?favourite=no', { user })).json().errors[0].field, 'favourite')
    })
  })

  describe('until they delete it', () => {
    it('goes with its pictures, its record and its links', async () => {
      const id = await made()
      const { url } = (await api.call('GET', `/api/generations/${id}`, { user })).json().images[0]
      const { token } = (await share(id)).json()
      assert.equal((await api.call('DELETE', `/api/generations/${id}/record`, { user })).statusCode, 204)
      for (const path of [`/api/generations/${id}`, url, `/api/shared/${token}`]) {
        assert.equal((await api.call('GET', path, { user })).statusCode, 404, path)
      }
      assert.equal(await api.services.pictures.open(`outputs/${id}/0.webp`), null)
      assert.equal((await api.call('DELETE', `/api/generations/${id}/record`, { user })).statusCode, 404)
      assert.equal((await api.call('PATCH', `/api/generations/${id}`, { user, body: { favourite: true } })).statusCode, 404)
      assert.equal(await api.services.generations.get(id), undefined, 'a late mark must not bring it back')
    })

    for (const state of ['failed', 'cancelled']) {
      it(`goes when it has ${state}, too`, async () => {
        const id = await made({ state })
        assert.equal((await api.call('DELETE', `/api/generations/${id}/record`, { user })).statusCode, 204)
      })
    }

    it('stays while it is under way: it has to be cancelled first', async () => {
      const id = await made({ state: null })
      const answer = await api.call('DELETE', `/api/generations/${id}/record`, { user })
      assert.equal(answer.statusCode, 409)
      assert.match(answer.json().detail, /cancel it first/)
      assert.equal((await api.services.generations.get(id)).state, 'queued')
      assert.ok(await api.services.pictures.open(`outputs/${id}/0.png`), 'nor does a picture go')
    })

    it('is nobody else’s to delete', async () => {
      const id = await made()
      assert.equal((await api.call('DELETE', `/api/generations/${id}/record`, { user: newUser() })).statusCode, 404)
      assert.ok(await api.services.pictures.open(`outputs/${id}/0.png`))
    })
  })

  describe('in links', () => {
    it('is shown without an account: the pictures, and nothing of whose and how', async () => {
      const id = await made({ body: { style: 'Indochine', seed: 5 } })
      const answer = await share(id)
      assert.equal(answer.statusCode, 201, answer.body)
      const { token, expiresAt } = answer.json()
      const shown = await api.call('GET', `/api/shared/${token}`)
      assert.equal(shown.statusCode, 200)
      const { images, ...rest } = shown.json()
      const { createdAt } = await api.services.generations.get(id)
      assert.deepEqual(rest, { kind: 'text', createdAt, expiresAt, style: 'Indochine' })
      assert.equal((await api.call('GET', images[0].url)).body, 'png')
      assert.equal((await api.call('GET', `/api/generations/${id}`, { user })).json().sharedUntil, expiresAt)
    })

    it('ends by itself, and so do the addresses of its pictures', async () => {
      const id = await made()
      const { token } = (await share(id, 3)).json()
      const { url } = (await api.call('GET', `/api/shared/${token}`)).json().images[0]
      assert.ok(Number(new URL(url, 'http://x').searchParams.get('expires')) <= Date.now() / 1000 + 3)
      await new Promise((resolve) => setTimeout(resolve, 4000))
      const gone = await api.call('GET', `/api/shared/${token}`)
      assert.deepEqual([gone.statusCode, gone.json().detail], [410, 'This link has ended.'])
      assert.equal((await api.call('GET', url)).statusCode, 403)
    })

    it('holds as long as each of them says, and the record tells the last', async () => {
      const id = await made()
      const long = (await share(id, 30 * DAY)).json()
      const short = (await share(id, DAY)).json()
      assert.ok(short.expiresAt < long.expiresAt)
      for (const { token } of [long, short]) assert.equal((await api.call('GET', `/api/shared/${token}`)).statusCode, 200)
      assert.equal((await api.call('GET', `/api/generations/${id}`, { user })).json().sharedUntil, long.expiresAt)
    })

    it('holds no longer than the pictures themselves', async () => {
      const id = await made()
      const soon = Math.floor(Date.now() / 1000) + 2 * DAY
      await api.services.generations.setNote(id, { expiresAt: soon })
      assert.equal((await share(id, 30 * DAY)).json().expiresAt, new Date(soon * 1000).toISOString())
    })

    it('is withdrawn with all its links, and later links are new ones', async () => {
      const id = await made()
      const { token } = (await share(id)).json()
      assert.equal((await api.call('DELETE', `/api/generations/${id}/shares`, { user })).statusCode, 204)
      assert.equal((await api.call('GET', `/api/shared/${token}`)).statusCode, 404)
      assert.equal('sharedUntil' in (await api.call('GET', `/api/generations/${id}`, { user })).json(), false)
      const again = (await share(id)).json()
      assert.equal((await api.call('GET', `/api/shared/${again.token}`)).statusCode, 200)
      assert.equal((await api.call('GET', `/api/shared/${token}`)).statusCode, 404)
    })

    it('cannot be forged: another moment, another generation, another key, no token at all', async () => {
      const [id, other] = [await made(), await made()]
      const { token } = (await share(id, DAY)).json()
      const record = await api.services.generations.get(id)
      const { expires } = readToken(token)
      const forged = [
        shareToken({ id, shareKey: newShareKey() }, expires),
        shareToken({ id: other, shareKey: record.shareKey }, expires),
        Buffer.concat([Buffer.from(shareToken(record, expires + DAY), 'base64url').subarray(0, 20), Buffer.from(token, 'base64url').subarray(20)]).toString('base64url'),
        shareToken({ id: randomUUID(), shareKey: record.shareKey }, expires),
        token.slice(0, -2),
        `${token}AA`,
        'x',
      ]
      for (const one of forged) assert.equal((await api.call('GET', `/api/shared/${one}`)).statusCode, 404, one)
      assert.equal((await api.call('GET', `/api/shared/${token}`)).statusCode, 200)
    })

    it('is made by the owner alone, of what has pictures, for up to 90 days', async () => {
      const id = await made()
      assert.equal((await share(id, DAY, newUser())).statusCode, 404)
      assert.equal((await api.call('DELETE', `/api/generations/${id}/shares`, { user: newUser() })).statusCode, 404)
      assert.equal((await share(await made({ state: 'cancelled' }))).statusCode, 409)
      for (const seconds of [0, 91 * DAY, 1.5, 'a week']) {
        const answer = await share(id, seconds)
        assert.deepEqual([answer.statusCode, answer.json().errors[0].field], [400, 'seconds'])
      }
    })
  })
})
