/** What the tests stand on: AWS by moto, tokens of a pool of our own, the app without a socket. */
import { CreateTableCommand } from '@aws-sdk/client-dynamodb'
import { CreateBucketCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import { CreateQueueCommand } from '@aws-sdk/client-sqs'
import { CognitoJwtVerifier } from 'aws-jwt-verify'
import { SimpleJwksCache } from 'aws-jwt-verify/jwk'
import { spawn } from 'node:child_process'
import { createSign, generateKeyPairSync, randomUUID } from 'node:crypto'
import { createServer } from 'node:net'
import { fileURLToPath } from 'node:url'
import { buildApp } from '../app.js'
import { awsClients } from '../clients.js'
import { readConfig } from '../config.js'
import { contract } from '../contract.js'
import { createLog } from '../log.js'
import { buildServices } from '../services.js'

const ROOT = fileURLToPath(new URL('../../../', import.meta.url))
export const PYTHON = `${ROOT}.venv/bin/python`
const POOL = 'us-east-1_TestPool1'
const CLIENT = 'testclient'
export const SECRET = 'secret of the origin'

export async function freePort() {
  const probe = createServer()
  await new Promise((resolve) => probe.listen(0, '127.0.0.1', resolve))
  const { port } = probe.address()
  await new Promise((resolve) => probe.close(resolve))
  return port
}

/** Start a command and wait until `url` answers. Returns {stop}. */
export async function serve(command, args, url, env = {}) {
  const child = spawn(command, args, { cwd: ROOT, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  for (const out of [child.stdout, child.stderr]) out.on('data', (bytes) => (said = (said + bytes).slice(-4000)))
  const ended = new Promise((resolve) => child.once('exit', resolve))
  for (let tries = 0; tries < 300; tries++) {
    if (child.exitCode !== null) throw new Error(`${command} ended: ${said}`)
    const answers = await fetch(url).then(
      () => true,
      () => false,
    )
    if (answers) return { child, stop: () => (child.kill('SIGTERM'), ended), said: () => said }
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  child.kill('SIGKILL')
  throw new Error(`${command} does not answer at ${url}: ${said}`)
}

/** moto with the stack's table, queues and bucket. */
export async function emulateAws() {
  Object.assign(process.env, { AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test' })
  const port = await freePort()
  const endpoint = `http://127.0.0.1:${port}`
  const server = await serve(PYTHON, ['-m', 'moto.server', '-H', '127.0.0.1', '-p', String(port)], endpoint)
  const clients = awsClients({ region: 'us-east-1', endpoint })
  const key = (name, KeyType) => ({ AttributeName: name, KeyType })
  const index = (IndexName, hash, Projection) => ({
    IndexName,
    KeySchema: [key(hash, 'HASH'), key('createdAt', 'RANGE')],
    Projection,
  })
  await clients.dynamo.send(
    new CreateTableCommand({
      TableName: 'generations',
      BillingMode: 'PAY_PER_REQUEST',
      KeySchema: [key('id', 'HASH')],
      AttributeDefinitions: ['id', 'owner', 'queue', 'createdAt'].map((AttributeName) => ({ AttributeName, AttributeType: 'S' })),
      GlobalSecondaryIndexes: [
        index('byOwner', 'owner', { ProjectionType: 'ALL' }),
        index('byQueue', 'queue', { ProjectionType: 'INCLUDE', NonKeyAttributes: contract.byQueueAttributes }),
      ],
    }),
  )
  const urls = {}
  for (const name of ['text', 'sketch', 'dead']) {
    urls[name] = (await clients.sqs.send(new CreateQueueCommand({ QueueName: name }))).QueueUrl
  }
  await clients.s3.send(new CreateBucketCommand({ Bucket: 'pictures' }))
  await clients.s3.send(
    new PutObjectCommand({ Bucket: 'pictures', Key: 'loras/Indochine.safetensors', Body: 'weights', Metadata: { sha256: 'ab12' } }),
  )
  return { endpoint, clients, urls, stop: server.stop }
}

export function environmentFor({ endpoint, urls }, more = {}) {
  return {
    AWS_REGION: 'us-east-1',
    AWS_ENDPOINT_URL: endpoint,
    SD_APP_STACK: 'test',
    BUCKET_NAME: 'pictures',
    COMFY_UI_ADDRESS: '127.0.0.1',
    COMFY_UI_TEXT_PORT: '9',
    COMFY_UI_SKETCH_PORT: '9',
    GENERATIONS_TABLE: 'generations',
    TEXT_QUEUE_URL: urls?.text ?? 'http://127.0.0.1:9/text',
    SKETCH_QUEUE_URL: urls?.sketch ?? 'http://127.0.0.1:9/sketch',
    DEAD_LETTER_QUEUE_URL: urls?.dead ?? 'http://127.0.0.1:9/dead',
    USER_POOL_ID: POOL,
    USER_POOL_CLIENT_ID: CLIENT,
    ORIGIN_SECRET: SECRET,
    ML_SERVER_BOOT_PARAMETER: '/sd-app/test/machines/ml-server/boot',
    BACKEND_URL: 'https://api.example.com',
    ALLOWED_ORIGINS: 'https://page.example.com',
    ...more,
  }
}

export const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const stranger = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey

/** An access token as Cognito makes them; `claims` replace its own, `by: 'stranger'` signs it with another key. */
export function token(user, { by = 'pool', kid = 'key', ...claims } = {}) {
  const now = Math.floor(Date.now() / 1000)
  const encode = (part) => Buffer.from(JSON.stringify(part)).toString('base64url')
  const body = [
    encode({ alg: 'RS256', kid }),
    encode({
      sub: user,
      iss: `https://cognito-idp.us-east-1.amazonaws.com/${POOL}`,
      client_id: CLIENT,
      token_use: 'access',
      exp: now + 3600,
      iat: now,
      ...claims,
    }),
  ].join('.')
  const signature = createSign('RSA-SHA256').update(body).sign(by === 'pool' ? privateKey : stranger, 'base64url')
  return `${body}.${signature}`
}

function verifier() {
  const keys = [{ ...publicKey.export({ format: 'jwk' }), kid: 'key', use: 'sig', alg: 'RS256' }]
  const jwksCache = new SimpleJwksCache({ fetcher: { fetch: async () => Buffer.from(JSON.stringify({ keys })) } })
  return CognitoJwtVerifier.create({ userPoolId: POOL, clientId: CLIENT, tokenUse: 'access' }, { jwksCache })
}

/** The app on emulated AWS. `call(method, path, {user, body, headers})` asks it as CloudFront would. */
export async function startApp(aws, more = {}) {
  const config = readConfig(environmentFor(aws, more))
  const log = createLog(process.env.TEST_LOG ?? 'silent')
  const services = buildServices(config, aws.clients, log)
  const tokens = verifier()
  const app = await buildApp({ config, services, verifier: tokens, logger: log })
  const call = (method, url, { user, auth, body, headers = {}, payload } = {}) =>
    app.inject({
      method,
      url,
      headers: {
        'x-origin-secret': SECRET,
        ...(user ? { authorization: `Bearer ${token(user)}` } : {}),
        ...(auth ? { authorization: auth } : {}),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      payload: payload ?? (body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body)),
    })
  const headers = (user) => ({ authorization: `Bearer ${token(user)}` })
  return { app, config, services, verifier: tokens, call, headers, close: () => app.close() }
}

export const newUser = () => randomUUID()
