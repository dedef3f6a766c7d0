/** Puts right what fell between record and queue: messages that were never sent or got lost, and jobs that waited too long. */
import { failure } from '../problems.js'

const OLD_MS = 60_000
// A queued generation's message is missed after this; before, it may be on its way.

/**
 * Look through the unfinished ones of a kind once. Returns how many messages were sent anew: none while the queue has
 * any (`isEmpty`), since then they may only be waiting their turn.
 */
export async function sweep(kind, { generations, queues, log, waitMs, isEmpty }) {
  const unfinished = await generations.unfinished(kind)
  if (unfinished.length === 0) return 0
  await giveUp(kind, unfinished, { generations, queues, log, waitMs })
  const now = Date.now()
  const missed = unfinished.filter((one) => isMissed(one, now))
  if (missed.length === 0 || !isEmpty()) return 0
  for (const { id } of missed) {
    await queues.send(kind, id)
    await generations.enqueued(id)
  }
  log.warn({ kind, messages: missed.length }, 'messages that the queue had lost were sent anew')
  return missed.length
}

function isMissed({ state, enqueuedAt, createdAt, leaseUntil }, now) {
  if (now - Date.parse(enqueuedAt ?? createdAt) < OLD_MS) return false
  return state === 'queued' || Date.parse(leaseUntil ?? createdAt) < now
}

async function giveUp(kind, unfinished, { generations, queues, log, waitMs }) {
  for (const { id, owner, state, createdAt, retriedAt } of unfinished) {
    // One that the operator gave another try (`ops jobs retry`) waits anew.
    if (state !== 'queued' || Date.now() - Date.parse(retriedAt ?? createdAt) < waitMs) continue
    const error = failure('gpu_unavailable', { detail: `not begun after ${waitMs / 3_600_000} hours` })
    if (await generations.finish({ id, owner }, 'failed', { set: { error } })) {
      await queues.bury(kind, id, error.code)
      log.error({ generation: id }, 'given up: it waited too long')
    }
  }
}
