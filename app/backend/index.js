/** The API's process: listens, and closes with grace. PM2 runs it as `sd-app` (cloud_init/backend.sh). */
import { buildApp } from './app.js'
import { tokenVerifier } from './auth.js'
import { awsClients } from './clients.js'
import { ConfigError, environment, readConfig } from './config.js'
import { createLog } from './log.js'
import { buildServices } from './services.js'

async function main() {
  const config = readConfig(environment())
  const log = createLog(config.logLevel)
  const services = buildServices(config, awsClients(config), log)
  const app = await buildApp({ config, services, verifier: tokenVerifier(config), logger: log })
  for (const signal of ['SIGINT', 'SIGTERM']) {
    process.once(signal, async () => {
      log.info({ signal }, 'closing')
      await app.close()
      process.exit(0)
    })
  }
  await app.listen({ host: config.host, port: config.port })
}

main().catch((error) => {
  process.stderr.write(`sd-app: ${error instanceof ConfigError ? error.message : error.stack}\n`)
  process.exitCode = 1
})
