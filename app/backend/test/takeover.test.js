/** A process of the API that ends while others go on, as in PM2's cluster mode: no connection is lost with it. */
import assert from 'node:assert/strict'
import cluster from 'node:cluster'
import { once } from 'node:events'
import { after, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { contract } from '../contract.js'
import { send } from './raw-client.js'
import { environmentFor, SECRET } from './support.js'

const PORT = 39_417
const ENDING = 6
const VISITORS = 12
const env = environmentFor({ endpoint: 'http://127.0.0.1:9' }, { PORT: String(PORT), HOST: '127.0.0.1', LOG_LEVEL: 'silent' })

/** @returns {Promise<import('node:cluster').Worker>} one that listens */
async function started() {
  const worker = cluster.fork(env)
  await once(worker, 'listening')
  return worker
}

after(() => Object.values(cluster.workers).forEach((worker) => worker.process.kill('SIGKILL')))

it('takes no connection with it', { timeout: 60_000 }, async () => {
  cluster.setupPrimary({ exec: fileURLToPath(new URL('../index.js', import.meta.url)), silent: true })
  await started()
  const ending = await Promise.all(Array.from({ length: ENDING }, started))
  const headers = { [contract.originSecretHeader]: SECRET, connection: 'close' }
  const answers = []
  let over = false
  const visit = async () => {
    while (!over) {
      answers.push(await send(PORT, { method: 'GET', path: '/api/health', headers }).then(({ status }) => status, String))
    }
  }
  const visitors = Array.from({ length: VISITORS }, visit)
  await Promise.all(
    ending.map(async (worker) => {
      worker.process.kill('SIGINT')
      const [code] = await once(worker, 'exit')
      assert.equal(code, 0)
    }),
  )
  over = true
  await Promise.all(visitors)
  assert.ok(answers.length > 1000, String(answers.length))
  assert.deepEqual([...new Set(answers)], [200])
})
