import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { ConfigError, limitVariable, readConfig } from '../config.js'
import { contract } from '../contract.js'
import { emulateAws, environmentFor, newUser, startApp } from './support.js'

const REQUIRED = [
  'AWS_REGION', 'SD_APP_STACK', 'BUCKET_NAME', 'COMFY_UI_ADDRESS', 'GENERATIONS_TABLE', 'TEXT_QUEUE_URL', 'SKETCH_QUEUE_URL',
  'DEAD_LETTER_QUEUE_URL', 'USER_POOL_ID', 'USER_POOL_CLIENT_ID', 'ORIGIN_SECRET', 'ML_SERVER_BOOT_PARAMETER', 'BACKEND_URL',
]
const whole = (more = {}) => environmentFor({ endpoint: 'http://127.0.0.1:9' }, more)
const faults = (env) => {
  try {
    readConfig(env)
  } catch (error) {
    assert.ok(error instanceof ConfigError)
    return error.message.split('\n').slice(1).map((line) => line.trim())
  }
  return []
}

describe('the settings', () => {
  it('name everything that is missing at once', () => {
    assert.deepEqual(faults({}).sort(), REQUIRED.map((name) => `${name}: missing`).sort())
  })

  for (const name of REQUIRED) {
    it(`need ${name}, and blanks are none`, () => {
      for (const value of [undefined, '', '  ']) assert.deepEqual(faults(whole({ [name]: value })), [`${name}: missing`])
    })
  }

  it('name every wrong number with what is allowed', () => {
    const wrong = { PORT: '70000', MAX_ATTEMPTS: '0', OUTPUTS_RETENTION_DAYS: 'a year', COMFY_UI_TEXT_PORT: '81.5', LIMIT_SKETCH_MEBIBYTES: '-1', LIMIT_PROMPT_CHARACTERS: '1e9' }
    const found = faults(whole(wrong))
    assert.equal(found.length, 6, found.join('\n'))
    for (const [name, value] of Object.entries(wrong)) {
      assert.ok(found.some((line) => line.startsWith(`${name}: "${value}" is not allowed; allowed: whole numbers from `)), name)
    }
  })

  it('name wrong addresses, levels and limits that contradict each other', () => {
    assert.deepEqual(faults(whole({ BACKEND_URL: 'here', LOG_LEVEL: 'loud', LIMIT_PICTURE_MIN_SIDE: '1024', LIMIT_PICTURE_MAX_SIDE: '256' })), [
      'LOG_LEVEL: "loud" is not allowed; allowed: trace, debug, info, warn, error, fatal, silent',
      'BACKEND_URL: "here" is no URL',
      'LIMIT_PICTURE_MIN_SIDE: above LIMIT_PICTURE_MAX_SIDE',
    ])
  })

  it('never tell the secret, nor use it as a key', () => {
    const config = readConfig(whole({ ORIGIN_SECRET: 'very secret' }))
    assert.ok(!faults(whole({ ORIGIN_SECRET: 'very secret', PORT: 'x' })).join().includes('very secret'))
    assert.notEqual(config.imageKey.toString('base64url'), config.eventKey)
    assert.notDeepEqual(config.imageKey, readConfig(whole({ ORIGIN_SECRET: 'another' })).imageKey)
    assert.deepEqual(config.imageKey, readConfig(whole({ ORIGIN_SECRET: 'very secret' })).imageKey)
  })

  it('have defaults for the rest', () => {
    const config = readConfig(whole({ AWS_ENDPOINT_URL: undefined, ALLOWED_ORIGINS: undefined, COMFY_UI_TEXT_PORT: '', COMFY_UI_SKETCH_PORT: undefined, COMFY_UI_ADDRESS: '10.0.0.7' }))
    assert.deepEqual(config.comfyUi, { text: 'http://10.0.0.7:8188', sketch: 'http://10.0.0.7:8189' })
    const { port, host, logLevel, endpoint, allowedOrigins, maxAttempts, retentionDays, eventsUrl } = config
    assert.deepEqual(
      { port, host, logLevel, endpoint, allowedOrigins, maxAttempts, retentionDays, eventsUrl },
      { port: 3000, host: '0.0.0.0', logLevel: 'info', endpoint: null, allowedOrigins: [], maxAttempts: 3, retentionDays: 365, eventsUrl: 'http://127.0.0.1:3000' },
    )
    assert.deepEqual(config.limits, Object.fromEntries(Object.entries(contract.limits).map(([name, { default: value }]) => [name, value])))
    assert.throws(() => (config.port = 1), 'and nobody changes them')
  })

  for (const [name, { minimum, maximum }] of Object.entries(contract.limits)) {
    it(`take the limit ${name} from the environment, from ${minimum} to ${maximum}`, () => {
      const variable = limitVariable(name)
      // The other of the two sides must not be in the way.
      const wide = { LIMIT_PICTURE_MIN_SIDE: '64', LIMIT_PICTURE_MAX_SIDE: '2048' }
      for (const value of [minimum, maximum]) assert.equal(readConfig(whole({ ...wide, [variable]: String(value) })).limits[name], value)
      for (const value of [minimum - 1, maximum + 1]) assert.equal(faults(whole({ ...wide, [variable]: String(value) })).length, 1)
    })
  }

  it('end both programs with the names of what is missing, and no stack', () => {
    for (const program of ['index.js', 'worker.js']) {
      const file = fileURLToPath(new URL(`../${program}`, import.meta.url))
      const env = { ...whole({ BUCKET_NAME: '', TEXT_QUEUE_URL: '' }), PATH: process.env.PATH }
      const { status, stderr } = spawnSync(process.execPath, [file], { env, encoding: 'utf8', timeout: 30_000 })
      assert.equal(status, 1, program)
      assert.match(stderr, /BUCKET_NAME: missing\n {2}TEXT_QUEUE_URL: missing/)
      assert.doesNotMatch(stderr, /at .*\.js:\d/)
    }
  })
})

describe('limits of the environment', () => {
  it('act: prompt, sides, steps, bodies, drawings and unfinished ones', async () => {
    const aws = await emulateAws()
    const limits = { PROMPT_CHARACTERS: '10', PICTURE_MIN_SIDE: '100', PICTURE_MAX_SIDE: '300', MAX_STEPS: '5', SKETCH_MEBIBYTES: '1', SKETCH_MEGAPIXELS: '1', UNFINISHED_PER_USER: '1', BODY_KIBIBYTES: '8' }
    const api = await startApp(aws, Object.fromEntries(Object.entries(limits).map(([name, value]) => [`LIMIT_${name}`, value])))
    try {
      const user = newUser()
      const post = (body) => api.call('POST', '/api/generations', { user, body })
      const wish = { prompt: '0123456789', width: 104, height: 296, steps: 5 }
      for (const [change, allowed] of [
        [{ prompt: '0123456789a' }, 'text of 1 to 10 characters'],
        [{ width: 96 }, 'whole numbers from 104 to 296, multiples of 8'],
        [{ height: 304 }, 'whole numbers from 104 to 296, multiples of 8'],
        [{ steps: 6 }, 'whole numbers from 1 to 5'],
      ]) {
        const answer = await post({ ...wish, ...change })
        assert.equal(answer.statusCode, 400)
        assert.deepEqual([answer.json().errors[0].field, answer.json().errors[0].allowed], [Object.keys(change)[0], allowed])
      }
      assert.equal((await post({ ...wish, prompt: 'x'.repeat(9000) })).statusCode, 413)
      const upload = (bytes) => api.call('POST', '/api/sketches', { user, headers: { 'content-type': 'image/png' }, payload: Buffer.alloc(bytes) })
      assert.equal((await upload(1024 * 1024 + 1)).statusCode, 413)
      assert.equal((await upload(1024 * 1024)).statusCode, 415, 'large enough to be looked at')
      assert.equal((await post(wish)).statusCode, 202)
      const full = await post(wish)
      assert.equal(full.statusCode, 429)
      assert.match(full.json().detail, /^No more than 1 unfinished/)
    } finally {
      await api.close()
      await aws.stop()
    }
  })
})
