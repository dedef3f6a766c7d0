/** The worker's process: a loop for each kind of generation, and the sweep. PM2 runs it as `sd-app-worker`. */
import { setTimeout as sleep } from 'node:timers/promises'
import { awsClients } from './clients.js'
import { ConfigError, environment, readConfig } from './config.js'
import { KINDS } from './contract.js'
import { createLog } from './log.js'
import { buildCore } from './services.js'
import { KindWorker } from './worker/kind-worker.js'
import { Reporter } from './worker/reporter.js'
import { sweep } from './worker/sweep.js'

const SWEEP_MS = 20_000

async function main() {
  const config = readConfig(environment())
  const log = createLog(config.logLevel)
  const core = buildCore(config, awsClients(config), log)
  const parts = { ...core, log, reporter: new Reporter(config, log) }
  const workers = KINDS.map((kind) => new KindWorker(kind, config, parts))
  const stopping = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM']) {
    process.once(signal, () => {
      log.info({ signal }, 'finishing what runs')
      stopping.abort()
      for (const worker of workers) worker.stop()
    })
  }
  log.info({ worker: config.workerName }, 'started')
  await Promise.all([...workers.map((worker) => worker.run()), sweeping(workers, parts, config, stopping.signal)])
  process.exit(0)
}

async function sweeping(workers, parts, config, signal) {
  const waitMs = config.limits.waitHours * 3_600_000
  while (!signal.aborted) {
    for (const worker of workers) {
      const { kind } = worker
      await sweep(kind, { ...parts, waitMs, isEmpty: () => worker.isQueueEmpty }).catch((error) => parts.log.error({ err: error, kind }, 'the sweep failed'))
    }
    await sleep(SWEEP_MS, undefined, { signal }).catch(() => {})
  }
}

main().catch((error) => {
  process.stderr.write(`sd-app-worker: ${error instanceof ConfigError ? error.message : error.stack}\n`)
  process.exit(1)
})
