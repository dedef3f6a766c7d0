/** For tests: prints what the real backend says of itself: its OpenAPI document, and the codes of refusals and failures. */
import { buildApp } from '../../backend/app.js'
import { readConfig } from '../../backend/config.js'
import { CODES, FAILED_BY_OPERATOR, FAILURES, FIELD_CODES } from '../../backend/problems.js'

const NEEDED = ['AWS_REGION', 'SD_APP_STACK', 'COMFY_UI_ADDRESS', 'ORIGIN_SECRET', 'BUCKET_NAME', 'GENERATIONS_TABLE', 'TEXT_QUEUE_URL', 'SKETCH_QUEUE_URL', 'DEAD_LETTER_QUEUE_URL', 'USER_POOL_ID', 'USER_POOL_CLIENT_ID', 'ML_SERVER_BOOT_PARAMETER']

const needed = Object.fromEntries(NEEDED.map((name) => [name, 'x']))
const config = readConfig({ ...needed, BACKEND_URL: 'https://api.test', ...process.env })
const { swagger, close } = await buildApp({ config, services: { events: { close() {} } }, verifier: {} })
const codes = { problem: Object.keys(CODES), field: FIELD_CODES, failure: [...Object.keys(FAILURES), FAILED_BY_OPERATOR] }
console.log(JSON.stringify({ document: swagger(), codes }))
await close()
