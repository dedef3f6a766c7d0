import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { connect } from 'node:net'
import { after, afterEach, before, beforeEach, describe, it } from 'node:test'
import { createLog } from '../log.js'
import { Events, STREAMS_PER_USER } from '../services/events.js'
import { follow } from './event-reader.js'
import { emulateAws, newUser, SECRET, startApp, token } from './support.js'

const ID = '22222222-2222-4222-8222-222222222222'
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
const kinds = ({ events }) => events.map(({ event, id }) => [event, ...(id ? [id] : [])].join(' '))

/** Events over a real socket, and a table that does what the test says. */
async function stage({ lookMs = 30, beatMs = 60_000 } = {}) {
  const table = { record: { id: ID, state: 'queued', version: 1 }, place: { position: 2 }, isDown: false, presentMs: 0, reads: 0 }
  const events = new Events({
    generations: {
      getMany: async (ids) => {
        table.reads++
        if (table.isDown) throw new Error('the table is down')
        return ids.map(() => ({ ...table.record }))
      },
    },
    queueView: { place: async () => table.place },
    present: async (record) => {
      await pause(table.presentMs)
      if (table.isDown) throw new Error('the table is down')
      return { ...record }
    },
    log: createLog('silent'),
    lookMs,
    beatMs,
  })
  let until = Date.now() + 3_600_000
  const server = createServer((request, response) =>
    events.stream({ ...table.record }, { response, headers: {}, lastEventId: request.headers['last-event-id'], user: 'me', until }),
  )
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${server.address().port}/`
  const open = []
  return {
    table,
    events,
    port: server.address().port,
    endAt: (at) => (until = at),
    watch: async (lastEventId) => {
      const stream = await follow(url, lastEventId ? { 'last-event-id': lastEventId } : {})
      open.push(stream)
      return stream
    },
    close: async () => {
      events.close()
      for (const stream of open) stream.stop()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

describe('event streams', () => {
  let on
  beforeEach(async () => (on = await stage()))
  afterEach(() => on.close())
  const progress = (version, step) => on.events.tell({ id: ID, version, type: 'progress', step, steps: 4 })
  const become = (change) => {
    Object.assign(on.table.record, { version: on.table.record.version + 1 }, change)
    return on.events.tell({ id: ID, type: 'changed' })
  }

  it('tell state, position, progress, preview and done, in that order and each once', async () => {
    const stream = await on.watch()
    await stream.until(() => stream.events.length === 1)
    on.table.place = { position: 1 }
    await stream.until(() => stream.events.length === 2)
    await become({ state: 'running' })
    for (const step of [1, 2, 2, 1, 3]) await progress(2, step)
    await on.events.tell({ id: ID, version: 2, type: 'preview', image: 'data:image/jpeg;base64,AA==' })
    await become({ state: 'succeeded' })
    await stream.ended
    assert.deepEqual(kinds(stream), ['state 1.0', 'position', 'state 2.0', 'progress 2.1', 'progress 2.2', 'progress 2.3', 'preview', 'done 3.done'])
    assert.equal(stream.events[3].data.percent, 25)
    assert.match(stream.headers.get('content-type'), /^text\/event-stream/)
    assert.equal(stream.headers.get('cache-control'), 'no-store')
    assert.equal(on.events.open, 0)
  })

  it('see a change that nobody told', async () => {
    const stream = await on.watch()
    await stream.until(() => stream.events.length === 1)
    Object.assign(on.table.record, { state: 'failed', version: 7 })
    await stream.ended
    assert.deepEqual(kinds(stream), ['state 1.0', 'done 7.done'])
  })

  it('tell that it runs before any progress, though the news of it was lost', async () => {
    const stream = await on.watch()
    await stream.until(() => stream.events.length === 1)
    Object.assign(on.table.record, { state: 'running', version: 2 })
    await progress(2, 1)
    await stream.until(() => stream.events.length === 3)
    assert.deepEqual(kinds(stream), ['state 1.0', 'state 2.0', 'progress 2.1'])
  })

  it('send nothing twice when the same change is read several times at once', async () => {
    const stream = await on.watch()
    await stream.until(() => stream.events.length === 1)
    on.table.presentMs = 40
    Object.assign(on.table.record, { state: 'running', version: 2 })
    await Promise.all([1, 2, 3].map(() => on.events.tell({ id: ID, type: 'changed' })))
    await pause(150)
    Object.assign(on.table.record, { state: 'succeeded', version: 3 })
    await Promise.all([1, 2, 3].map(() => on.events.tell({ id: ID, type: 'changed' })))
    await stream.ended
    assert.deepEqual(kinds(stream), ['state 1.0', 'state 2.0', 'done 3.done'])
  })

  it('do not go back to an older record that a read may still bring', async () => {
    Object.assign(on.table.record, { state: 'running', version: 4 })
    const stream = await on.watch()
    await stream.until(() => stream.events.length === 1)
    Object.assign(on.table.record, { state: 'failed', version: 3 })
    await pause(120)
    await progress(3, 1)
    assert.deepEqual(kinds(stream), ['state 4.0'])
  })

  it('resume after the event that was seen last', async () => {
    Object.assign(on.table.record, { state: 'running', version: 2 })
    const stream = await on.watch('2.2')
    await stream.until(() => stream.events.length === 1)
    for (const step of [1, 2, 3]) await progress(2, step)
    await become({ state: 'succeeded' })
    await stream.ended
    assert.deepEqual(kinds(stream), ['position', 'progress 2.3', 'done 3.done'], 'the place has no id: it is told anew')
  })

  it('tell all that was missed when the state changed meanwhile', async () => {
    Object.assign(on.table.record, { state: 'succeeded', version: 3 })
    const stream = await on.watch('1.0')
    await stream.ended
    assert.deepEqual(kinds(stream), ['done 3.done'])
  })

  it('answer 204 once done was seen, so that the browser comes no more', async () => {
    Object.assign(on.table.record, { state: 'succeeded', version: 3 })
    assert.equal((await on.watch('3.done')).status, 204)
    const retried = await on.watch('2.done')
    assert.equal(retried.status, 200, 'an earlier end is not this one')
    await retried.ended
    assert.deepEqual(kinds(retried), ['done 3.done'])
  })

  it('tell all to whoever brings an id that is none of ours', async () => {
    for (const id of ['999999999.0', '2.done; drop', 'abc', '1', '-1.0', '1.0.0', '9'.repeat(400)]) {
      const stream = await on.watch(id)
      await stream.until(() => stream.events.length === 1)
      assert.deepEqual(kinds(stream), ['state 1.0'], id)
      stream.stop()
    }
  })

  it('survive a table that fails, when they open and when they look', async () => {
    on.table.isDown = true
    const stream = await on.watch()
    await pause(100)
    assert.deepEqual([stream.status, stream.events.length], [200, 0])
    on.table.isDown = false
    await stream.until(() => stream.events.length === 1)
    on.table.isDown = true
    const before = on.table.reads
    await pause(100)
    assert.ok(on.table.reads > before, 'it goes on looking')
    on.table.isDown = false
    Object.assign(on.table.record, { state: 'cancelled', version: 2 })
    await stream.ended
    assert.deepEqual(kinds(stream), ['state 1.0', 'done 2.done'])
  })

  it('end when the token does', async () => {
    on.endAt(Date.now() + 150)
    const stream = await on.watch()
    const began = Date.now()
    await stream.ended
    assert.ok(Date.now() - began < 3000)
    await pause(50)
    assert.deepEqual([kinds(stream), on.events.open], [['state 1.0'], 0])
  })

  it('end when the server closes, those that come late too', async () => {
    const stream = await on.watch()
    await stream.until(() => stream.events.length === 1)
    on.events.close()
    await stream.ended
    await (await on.watch()).ended
  })

  it('leave previews out for a slow reader, and keep none waiting for the others', async () => {
    const socket = connect(on.port, '127.0.0.1', () => socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n'))
    socket.pause()
    const reader = await on.watch()
    await reader.until(() => reader.events.length === 1)
    const image = 'x'.repeat(200_000)
    for (let n = 0; n < 80; n++) await on.events.tell({ id: ID, version: 1, type: 'preview', image })
    const held = [...on.events.watched.get(ID)].map(({ response }) => response.writableLength)
    assert.ok(Math.max(...held) < 3_000_000, `${held} bytes are held`)
    socket.destroy()
    await reader.until(() => on.events.open === 1)
  })

  it('do not count those who left before the stream began', async () => {
    let ended
    await on.events.stream(on.table.record, { response: { destroyed: true, on: () => (ended = true) }, headers: {}, user: 'me', until: Infinity })
    assert.deepEqual([on.events.open, ended], [0, undefined])
  })
})

describe('the heart of event streams', () => {
  it('beats while nothing happens, and not into a stream that has ended', async () => {
    const on = await stage({ lookMs: 60_000, beatMs: 20 })
    const stream = await on.watch()
    await stream.until(() => stream.beats >= 3)
    stream.stop()
    await stream.until(() => on.events.open === 0)
    // A reader so slow that its ended stream is still there at the next beats.
    const socket = connect(on.port, '127.0.0.1', () => socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n'))
    socket.pause()
    await stream.until(() => on.events.open === 1)
    const [{ response }] = on.events.watched.get(ID)
    const errors = []
    response.on('error', (error) => errors.push(error))
    // Until the kernel's buffers are full too.
    for (let n = 0; n < 60; n++) {
      await on.events.tell({ id: ID, version: 1, type: 'preview', image: 'x'.repeat(900_000) })
      await pause(5)
    }
    response.end()
    await pause(100)
    assert.deepEqual([errors, on.events.open], [[], 1])
    socket.destroy()
    await stream.until(() => on.events.open === 0)
    await on.close()
  })
})

describe('the route of events', () => {
  let aws, api, base
  before(async () => {
    aws = await emulateAws()
    api = await startApp(aws)
    base = await api.app.listen({ host: '127.0.0.1', port: 0 })
  })
  after(async () => {
    await api?.close()
    await aws?.stop()
  })
  const headersOf = (user, claims) => ({ 'x-origin-secret': SECRET, authorization: `Bearer ${token(user, claims)}`, origin: 'https://page.example.com' })

  it('follows a generation to its cancel, and says no more of it', async () => {
    const user = newUser()
    const { id } = (await api.call('POST', '/api/generations', { user, body: { prompt: 'a room' } })).json()
    const url = `${base}/api/generations/${id}/events`
    const stream = await follow(url, headersOf(user))
    assert.equal(stream.headers.get('access-control-allow-origin'), 'https://page.example.com')
    await stream.until(() => stream.events.length >= 1)
    assert.equal(stream.events[0].data.id, id)
    assert.equal((await api.call('DELETE', `/api/generations/${id}`, { user })).statusCode, 200)
    await stream.ended
    const last = stream.events.at(-1)
    assert.deepEqual([last.event, last.data.state], ['done', 'cancelled'])
    assert.equal((await follow(url, { ...headersOf(user), 'last-event-id': last.id })).status, 204)
  })

  it('ends with the token', async () => {
    const user = newUser()
    const { id } = (await api.call('POST', '/api/generations', { user, body: { prompt: 'a room' } })).json()
    const exp = Math.floor(Date.now() / 1000) + 3
    const stream = await follow(`${base}/api/generations/${id}/events`, headersOf(user, { exp }))
    await stream.ended
    assert.ok(Date.now() >= exp * 1000 - 50)
    assert.notEqual(stream.events.at(-1)?.event, 'done')
  })

  it(`lets a user have ${STREAMS_PER_USER} open, and another one once one has ended`, async () => {
    const [user, other] = [newUser(), newUser()]
    const { id } = (await api.call('POST', '/api/generations', { user, body: { prompt: 'a room' } })).json()
    const theirs = (await api.call('POST', '/api/generations', { user: other, body: { prompt: 'a room' } })).json().id
    const url = `${base}/api/generations/${id}/events`
    const open = await Promise.all(Array.from({ length: STREAMS_PER_USER }, () => follow(url, headersOf(user))))
    assert.deepEqual([...new Set(open.map((one) => one.status))], [200])
    const refused = await fetch(url, { headers: headersOf(user) })
    assert.equal(refused.status, 429)
    assert.equal(refused.headers.get('retry-after'), '5')
    assert.match((await refused.json()).detail, /too many/)
    const another = await follow(`${base}/api/generations/${theirs}/events`, headersOf(other))
    assert.equal(another.status, 200, "another's streams are not counted")
    open[0].stop()
    await open[1].until(() => !api.services.events.isFull(user))
    const again = await follow(url, headersOf(user))
    assert.equal(again.status, 200)
    for (const one of [...open, again, another]) one.stop()
    await again.until(() => api.services.events.open === 0)
  })

  it('holds up no server that closes, nor does a connection that was never used', async () => {
    const other = await startApp(aws)
    const address = await other.app.listen({ host: '127.0.0.1', port: 0 })
    const user = newUser()
    const { id } = (await other.call('POST', '/api/generations', { user, body: { prompt: 'a room' } })).json()
    const open = await Promise.all([1, 2, 3].map(() => follow(`${address}/api/generations/${id}/events`, headersOf(user))))
    await open[0].until(() => open.every((one) => one.events.length > 0))
    const unused = connect(other.app.server.address().port, '127.0.0.1')
    unused.on('error', () => {})
    await new Promise((resolve) => unused.once('connect', resolve))
    const began = Date.now()
    await other.close()
    assert.ok(Date.now() - began < 20_000, `${Date.now() - began} ms`)
    await Promise.all(open.map((one) => one.ended))
  })

  it('cannot be asked for its head alone, which would stay open', async () => {
    const user = newUser()
    const { id } = (await api.call('POST', '/api/generations', { user, body: { prompt: 'a room' } })).json()
    assert.equal((await api.call('HEAD', `/api/generations/${id}/events`, { user })).statusCode, 405)
  })
})
