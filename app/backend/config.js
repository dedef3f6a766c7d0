/** The settings: read once from the environment, which `.env` adds to; what is missing or wrong is named, all of it. */
import { hkdfSync } from 'node:crypto'
import { existsSync } from 'node:fs'
import { hostname } from 'node:os'
import { fileURLToPath } from 'node:url'
import { contract, KINDS } from './contract.js'

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']

/** What stands in the environment is not what the program needs; the message has a line for each name. */
export class ConfigError extends Error {}

/** Environment of this process, with what `.env` beside this file adds (cloud_init/backend.sh writes it). */
export function environment() {
  const file = fileURLToPath(new URL('.env', import.meta.url))
  if (existsSync(file)) process.loadEnvFile(file)
  return process.env
}

/** Name of a limit in the environment: promptCharacters → LIMIT_PROMPT_CHARACTERS. */
export function limitVariable(name) {
  return `LIMIT_${name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`
}

/**
 * Settings from an environment. Throws ConfigError that names everything missing or wrong.
 * @param {Record<string, string | undefined>} env
 */
export function readConfig(env) {
  const faults = []
  const required = (name) => {
    const value = env[name]?.trim()
    if (!value) faults.push(`${name}: missing`)
    return value ?? ''
  }
  const number = (name, fallback, minimum, maximum) => {
    const text = env[name]?.trim()
    if (!text) return fallback
    const value = Number(text)
    if (Number.isInteger(value) && value >= minimum && value <= maximum) return value
    faults.push(`${name}: "${text}" is not allowed; allowed: whole numbers from ${minimum} to ${maximum}`)
    return fallback
  }
  const url = (name, value) => {
    if (value && !URL.canParse(value)) faults.push(`${name}: "${value}" is no URL`)
    return value.replace(/\/$/, '')
  }
  const port = number('PORT', contract.backendPort, 1, 65535)
  const logLevel = env.LOG_LEVEL?.trim() || 'info'
  if (!LOG_LEVELS.includes(logLevel)) {
    faults.push(`LOG_LEVEL: "${logLevel}" is not allowed; allowed: ${LOG_LEVELS.join(', ')}`)
  }
  const address = required('COMFY_UI_ADDRESS')
  const secret = required('ORIGIN_SECRET')
  const endpoint = env.AWS_ENDPOINT_URL ? url('AWS_ENDPOINT_URL', env.AWS_ENDPOINT_URL) : null
  const config = {
    region: required('AWS_REGION'),
    endpoint,
    stack: required('SD_APP_STACK'),
    port,
    host: env.HOST?.trim() || '0.0.0.0',
    logLevel,
    bucket: required('BUCKET_NAME'),
    table: required('GENERATIONS_TABLE'),
    queueUrls: { text: required('TEXT_QUEUE_URL'), sketch: required('SKETCH_QUEUE_URL') },
    deadLetterQueueUrl: required('DEAD_LETTER_QUEUE_URL'),
    userPoolId: required('USER_POOL_ID'),
    userPoolClientId: required('USER_POOL_CLIENT_ID'),
    mlServerBootParameter: required('ML_SERVER_BOOT_PARAMETER'),
    backendUrl: url('BACKEND_URL', required('BACKEND_URL')),
    allowedOrigins: (env.ALLOWED_ORIGINS ?? '').split(',').map((one) => one.trim()).filter(Boolean),
    originSecret: secret,
    imageKey: derived(secret, 'image addresses'),
    eventKey: derived(secret, 'events of the worker').toString('base64url'),
    eventsUrl: url('EVENTS_URL', env.EVENTS_URL?.trim() || `http://127.0.0.1:${port}`),
    comfyUi: Object.fromEntries(
      KINDS.map((kind) => {
        const ofPort = number(`COMFY_UI_${kind.toUpperCase()}_PORT`, contract.comfyUiPorts[kind], 1, 65535)
        return [kind, `http://${address}:${ofPort}`]
      }),
    ),
    workerName: env.WORKER_NAME?.trim() || hostname(),
    maxAttempts: number('MAX_ATTEMPTS', 3, 1, 10),
    retentionDays: number('OUTPUTS_RETENTION_DAYS', 365, 1, 3650),
    limits: Object.fromEntries(
      Object.entries(contract.limits).map(([name, limit]) => [
        name,
        number(limitVariable(name), limit.default, limit.minimum, limit.maximum),
      ]),
    ),
  }
  if (config.limits.pictureMinSide > config.limits.pictureMaxSide) {
    faults.push('LIMIT_PICTURE_MIN_SIDE: above LIMIT_PICTURE_MAX_SIDE')
  }
  if (faults.length > 0) {
    throw new ConfigError(['settings (environment and app/backend/.env) are not complete:', ...faults].join('\n  '))
  }
  return Object.freeze(config)
}

/** A key of its own for each purpose, so that the secret that CloudFront sends is used for nothing else. */
function derived(secret, purpose) {
  return Buffer.from(hkdfSync('sha256', secret, 'sd-app', purpose, 32))
}
