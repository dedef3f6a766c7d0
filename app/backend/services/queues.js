/** The queues, a message being `{"id"}` and no more: the record is the truth, the queue is the engine. */
import {
  ChangeMessageVisibilityCommand,
  DeleteMessageCommand,
  ReceiveMessageCommand,
  SendMessageCommand,
} from '@aws-sdk/client-sqs'

export const POLL_SECONDS = 20
/** The longest that SQS waits for a message. */

export class Queues {
  constructor({ sqs }, { queueUrls, deadLetterQueueUrl }) {
    this.sqs = sqs
    this.urls = queueUrls
    this.dead = deadLetterQueueUrl
  }

  async send(kind, id) {
    await this.sqs.send(new SendMessageCommand({ QueueUrl: this.urls[kind], MessageBody: JSON.stringify({ id }) }))
  }

  /** A generation given up on, for the operator to look at: `ops jobs list`. */
  async bury(kind, id, reason) {
    const MessageBody = JSON.stringify({ id, kind, reason })
    await this.sqs.send(new SendMessageCommand({ QueueUrl: this.dead, MessageBody }))
  }

  /** The next message, {id, handle}; null when none came. `id` is undefined in a message that isn't ours. */
  async receive(kind, { visibilitySeconds, signal, waitSeconds = POLL_SECONDS }) {
    const { Messages } = await this.sqs.send(
      new ReceiveMessageCommand({
        QueueUrl: this.urls[kind],
        MaxNumberOfMessages: 1,
        WaitTimeSeconds: waitSeconds,
        VisibilityTimeout: visibilitySeconds,
      }),
      { abortSignal: signal },
    )
    const message = Messages?.[0]
    return message ? { id: idOf(message.Body), handle: message.ReceiptHandle, body: message.Body } : null
  }

  /** Keep a message unseen for so long from now; 0 gives it back at once. */
  async hide(kind, handle, seconds) {
    await this.sqs.send(
      new ChangeMessageVisibilityCommand({
        QueueUrl: this.urls[kind],
        ReceiptHandle: handle,
        VisibilityTimeout: seconds,
      }),
    )
  }

  async delete(kind, handle) {
    await this.sqs.send(new DeleteMessageCommand({ QueueUrl: this.urls[kind], ReceiptHandle: handle }))
  }
}

function idOf(body) {
  try {
    const { id } = JSON.parse(body)
    return typeof id === 'string' ? id : undefined
  } catch {
    return undefined
  }
}
