import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { createLog } from '../log.js'
import { sweep } from '../worker/sweep.js'

const HOUR = 3_600_000
const ago = (ms) => new Date(Date.now() - ms).toISOString()

/** The sweep over these records, of an empty queue unless told otherwise; what it did. */
async function swept(records, { isEmpty = true } = {}) {
  const did = { sent: [], failed: [], buried: [] }
  const generations = {
    unfinished: async () => records,
    enqueued: async () => true,
    finish: async ({ id }, state, { set }) => did.failed.push([id, state, set.error.code]) > 0,
  }
  const queues = { send: async (_, id) => did.sent.push(id), bury: async (_, id) => did.buried.push(id) }
  const log = createLog('silent')
  await sweep('text', { generations, queues, log, waitMs: 12 * HOUR, isEmpty: () => isEmpty })
  return did
}

describe('the sweep', () => {
  const waiting = { id: 'w', owner: 'o', state: 'queued', createdAt: ago(120_000), enqueuedAt: ago(120_000) }

  it('sends anew what waits for long while the queue has nothing', async () => {
    assert.deepEqual((await swept([waiting])).sent, ['w'])
  })

  it('sends nothing while the queue has messages, or when it is too early', async () => {
    assert.deepEqual((await swept([waiting], { isEmpty: false })).sent, [])
    assert.deepEqual((await swept([{ ...waiting, enqueuedAt: ago(5000) }])).sent, [])
  })

  it('sends anew what a dead worker had, and not what a living one has', async () => {
    const running = { ...waiting, state: 'running' }
    assert.deepEqual((await swept([{ ...running, leaseUntil: ago(1000) }])).sent, ['w'])
    assert.deepEqual((await swept([{ ...running, leaseUntil: ago(-30_000) }])).sent, [])
  })

  it('gives up what waited longer than allowed, with its reason', async () => {
    const did = await swept([{ ...waiting, createdAt: ago(13 * HOUR) }])
    assert.deepEqual([did.failed, did.buried], [[['w', 'failed', 'gpu_unavailable']], ['w']])
  })

  it('gives another try of the operator its whole time', async () => {
    const did = await swept([{ ...waiting, createdAt: ago(13 * HOUR), retriedAt: ago(HOUR) }])
    assert.deepEqual(did.failed, [])
  })
})
