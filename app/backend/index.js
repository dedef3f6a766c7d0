/** The API's process: listens, and closes with grace. PM2 runs it as `sd-app` (cloud_init/backend.sh). */
import cluster from 'node:cluster'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { buildApp } from './app.js'
import { tokenVerifier } from './auth.js'
import { awsClients } from './clients.js'
import { ConfigError, environment, readConfig } from './config.js'
import { createLog } from './log.js'
import { buildServices } from './services.js'

const DRAIN_MS = 4000
// Together with the slowest answer below PM2's `kill_timeout`.

async function main() {
  const config = readConfig(environment())
  const log = createLog(config.logLevel)
  const services = buildServices(config, awsClients(config), log)
  const app = await buildApp({ config, services, verifier: tokenVerifier(config), logger: log })
  for (const signal of ['SIGINT', 'SIGTERM']) {
    process.once(signal, async () => {
      log.info({ signal }, 'closing')
      if (cluster.isWorker) await drain(app)
      await app.close()
      if (cluster.isWorker) await leave()
      process.exit(0)
    })
  }
  await app.listen({ host: config.host, port: config.port })
}

/** PM2 reloads: a successor listens already. Connections that are kept alive are let go after their next answer. */
async function drain(app) {
  app.drain()
  await sleep(DRAIN_MS)
}

/**
 * PM2 takes the connections and hands them on. One that is on its way to a process that ends is lost with it, and its
 * client waits for ever; a worker that takes its leave first has it handed to the successor.
 */
async function leave() {
  if (!cluster.worker.isConnected()) return
  cluster.worker.disconnect()
  await once(cluster.worker, 'disconnect')
}

main().catch((error) => {
  process.stderr.write(`sd-app: ${error instanceof ConfigError ? error.message : error.stack}\n`)
  process.exitCode = 1
})
