/**
 * A stand-in for AWS, for measuring only: DynamoDB, SQS and S3 in memory, as much of them as the backend calls, and
 * nothing checked. Far faster than moto, so that it doesn't hide what our own code costs. Not an emulator: the tests
 * and the sandbox use moto.
 *
 * `node server.mjs PORT JWKS`: JWKS is the file with the public keys of every user pool. GET /_calls: number of calls by name.
 */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { calls as dynamodb, DynamoError } from './dynamodb.mjs'
import { calls as sqs } from './sqs.mjs'

const [port, jwks] = process.argv.slice(2)
const base = `http://127.0.0.1:${port}`
const keys = readFileSync(jwks)
const services = { DynamoDB_20120810: dynamodb, AmazonSQS: sqs }
const objects = new Map()
const counts = {}
const NO_MACHINES = '<DescribeInstancesResponse><requestId>0</requestId><reservationSet/></DescribeInstancesResponse>'

const server = createServer({ keepAliveTimeout: 0 }, (request, response) => {
  const parts = []
  request.on('data', (part) => parts.push(part))
  request.on('end', () => {
    answer(request, response, Buffer.concat(parts)).catch((error) => {
      process.stderr.write(`${error.stack}\n`)
      response.writeHead(400, { 'Content-Type': 'application/x-amz-json-1.0' }).end(JSON.stringify({ __type: 'Unknown', message: error.message }))
    })
  })
})

async function answer(request, response, body) {
  const target = request.headers['x-amz-target']
  if (target) return called(target, response, body)
  const path = decodeURIComponent(request.url.split('?')[0])
  if (path.endsWith('/.well-known/jwks.json')) return response.writeHead(200, { 'Content-Type': 'application/json' }).end(keys)
  if (path === '/_calls') return response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(counts))
  if (path === '/' && request.method === 'POST') return response.writeHead(200, { 'Content-Type': 'text/xml' }).end(NO_MACHINES)
  return stored(request, response, path, body)
}

async function called(target, response, body) {
  const [service, name] = target.split('.')
  const call = services[service]?.[name]
  if (!call) throw new Error(`the stand-in does not know ${target}`)
  count(name)
  const leaving = new AbortController()
  response.on('close', () => leaving.abort())
  const type = { 'Content-Type': 'application/x-amz-json-1.0' }
  try {
    const said = JSON.stringify(await call(JSON.parse(body), { base, left: leaving.signal }))
    response.writeHead(200, { ...type, 'Content-Length': Buffer.byteLength(said) }).end(said)
  } catch (error) {
    if (!(error instanceof DynamoError)) throw error
    response.writeHead(400, type).end(JSON.stringify(error.body))
  }
}

/** S3 by path: /bucket/key. */
function stored(request, response, path, body) {
  count(`${request.method} object`)
  switch (request.method) {
    case 'PUT': {
      const etag = `"${createHash('md5').update(body).digest('hex')}"`
      objects.set(path, { body, etag, type: request.headers['content-type'] ?? 'binary/octet-stream' })
      return response.writeHead(200, { ETag: etag }).end()
    }
    case 'DELETE':
      objects.delete(path)
      return response.writeHead(204).end()
    default:
      return request.url.includes('list-type=2') ? listed(response) : sent(request, response, path)
  }
}

function sent(request, response, path) {
  const found = objects.get(path)
  if (!found) {
    return response.writeHead(404, { 'Content-Type': 'application/xml' }).end('<Error><Code>NoSuchKey</Code><Message>none</Message></Error>')
  }
  const { body, etag, type } = found
  response.writeHead(200, { ETag: etag, 'Content-Type': type, 'Content-Length': body.length, 'Last-Modified': new Date(0).toUTCString() })
  return response.end(request.method === 'HEAD' ? undefined : body)
}

/** There are no styles. */
function listed(response) {
  response.writeHead(200, { 'Content-Type': 'application/xml' })
  return response.end('<ListBucketResult><KeyCount>0</KeyCount><IsTruncated>false</IsTruncated></ListBucketResult>')
}

function count(name) {
  counts[name] = (counts[name] ?? 0) + 1
}

for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(0))
server.listen(Number(port), '127.0.0.1')
