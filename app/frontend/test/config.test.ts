import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { ConfigFault, readConfig } from '../src/lib/config'

const GOOD = {
  stack: 'dev',
  region: 'us-east-1',
  backendUrl: 'https://d111abc.cloudfront.net',
  userPoolId: 'us-east-1_AbCdEf123',
  userPoolClientId: '1h57kf5cpq17m0eml12EXAMPLE',
}
const { stack: _, ...WITHOUT_STACK } = GOOD
const WRONG: [string, unknown, string][] = [
  ['a missing key', WITHOUT_STACK, 'stack: missing'],
  ['a key too many', { ...GOOD, backendURL: 'x' }, "backendURL: the page doesn't know this key"],
  ['a value of another form', { ...GOOD, backendUrl: 'http://d1.cloudfront.net' }, 'backendUrl: "http://d1.cloudfront.net" has not the form needed: Origin of the backend'],
  ['a value of another type', { ...GOOD, region: 7 }, 'region: 7 has not the form needed'],
  ['a list', [], 'config.json: is no JSON object'],
]

const SCRIPT = join(import.meta.dirname, '../scripts/write-config.js')

/** What Amplify's build would say, and the file it would leave. */
function build(value: string | undefined): { status: number; said: string; file: string } {
  const file = join(mkdtempSync(join(tmpdir(), 'config-')), 'config.json')
  const { CONFIG: _, ...env } = process.env
  try {
    const said = execFileSync(process.execPath, [SCRIPT, 'CONFIG', file], { env: { ...env, ...(value === undefined ? {} : { CONFIG: value }) }, stdio: 'pipe' })
    return { status: 0, said: String(said), file }
  } catch (error) {
    const { status, stderr } = error as { status: number; stderr: Buffer }
    return { status, said: String(stderr), file }
  }
}

describe('the config', () => {
  it('is read when it is right', () => {
    expect(readConfig(JSON.stringify(GOOD))).toEqual(GOOD)
    expect(readConfig(JSON.stringify({ ...GOOD, cognitoEndpoint: 'http://127.0.0.1:4000' })).cognitoEndpoint).toBe('http://127.0.0.1:4000')
  })

  it.each(WRONG)('is refused for %s, which is named', (_, config, told) => {
    expect(() => readConfig(JSON.stringify(config))).toThrow(ConfigFault)
    expect(() => readConfig(JSON.stringify(config))).toThrow(told)
  })

  it('is refused when it is no JSON', () => expect(() => readConfig('{')).toThrow('config.json: is not JSON'))
})

describe("Amplify's build", () => {
  it('writes the config that its variable has', () => {
    const { status, file } = build(JSON.stringify(GOOD))
    expect(status).toBe(0)
    expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual(GOOD)
  })

  it.each(WRONG)('fails for %s', (_, config, told) => {
    const { status, said } = build(JSON.stringify(config))
    expect(status).toBe(1)
    expect(said).toContain(told)
  })

  it('fails when the variable is missing or no JSON', () => {
    expect(build(undefined)).toMatchObject({ status: 1, said: expect.stringContaining('CONFIG: not set') })
    expect(build('x')).toMatchObject({ status: 1, said: expect.stringContaining('CONFIG: is not JSON') })
  })
})
