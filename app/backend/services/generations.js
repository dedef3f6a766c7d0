/**
 * The records of generations: the truth about every picture that was asked for (table and indexes: components/jobs.py).
 *
 * Every change of state is a conditional write, so that two processes can't both make it. What is accepted counts
 * against its owner in `owner#<id>`, in the same transaction; what is final no longer does.
 */
import {
  BatchGetCommand,
  DeleteCommand,
  GetCommand,
  QueryCommand,
  TransactWriteCommand,
  UpdateCommand,
} from '@aws-sdk/lib-dynamodb'
import { contract, FINAL, UNFINISHED } from '../contract.js'

const MOST_QUERIES = 20
// Of one page: DynamoDB's limit counts what the filter drops too.
const BATCH = 100
/** Most items of a BatchGetItem. */

/** How a new record was taken: made, known already (same id), or one too many for its owner. */
export const ACCEPTED = 'accepted'
export const KNOWN = 'known'
export const TOO_MANY = 'too many'

const CONDITION_FAILED = 'ConditionalCheckFailedException'
const now = () => new Date().toISOString()

export class Generations {
  /** @param {{dynamo: import('@aws-sdk/lib-dynamodb').DynamoDBDocumentClient}} clients */
  constructor({ dynamo }, { table }) {
    this.dynamo = dynamo
    this.table = table
  }

  /** Take a new generation, unless its id is there already or its owner has `limit` unfinished ones. */
  async accept(record, limit) {
    const owned = {
      TableName: this.table,
      Key: { id: `owner#${record.owner}` },
      UpdateExpression: 'ADD unfinished :ids',
      ConditionExpression: 'attribute_not_exists(unfinished) OR size(unfinished) < :limit',
      ExpressionAttributeValues: { ':ids': new Set([record.id]), ':limit': limit },
    }
    const put = { TableName: this.table, Item: packed(record), ConditionExpression: 'attribute_not_exists(id)' }
    try {
      await this.dynamo.send(new TransactWriteCommand({ TransactItems: [{ Put: put }, { Update: owned }] }))
      return ACCEPTED
    } catch (error) {
      const [known, full] = failedConditions(error)
      if (known) return KNOWN
      if (full) return TOO_MANY
      throw error
    }
  }

  async get(id, { consistent = true } = {}) {
    const { Item } = await this.dynamo.send(
      new GetCommand({ TableName: this.table, Key: { id }, ConsistentRead: consistent }),
    )
    return unpacked(Item)
  }

  /** Many records at once, without their recipes; those that aren't there are left out. */
  async getMany(ids) {
    const found = []
    for (let at = 0; at < ids.length; at += BATCH) {
      let keys = ids.slice(at, at + BATCH).map((id) => ({ id }))
      while (keys.length > 0) {
        const { Responses, UnprocessedKeys } = await this.dynamo.send(
          new BatchGetCommand({ RequestItems: { [this.table]: { Keys: keys } } }),
        )
        found.push(...(Responses?.[this.table] ?? []))
        keys = UnprocessedKeys?.[this.table]?.Keys ?? []
      }
    }
    return found
  }

  /**
   * A page of an owner's generations, newest first; full while there are more, unless very many others lie between.
   * `after` = {id, createdAt} of the last item that the page before looked at.
   */
  async ofOwner(owner, { limit, after, ...filter }) {
    const items = []
    let next = after
    for (let query = 0; query < MOST_QUERIES; query++) {
      const page = await this.#lookedAt(owner, { limit: limit - items.length, after: next, filter })
      items.push(...page.items)
      next = page.next
      if (!next || items.length === limit) break
    }
    return { items, next }
  }

  /** So many items of an owner, and those of them that are generations (and what the filter says). */
  async #lookedAt(owner, { limit, after, filter }) {
    const { condition, names, values } = conditionOf(filter)
    const { Items, LastEvaluatedKey } = await this.dynamo.send(
      new QueryCommand({
        TableName: this.table,
        IndexName: contract.indexes.byOwner,
        KeyConditionExpression: '#owner = :owner',
        FilterExpression: condition,
        ExpressionAttributeNames: { '#owner': 'owner', ...names },
        ExpressionAttributeValues: { ':owner': owner, ...values },
        ScanIndexForward: false,
        Limit: limit,
        ...(after ? { ExclusiveStartKey: { ...after, owner } } : {}),
      }),
    )
    const next = LastEvaluatedKey && { id: LastEvaluatedKey.id, createdAt: LastEvaluatedKey.createdAt }
    return { items: Items ?? [], next }
  }

  /** The unfinished ones of a kind, oldest first: id, createdAt and the index's own attributes (`byQueueAttributes`). */
  async unfinished(kind, { limit } = {}) {
    const found = []
    let ExclusiveStartKey
    do {
      const page = await this.dynamo.send(
        new QueryCommand({
          TableName: this.table,
          IndexName: contract.indexes.byQueue,
          KeyConditionExpression: 'queue = :kind',
          ExpressionAttributeValues: { ':kind': kind },
          ExclusiveStartKey,
          ...(limit ? { Limit: limit } : {}),
        }),
      )
      found.push(...(page.Items ?? []))
      ExclusiveStartKey = page.LastEvaluatedKey
    } while (ExclusiveStartKey && !(limit && found.length >= limit))
    return found
  }

  /**
   * Take a generation to work on it: a queued one, one whose worker's lease ran out, or, with `token`, one that this
   * worker's own process before had. Returns the record, or null when it is not to be had.
   */
  async claim(id, { workerName, leaseToken, leaseUntil, token }) {
    const at = now()
    try {
      const { Attributes } = await this.dynamo.send(
        new UpdateCommand({
          TableName: this.table,
          Key: { id },
          UpdateExpression:
            'SET #state = :running, workerName = :worker, leaseToken = :lease, leaseUntil = :until, updatedAt = :now,' +
            ' startedAt = if_not_exists(startedAt, :now) ADD version :one, attempts :one',
          ConditionExpression: token
            ? '#state = :running AND leaseToken = :token'
            : '#state = :queued OR (#state = :running AND leaseUntil < :now)',
          ExpressionAttributeNames: { '#state': 'state' },
          ExpressionAttributeValues: {
            ':running': 'running',
            ':worker': workerName,
            ':lease': leaseToken,
            ':until': leaseUntil,
            ':now': at,
            ':one': 1,
            ...(token ? { ':token': token } : { ':queued': 'queued' }),
          },
          ReturnValues: 'ALL_NEW',
        }),
      )
      return unpacked(Attributes)
    } catch (error) {
      if (error.name === CONDITION_FAILED) return null
      throw error
    }
  }

  /** Keep a generation a while longer; false when it is not this worker's any more. */
  async renew(id, leaseToken, leaseUntil) {
    return this.#change(id, 'leaseToken = :lease AND #state = :running', {
      set: { leaseUntil },
      values: { ':lease': leaseToken, ':running': 'running' },
    })
  }

  /** Give a claimed generation back to the queue, after an attempt that failed or one that wasn't its fault. */
  async release(id, leaseToken, { attempts, error }) {
    return this.#change(id, 'leaseToken = :lease AND #state = :running', {
      set: { state: 'queued', attempts, enqueuedAt: now(), updatedAt: now(), ...(error ? { error } : {}) },
      remove: ['leaseToken', 'leaseUntil', 'workerName', 'startedAt'],
      version: true,
      values: { ':lease': leaseToken, ':running': 'running' },
    })
  }

  /** Say that the message of a queued one was sent anew. */
  async enqueued(id) {
    return this.#change(id, '#state IN (:queued, :running)', {
      set: { enqueuedAt: now() },
      values: { ':queued': 'queued', ':running': 'running' },
    })
  }

  /**
   * End a generation; false when it has ended already, or isn't the holder's of `leaseToken` any more. Without a token
   * anybody's unfinished one ends (a cancel).
   */
  async finish(record, state, { leaseToken, set = {} } = {}) {
    const fields = { state, finishedAt: now(), updatedAt: now(), ...set }
    const update = expression({
      set: fields,
      remove: ['queue', 'leaseToken', 'leaseUntil', ...(set.error || state === 'failed' ? [] : ['error'])],
      version: true,
    })
    const values = leaseToken ? { ':lease': leaseToken } : {}
    const generation = {
      TableName: this.table,
      Key: { id: record.id },
      ...update,
      ConditionExpression: `#state IN (:was0, :was1)${leaseToken ? ' AND leaseToken = :lease' : ''}`,
      ExpressionAttributeNames: { ...update.ExpressionAttributeNames, '#state': 'state' },
      ExpressionAttributeValues: {
        ...update.ExpressionAttributeValues,
        ...values,
        ':was0': UNFINISHED[0],
        ':was1': UNFINISHED[1],
      },
    }
    const owned = {
      TableName: this.table,
      Key: { id: `owner#${record.owner}` },
      UpdateExpression: 'DELETE unfinished :ids',
      ExpressionAttributeValues: { ':ids': new Set([record.id]) },
    }
    try {
      await this.dynamo.send(new TransactWriteCommand({ TransactItems: [{ Update: generation }, { Update: owned }] }))
      return true
    } catch (error) {
      if (failedConditions(error)[0]) return false
      throw error
    }
  }

  /** Mark as a favourite, or no more; false when it is gone. */
  async favour(id, favourite) {
    return this.#change(id, 'attribute_exists(id)', favourite ? { set: { favourite } } : { remove: ['favourite'] })
  }

  /** Let links show it: the record, with the key that it has or else `shareKey`. Null when it has no pictures. */
  async share(id, { shareKey, sharedUntil }) {
    try {
      const { Attributes } = await this.dynamo.send(
        new UpdateCommand({
          TableName: this.table,
          Key: { id },
          UpdateExpression: 'SET shareKey = if_not_exists(shareKey, :key), sharedUntil = :until',
          ConditionExpression: '#state = :succeeded',
          ExpressionAttributeNames: { '#state': 'state' },
          ExpressionAttributeValues: { ':key': shareKey, ':until': sharedUntil, ':succeeded': 'succeeded' },
          ReturnValues: 'ALL_NEW',
        }),
      )
      return Attributes
    } catch (error) {
      if (error.name === CONDITION_FAILED) return null
      throw error
    }
  }

  /** End all links to it. */
  async unshare(id) {
    await this.#change(id, 'attribute_exists(id)', { remove: ['shareKey', 'sharedUntil'] })
  }

  /** Delete a finished one; false when it is not finished, or gone. */
  async remove(id) {
    try {
      await this.dynamo.send(
        new DeleteCommand({
          TableName: this.table,
          Key: { id },
          ConditionExpression: '#state IN (:final0, :final1, :final2)',
          ExpressionAttributeNames: { '#state': 'state' },
          ExpressionAttributeValues: Object.fromEntries(FINAL.map((state, at) => [`:final${at}`, state])),
        }),
      )
      return true
    } catch (error) {
      if (error.name === CONDITION_FAILED) return false
      throw error
    }
  }

  /** Items that aren't generations: what was learned of the GPU and of speeds. Null when absent. */
  async note(id) {
    return (await this.get(id)) ?? null
  }

  /** Change such an item when the condition holds; false when it doesn't. */
  async setNote(id, set, { condition, values = {}, remove = [] } = {}) {
    return this.#change(id, condition, { set, values, remove })
  }

  async deleteNote(id) {
    await this.dynamo.send(new DeleteCommand({ TableName: this.table, Key: { id } }))
  }

  async #change(id, condition, { values = {}, ...change }) {
    const update = expression(change)
    const names = { ...update.ExpressionAttributeNames, ...(condition?.includes('#state') ? { '#state': 'state' } : {}) }
    const all = { ...update.ExpressionAttributeValues, ...values }
    try {
      await this.dynamo.send(
        new UpdateCommand({
          TableName: this.table,
          Key: { id },
          ...update,
          ...(condition ? { ConditionExpression: condition } : {}),
          ExpressionAttributeNames: names,
          // What only removes has none, and DynamoDB refuses an empty list.
          ExpressionAttributeValues: Object.keys(all).length > 0 ? all : undefined,
        }),
      )
      return true
    } catch (error) {
      if (error.name === CONDITION_FAILED) return false
      throw error
    }
  }
}

/** The recipe is kept as JSON text: a graph is some hundred nested attributes, which nobody asks the table for. */
const packed = (record) => ({ ...record, recipe: JSON.stringify(record.recipe) })
const unpacked = (item) => (item?.recipe ? { ...item, recipe: JSON.parse(item.recipe) } : item)

/** What a page of generations has in it. A sketch has an owner and a time too, and no kind. */
function conditionOf({ state, style, favourite }) {
  const parts = [
    { condition: 'attribute_exists(kind)' },
    state && { condition: '#state = :state', names: { '#state': 'state' }, values: { ':state': state } },
    // By the style's name, also of its older versions; by a version's own name; and as it was asked for, before there were
    // versions.
    style && { condition: '(#request.#style = :style OR #style = :style OR styleVersion = :style)', names: { '#request': 'request', '#style': 'style' }, values: { ':style': style } },
    favourite && { condition: 'favourite = :favourite', values: { ':favourite': true } },
  ].filter(Boolean)
  return {
    condition: parts.map((one) => one.condition).join(' AND '),
    names: Object.assign({}, ...parts.map((one) => one.names)),
    values: Object.assign({}, ...parts.map((one) => one.values)),
  }
}

/** An update expression that sets, removes and counts; every name by a placeholder, since some are DynamoDB's words. */
function expression({ set = {}, remove = [], version = false }) {
  const names = {}
  const values = {}
  const sets = Object.entries(set).map(([name, value]) => {
    names[`#s_${name}`] = name
    values[`:s_${name}`] = value
    return `#s_${name} = :s_${name}`
  })
  const removes = remove.map((name) => {
    names[`#r_${name}`] = name
    return `#r_${name}`
  })
  if (version) values[':one'] = 1
  return {
    UpdateExpression: [
      sets.length > 0 ? `SET ${sets.join(', ')}` : '',
      removes.length > 0 ? `REMOVE ${removes.join(', ')}` : '',
      version ? 'ADD version :one' : '',
    ]
      .filter(Boolean)
      .join(' '),
    ExpressionAttributeNames: names,
    ExpressionAttributeValues: values,
  }
}

/** Which items' conditions failed a transaction; none when it failed for another reason. */
function failedConditions(error) {
  if (error.name !== 'TransactionCanceledException') return []
  return (error.CancellationReasons ?? []).map((reason) => reason.Code === 'ConditionalCheckFailed')
}
