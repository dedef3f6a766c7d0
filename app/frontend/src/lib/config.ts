/** The page's config, read once at start. */
import schema from '../../config.schema.json'
import { faults } from './config-check.js'

export interface Config {
  stack: string
  region: string
  backendUrl: string
  userPoolId: string
  userPoolClientId: string
  cognitoEndpoint?: string
}

/** config.json is missing or wrong: whoever runs the service must put it right, and is told how. */
export class ConfigFault extends Error {
  constructor(readonly faults: string[]) {
    super(faults.join('\n'))
  }
}

export async function loadConfig(): Promise<Config> {
  const answer = await fetch('/config.json', { cache: 'no-cache' }).catch(() => undefined)
  const text = answer?.ok ? await answer.text() : undefined
  // A server with one page for every address answers with that page.
  if (text === undefined || text.trimStart().startsWith('<')) throw new ConfigFault(['config.json: missing'])
  return readConfig(text)
}

export function readConfig(text: string): Config {
  let said: unknown
  try {
    said = JSON.parse(text)
  } catch {
    throw new ConfigFault(['config.json: is not JSON'])
  }
  const wrong = faults(said, schema)
  if (wrong.length > 0) throw new ConfigFault(wrong)
  return said as Config
}
