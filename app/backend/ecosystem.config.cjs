/**
 * What PM2 keeps running (cloud_init/backend.sh), and how: `pm2 startOrReload ecosystem.config.cjs`. The sandbox and the
 * benchmark start the same two programs from this file.
 *
 * Node.js takes memory because it may: without limits both grew to 643 MiB while their heaps held 30 MiB each
 * (bench/README.md). A small young generation is collected often, and glibc's arenas (one for each thread) never shrink.
 */
const common = {
  cwd: __dirname,
  node_args: ['--max-semi-space-size=2', '--max-old-space-size=128'],
  env: { NODE_ENV: 'production', MALLOC_ARENA_MAX: '2' },
  kill_timeout: 15_000,
  exp_backoff_restart_delay: 200,
}

module.exports = {
  apps: [
    { ...common, name: 'sd-app', script: 'index.js' },
    { ...common, name: 'sd-app-worker', script: 'worker.js' },
  ],
}
