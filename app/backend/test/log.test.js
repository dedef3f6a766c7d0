import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import pino from 'pino'
import { buildApp } from '../app.js'
import { createLog, LOG_OPTIONS } from '../log.js'
import { emulateAws, newUser, SECRET, startApp, token } from './support.js'

describe('the log at info level', () => {
  let aws, api, app, lines
  before(async () => {
    aws = await emulateAws()
    api = await startApp(aws)
    lines = []
    const logger = pino({ ...LOG_OPTIONS, level: 'info' }, { write: (line) => lines.push(line) })
    const { verifier } = api
    app = await buildApp({ config: api.config, services: api.services, verifier, logger })
  })
  after(async () => {
    await app?.close()
    await aws?.stop()
  })

  it('tells each request with its user and how it ended, and no prompt, token or signature', async () => {
    const user = newUser()
    const bearer = token(user)
    const headers = { 'x-origin-secret': SECRET, authorization: `Bearer ${bearer}`, 'content-type': 'application/json' }
    const made = await app.inject({
      method: 'POST',
      url: '/api/generations',
      headers,
      payload: JSON.stringify({ prompt: 'a very private bedroom' }),
    })
    assert.equal(made.statusCode, 202)
    await app.inject({ method: 'GET', url: '/api/images/00000000-0000-4000-8000-000000000000/0?expires=1&signature=sesame', headers })
    const text = lines.join('')
    const told = lines.map((line) => JSON.parse(line)).filter((line) => line.msg === 'answered')
    assert.deepEqual(
      told.map(({ req, status }) => [req.method, req.path, req.user, status]),
      [
        ['POST', '/api/generations', user, 202],
        ['GET', '/api/images/00000000-0000-4000-8000-000000000000/0', undefined, 403],
      ],
    )
    for (const secret of ['very private', bearer, 'sesame', SECRET]) assert.ok(!text.includes(secret), `${secret} was logged`)
  })

  it('has the level that the setting names', () => {
    assert.equal(createLog('warn').level, 'warn')
  })
})
