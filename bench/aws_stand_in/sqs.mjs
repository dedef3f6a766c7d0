/** SQS's queues in memory, in order; a message not deleted in its time comes back. */
import { createHash, randomUUID } from 'node:crypto'

const queues = new Map()

class Queue {
  constructor() {
    this.ready = []
    this.hidden = new Map()
    this.waiting = []
  }

  add(message) {
    const next = this.waiting.shift()
    if (next) next(message)
    else this.ready.push(message)
  }

  hide(message, seconds) {
    const handle = randomUUID()
    this.hidden.set(handle, { message, timer: this.#timer(handle, seconds) })
    return handle
  }

  move(handle, seconds) {
    const one = this.hidden.get(handle)
    if (!one) return
    clearTimeout(one.timer)
    one.timer = this.#timer(handle, seconds)
  }

  forget(handle) {
    clearTimeout(this.hidden.get(handle)?.timer)
    this.hidden.delete(handle)
  }

  #timer(handle, seconds) {
    const back = () => {
      const one = this.hidden.get(handle)
      this.hidden.delete(handle)
      if (one) this.add(one.message)
    }
    return setTimeout(back, seconds * 1000).unref()
  }
}

const of = ({ QueueUrl }) => {
  const queue = queues.get(QueueUrl.split('/').at(-1))
  if (!queue) throw new Error(`no queue ${QueueUrl}`)
  return queue
}

/** The calls by name; each takes what goes over the wire, and who `left` (an AbortSignal). */
export const calls = {
  CreateQueue({ QueueName }, { base }) {
    queues.set(QueueName, new Queue())
    return { QueueUrl: `${base}/000000000000/${QueueName}` }
  },

  SendMessage(call) {
    const message = { id: randomUUID(), body: call.MessageBody, md5: createHash('md5').update(call.MessageBody).digest('hex') }
    of(call).add(message)
    return { MessageId: message.id, MD5OfMessageBody: message.md5 }
  },

  async ReceiveMessage(call, { left }) {
    const queue = of(call)
    const message = queue.ready.shift() ?? (await nextOf(queue, call.WaitTimeSeconds ?? 0, left))
    if (!message) return {}
    const ReceiptHandle = queue.hide(message, call.VisibilityTimeout ?? 30)
    return { Messages: [{ MessageId: message.id, ReceiptHandle, Body: message.body, MD5OfBody: message.md5 }] }
  },

  ChangeMessageVisibility: (call) => (of(call).move(call.ReceiptHandle, call.VisibilityTimeout), {}),
  DeleteMessage: (call) => (of(call).forget(call.ReceiptHandle), {}),
}

/** The next message, or undefined after so long, or when who asked has left: then none is lost on them. */
function nextOf(queue, seconds, left) {
  return new Promise((resolve) => {
    const end = (message) => {
      clearTimeout(timer)
      queue.waiting = queue.waiting.filter((one) => one !== end)
      resolve(message)
    }
    const timer = setTimeout(() => end(undefined), seconds * 1000)
    queue.waiting.push(end)
    left.addEventListener('abort', () => end(undefined), { once: true })
  })
}
