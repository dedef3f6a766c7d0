/**
 * What PM2 keeps running (cloud_init/backend.sh), and how: `pm2 startOrReload ecosystem.config.cjs`. The sandbox and the
 * benchmark start the same two programs from this file.
 *
 * Node.js takes memory because it may: without limits both grew to 643 MiB while their heaps held 30 MiB each
 * (bench/README.md). A small young generation is collected often, and glibc's arenas (one for each thread) never shrink.
 */
const common = {
  // On the machine a link to the release that serves: PM2 keeps the path, a reload follows the link.
  cwd: process.env.SD_APP_HOME ?? __dirname,
  node_args: ['--max-semi-space-size=2', '--max-old-space-size=128'],
  env: { NODE_ENV: 'production', MALLOC_ARENA_MAX: '2' },
  kill_timeout: 15_000,
  exp_backoff_restart_delay: 200,
}

module.exports = {
  apps: [
    // Of the cluster mode only this is meant: a reload starts the new process before the old one ends.
    { ...common, name: 'sd-app', script: 'index.js', exec_mode: 'cluster', instances: 1, merge_logs: true },
    { ...common, name: 'sd-app-worker', script: 'worker.js' },
  ],
}
