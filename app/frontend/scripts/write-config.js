/** Writes public/config.json from an environment variable (its name is the argument). Amplify's build calls it. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { faults } from '../src/lib/config-check.js'

const [variable, target = fileURLToPath(new URL('../public/config.json', import.meta.url))] = process.argv.slice(2)

/** The config as the variable has it. Throws an Error that says what is wrong with it. */
function read() {
  const text = process.env[variable]
  if (!text) throw new Error(`${variable}: not set; the Pulumi program sets it on the Amplify branch`)
  const schema = JSON.parse(readFileSync(new URL('../config.schema.json', import.meta.url), 'utf8'))
  let config
  try {
    config = JSON.parse(text)
  } catch {
    throw new Error(`${variable}: is not JSON`)
  }
  const wrong = faults(config, schema)
  if (wrong.length > 0) throw new Error([`${variable} is not what the page needs:`, ...wrong].join('\n  '))
  return config
}

try {
  const config = read()
  mkdirSync(new URL('.', `file://${target}`), { recursive: true })
  writeFileSync(target, `${JSON.stringify(config, null, 2)}\n`)
  console.log(`config.json: written for stack ${config.stack}`)
} catch (error) {
  console.error(error.message)
  process.exit(1)
}
