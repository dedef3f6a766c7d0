import { TransactWriteCommand } from '@aws-sdk/lib-dynamodb'
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, beforeEach, describe, it } from 'node:test'
import { ACCEPTED, Generations, KNOWN, TOO_MANY } from '../services/generations.js'
import { emulateAws, newUser } from './support.js'

const inMs = (ms) => new Date(Date.now() + ms).toISOString()
const LIVING = () => inMs(60_000)
const OVER = () => inMs(-1000)

describe('records of generations', () => {
  let aws, generations, owner
  before(async () => {
    aws = await emulateAws()
    generations = new Generations(aws.clients, { table: 'generations' })
  })
  after(() => aws?.stop())
  beforeEach(() => (owner = newUser()))

  async function accepted(more = {}) {
    const at = more.createdAt ?? inMs(0)
    const record = { id: randomUUID(), owner, kind: 'text', queue: 'text', state: 'queued', createdAt: at, updatedAt: at, enqueuedAt: at, attempts: 0, version: 1, request: { prompt: 'a room' }, ...more }
    assert.equal(await generations.accept(record, 100), ACCEPTED)
    return record
  }
  const claim = (id, more = {}) => generations.claim(id, { workerName: 'w1', leaseToken: randomUUID(), leaseUntil: LIVING(), ...more })
  const unfinished = async () => [...((await generations.get(`owner#${owner}`))?.unfinished ?? [])].sort()

  it('are taken once by their id, and the second time count nothing', async () => {
    const record = await accepted()
    assert.equal(await generations.accept({ ...record, request: { prompt: 'another' } }, 100), KNOWN)
    assert.deepEqual(await unfinished(), [record.id])
    assert.equal((await generations.get(record.id)).request.prompt, 'a room')
  })

  it('are too many at the limit, and leave nothing then', async () => {
    const [first, second] = [await accepted(), { ...(await accepted()), id: randomUUID() }]
    assert.equal(await generations.accept(second, 2), TOO_MANY)
    assert.equal(await generations.get(second.id), undefined)
    assert.equal((await unfinished()).length, 2)
    await generations.finish(first, 'cancelled')
    assert.equal(await generations.accept(second, 2), ACCEPTED)
  })

  it('are known rather than too many when both hold, so that a repeated wish is answered', async () => {
    const record = await accepted()
    assert.equal(await generations.accept(record, 1), KNOWN)
  })

  it('are claimed by one: a running one with a living lease is refused', async () => {
    const { id } = await accepted()
    const mine = await claim(id)
    assert.deepEqual([mine.state, mine.attempts, mine.version, mine.workerName], ['running', 1, 2, 'w1'])
    assert.ok(mine.startedAt)
    assert.equal(await claim(id, { workerName: 'w2' }), null)
    const now = await generations.get(id)
    assert.deepEqual([now.leaseToken, now.attempts, now.version], [mine.leaseToken, 1, 2], 'the refused claim changed nothing')
  })

  it('are taken over when the lease is over, and keep the time of their start', async () => {
    const { id } = await accepted()
    const dead = await claim(id, { leaseUntil: OVER() })
    const mine = await claim(id, { workerName: 'w2' })
    assert.deepEqual([mine.workerName, mine.attempts, mine.version, mine.startedAt], ['w2', 2, 3, dead.startedAt])
    assert.notEqual(mine.leaseToken, dead.leaseToken)
  })

  it('are taken over by their own token, whatever the lease says, and by no other', async () => {
    const { id } = await accepted()
    const before = await claim(id)
    assert.equal(await claim(id, { token: 'another' }), null)
    assert.equal((await claim(id, { token: before.leaseToken })).attempts, 2)
    assert.equal(await claim(id, { token: before.leaseToken }), null, 'the token was replaced')
  })

  it('are not claimed once they ended, nor when they were never there', async () => {
    for (const state of ['succeeded', 'failed', 'cancelled']) {
      const record = await accepted()
      await generations.finish(record, state)
      assert.equal(await claim(record.id), null)
      assert.equal(await claim(record.id, { token: 'x' }), null)
    }
    const id = randomUUID()
    assert.equal(await claim(id), null)
    assert.equal(await generations.get(id), undefined, 'nothing was made by the try')
  })

  it('are renewed by the holder alone', async () => {
    const { id } = await accepted()
    const mine = await claim(id, { leaseUntil: OVER() })
    const until = inMs(90_000)
    assert.equal(await generations.renew(id, mine.leaseToken, until), true)
    const now = await generations.get(id)
    assert.deepEqual([now.leaseUntil, now.version], [until, mine.version], 'and their watchers see no change')
    assert.equal(await generations.renew(id, 'stale', inMs(1)), false)
    assert.equal((await generations.get(id)).leaseUntil, until)
    await generations.finish(now, 'cancelled')
    assert.equal(await generations.renew(id, mine.leaseToken, until), false)
  })

  it('go back to the queue with their error, and can be claimed again', async () => {
    const { id } = await accepted()
    const mine = await claim(id)
    assert.equal(await generations.release(id, 'stale', { attempts: 0 }), false)
    const error = { code: 'server_lost', message: 'It went away.' }
    assert.equal(await generations.release(id, mine.leaseToken, { attempts: 1, error }), true)
    const now = await generations.get(id)
    assert.deepEqual([now.state, now.queue, now.attempts, now.version, now.error], ['queued', 'text', 1, 3, error])
    for (const gone of ['leaseToken', 'leaseUntil', 'workerName', 'startedAt']) assert.equal(now[gone], undefined, gone)
    assert.deepEqual(await unfinished(), [id], 'it still counts')
    assert.equal(await generations.release(id, mine.leaseToken, { attempts: 0 }), false, 'once')
    assert.equal((await claim(id)).attempts, 2)
  })

  it('end once, and no longer count nor queue then', async () => {
    const [record, other] = [await accepted(), await accepted()]
    const mine = await claim(record.id)
    const images = [{ n: 0, key: 'k' }]
    assert.equal(await generations.finish(record, 'succeeded', { leaseToken: mine.leaseToken, set: { images } }), true)
    const now = await generations.get(record.id)
    assert.deepEqual([now.state, now.version, now.images], ['succeeded', 3, images])
    assert.ok(now.finishedAt >= now.startedAt)
    for (const gone of ['queue', 'leaseToken', 'leaseUntil', 'error']) assert.equal(now[gone], undefined, gone)
    assert.deepEqual(await unfinished(), [other.id])
    for (const state of ['failed', 'cancelled', 'succeeded']) assert.equal(await generations.finish(record, state), false)
    assert.deepEqual(await generations.get(record.id), now, 'and nothing of it changed')
  })

  it('are not ended by a worker that lost them, but by their owner whoever holds them', async () => {
    const record = await accepted()
    const dead = await claim(record.id, { leaseUntil: OVER() })
    const mine = await claim(record.id)
    assert.equal(await generations.finish(record, 'failed', { leaseToken: dead.leaseToken }), false)
    assert.deepEqual(await unfinished(), [record.id])
    assert.equal(await generations.finish(record, 'cancelled'), true)
    assert.equal(await generations.finish(record, 'succeeded', { leaseToken: mine.leaseToken }), false)
    assert.equal((await generations.get(record.id)).state, 'cancelled')
  })

  it('keep the error when they fail, and drop that of an earlier attempt when they succeed', async () => {
    const error = { code: 'server_lost', message: 'It went away.' }
    for (const [state, set, kept] of [['failed', { error }, error], ['failed', {}, error], ['succeeded', {}, undefined]]) {
      const record = await accepted()
      const mine = await claim(record.id)
      await generations.release(record.id, mine.leaseToken, { attempts: 1, error })
      assert.equal(await generations.finish(record, state, { set }), true)
      assert.deepEqual((await generations.get(record.id)).error, kept)
    }
  })

  it('are found again by the operator who retries them as the contract says', async () => {
    const record = await accepted()
    await generations.finish(record, 'failed', { set: { error: { code: 'x', message: 'y' } } })
    const again = { TableName: 'generations', Key: { id: record.id }, UpdateExpression: 'SET #s = :q, queue = kind, attempts = :z ADD version :o REMOVE finishedAt, #e', ConditionExpression: '#s = :f', ExpressionAttributeNames: { '#s': 'state', '#e': 'error' }, ExpressionAttributeValues: { ':q': 'queued', ':z': 0, ':o': 1, ':f': 'failed' } }
    const count = { TableName: 'generations', Key: { id: `owner#${owner}` }, UpdateExpression: 'ADD unfinished :i', ExpressionAttributeValues: { ':i': new Set([record.id]) } }
    await aws.clients.dynamo.send(new TransactWriteCommand({ TransactItems: [{ Update: again }, { Update: count }] }))
    assert.deepEqual((await generations.unfinished('text')).filter((one) => one.owner === owner).map((one) => one.id), [record.id])
    assert.equal((await claim(record.id)).attempts, 1)
    assert.equal(await generations.finish(record, 'succeeded'), true)
    assert.deepEqual(await unfinished(), [])
  })

  it('are listed oldest first while unfinished, by kind and without their recipes', async () => {
    const kind = `kind-${owner}`
    const late = await accepted({ kind, queue: kind, createdAt: '2026-01-02T00:00:00.000Z', recipe: { graph: {} } })
    const early = await accepted({ kind, queue: kind, createdAt: '2026-01-01T00:00:00.000Z' })
    const found = await generations.unfinished(kind)
    assert.deepEqual(found.map((one) => one.id), [early.id, late.id])
    assert.equal(found[1].recipe, undefined)
    assert.equal((await generations.unfinished(kind, { limit: 1 })).length, 1)
  })

  it('are listed for their owner page by page, sketches left out, each once', async () => {
    const made = []
    for (let n = 0; n < 7; n++) {
      const createdAt = `2026-01-01T00:00:0${n}.000Z`
      made.unshift(await accepted({ createdAt }))
      await generations.setNote(`sketch#${randomUUID()}`, { owner, createdAt: `2026-01-01T00:00:0${n}.500Z` })
    }
    await generations.finish(made[2], 'cancelled')
    const pages = async (query) => {
      const seen = []
      let after
      do {
        const page = await generations.ofOwner(owner, { ...query, after })
        assert.ok(page.items.length <= query.limit)
        seen.push(...page.items.map((one) => one.id))
        after = page.next
      } while (after)
      return seen
    }
    assert.deepEqual(await pages({ limit: 3 }), made.map((one) => one.id))
    assert.deepEqual(await pages({ limit: 3, state: 'cancelled' }), [made[2].id])
    const first = await generations.ofOwner(owner, { limit: 3 })
    assert.equal(first.items.length, 3, 'a page is full while there are more')
    const cancelled = await generations.ofOwner(owner, { limit: 3, state: 'cancelled' })
    assert.equal(cancelled.items.length, 1, 'and what is looked for is found at once')
  })

  it('are read many at once, more than DynamoDB gives in one answer', async () => {
    const made = Array.from({ length: 105 }, (_, n) => `many#${owner}#${n}`)
    await Promise.all(made.map((id) => generations.setNote(id, { seen: true })))
    const found = await generations.getMany([...made, randomUUID()])
    assert.deepEqual(found.map((one) => one.id).sort(), made.sort())
  })

  it('throw for what is no refusal, so that trouble is never taken for an answer', async () => {
    const elsewhere = new Generations(aws.clients, { table: 'nowhere' })
    const record = { id: randomUUID(), owner }
    const lost = { name: 'ResourceNotFoundException' }
    await assert.rejects(elsewhere.claim(record.id, { workerName: 'w', leaseToken: 't', leaseUntil: LIVING() }), lost)
    await assert.rejects(elsewhere.renew(record.id, 't', LIVING()), lost)
    await assert.rejects(elsewhere.finish(record, 'failed'), lost)
    await assert.rejects(elsewhere.accept(record, 1), lost)
  })

  it('have notes beside them, changed when a condition holds', async () => {
    const id = `note#${owner}`
    assert.equal(await generations.note(id), null)
    assert.equal(await generations.setNote(id, { a: 1 }, { condition: 'attribute_not_exists(a)' }), true)
    assert.equal(await generations.setNote(id, { a: 2 }, { condition: 'attribute_not_exists(a)' }), false)
    assert.equal(await generations.setNote(id, { b: 3 }, { condition: 'a = :one', values: { ':one': 1 }, remove: ['a'] }), true)
    assert.deepEqual(await generations.note(id), { id, b: 3 })
    assert.equal(await generations.setNote(id, {}, { remove: ['b'] }), true)
    assert.deepEqual(await generations.note(id), { id })
    await generations.deleteNote(id)
    assert.equal(await generations.note(id), null)
  })
})
