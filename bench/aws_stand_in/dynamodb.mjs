/** DynamoDB's tables in memory: the calls that the backend makes. One thread, so every call is atomic. */
import { holds, updated } from './expressions.mjs'

/** An error that DynamoDB would answer, by its name. */
export class DynamoError extends Error {
  constructor(name, more = {}) {
    super(name)
    this.body = { __type: `com.amazonaws.dynamodb.v20120810#${name}`, message: name, ...more }
  }
}

const tables = new Map()

class Table {
  constructor({ KeySchema, GlobalSecondaryIndexes = [] }) {
    this.key = KeySchema[0].AttributeName
    this.items = new Map()
    this.indexes = new Map(GlobalSecondaryIndexes.map((one) => [one.IndexName, new Index(this.key, one)]))
  }

  put(item) {
    const id = item[this.key].S
    this.remove(id)
    this.items.set(id, item)
    for (const index of this.indexes.values()) index.add(id, item)
  }

  remove(id) {
    const before = this.items.get(id)
    if (!before) return
    this.items.delete(id)
    for (const index of this.indexes.values()) index.drop(id, before)
  }
}

/** Items by the index's partition; those that lack one of its keys aren't in it. */
class Index {
  constructor(key, { KeySchema, Projection }) {
    ;[this.hash, this.range] = KeySchema.map((one) => one.AttributeName)
    this.kept = Projection.NonKeyAttributes && [key, this.hash, this.range, ...Projection.NonKeyAttributes]
    this.parts = new Map()
  }

  add(id, item) {
    const part = item[this.hash]?.S
    if (part === undefined || item[this.range] === undefined) return
    if (!this.parts.has(part)) this.parts.set(part, new Map())
    this.parts.get(part).set(id, this.kept ? only(this.kept, item) : item)
  }

  drop(id, item) {
    this.parts.get(item[this.hash]?.S)?.delete(id)
  }

  sorted(part, isForward) {
    const items = [...(this.parts.get(part)?.values() ?? [])].sort((a, b) => (a[this.range].S < b[this.range].S ? -1 : 1))
    return isForward ? items : items.reverse()
  }
}

const tableOf = (name) => {
  const table = tables.get(name)
  if (!table) throw new DynamoError('ResourceNotFoundException')
  return table
}
const scopeOf = (call) => ({ names: call.ExpressionAttributeNames, values: call.ExpressionAttributeValues })

/** What a write would leave of its item, {table, id, item}; throws when its condition doesn't hold. */
function planned({ Put, Update, Delete }) {
  const call = Put ?? Update ?? Delete
  const table = tableOf(call.TableName)
  const key = Put ? Put.Item : call.Key
  const id = key[table.key].S
  const before = table.items.get(id)
  const scope = scopeOf(call)
  if (!holds(call.ConditionExpression, before, scope)) throw new DynamoError('ConditionalCheckFailedException')
  if (Put) return { table, id, item: Put.Item }
  if (Delete) return { table, id, item: undefined }
  return { table, id, item: updated(Update.UpdateExpression, before ?? key, scope) }
}

function carryOut({ table, id, item }) {
  if (item) table.put(item)
  else table.remove(id)
  return item
}

function picked(item, { ProjectionExpression, ExpressionAttributeNames = {} }) {
  if (!ProjectionExpression) return item
  const names = ProjectionExpression.split(',').map((one) => ExpressionAttributeNames[one.trim()] ?? one.trim())
  return only(names, item)
}

const only = (names, item) => Object.fromEntries(names.filter((name) => name in item).map((name) => [name, item[name]]))

/** The calls by name; each takes and returns what goes over the wire. */
export const calls = {
  CreateTable(call) {
    tables.set(call.TableName, new Table(call))
    return { TableDescription: { TableName: call.TableName, TableStatus: 'ACTIVE' } }
  },

  GetItem(call) {
    const table = tableOf(call.TableName)
    const item = table.items.get(call.Key[table.key].S)
    return item ? { Item: picked(item, call) } : {}
  },

  BatchGetItem({ RequestItems }) {
    const Responses = {}
    for (const [name, request] of Object.entries(RequestItems)) {
      const table = tableOf(name)
      const found = request.Keys.map((key) => table.items.get(key[table.key].S)).filter(Boolean)
      Responses[name] = found.map((item) => picked(item, request))
    }
    return { Responses, UnprocessedKeys: {} }
  },

  PutItem: (call) => (carryOut(planned({ Put: call })), {}),
  DeleteItem: (call) => (carryOut(planned({ Delete: call })), {}),

  UpdateItem(call) {
    const item = carryOut(planned({ Update: call }))
    return call.ReturnValues === 'ALL_NEW' ? { Attributes: item } : {}
  },

  TransactWriteItems({ TransactItems }) {
    const plans = TransactItems.map((one) => {
      try {
        return planned(one)
      } catch (error) {
        if (error.message !== 'ConditionalCheckFailedException') throw error
        return undefined
      }
    })
    if (plans.includes(undefined)) {
      const CancellationReasons = plans.map((plan) => ({ Code: plan ? 'None' : 'ConditionalCheckFailed' }))
      throw new DynamoError('TransactionCanceledException', { CancellationReasons })
    }
    plans.forEach(carryOut)
    return {}
  },

  /** Of an index, by its partition alone. */
  Query(call) {
    const table = tableOf(call.TableName)
    const index = table.indexes.get(call.IndexName)
    const [, part] = /=\s*(:\w+)\s*$/.exec(call.KeyConditionExpression)
    let items = index.sorted(call.ExpressionAttributeValues[part].S, call.ScanIndexForward !== false)
    const after = call.ExclusiveStartKey?.[table.key].S
    if (after) items = items.slice(items.findIndex((item) => item[table.key].S === after) + 1)
    const page = call.Limit ? items.slice(0, call.Limit) : items
    const last = page.at(-1)
    const found = page.filter((item) => holds(call.FilterExpression, item, scopeOf(call)))
    const isMore = page.length < items.length
    const LastEvaluatedKey = isMore && Object.fromEntries([table.key, index.hash, index.range].map((name) => [name, last[name]]))
    return {
      Items: found.map((item) => picked(item, call)),
      Count: found.length,
      ...(isMore ? { LastEvaluatedKey } : {}),
    }
  },
}
