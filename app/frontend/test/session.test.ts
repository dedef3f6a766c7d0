import { beforeEach, describe, expect, it, vi } from 'vitest'
import type { Tokens } from '../src/lib/cognito'
import { Session } from '../src/lib/session.svelte'

const renew = vi.fn<(refreshToken: string) => Promise<Tokens>>()
const signOutEverywhere = vi.fn<(accessToken: string) => Promise<void>>()
vi.mock('../src/lib/cognito', () => ({
  Cognito: class {
    renew = renew
    signOutEverywhere = signOutEverywhere
  },
}))

const CONFIG = { stack: 'test', region: 'us-east-1', backendUrl: 'https://api', userPoolId: 'p', userPoolClientId: 'c' }
const tokens = (accessToken: string, inMs = 3_600_000): Tokens => ({ accessToken, refreshToken: 'refresh', expires: Date.now() + inMs })
const refusal = (): Error => Object.assign(new Error('revoked'), { name: 'NotAuthorizedException' })

beforeEach(() => {
  renew.mockReset()
  signOutEverywhere.mockReset()
})

describe('a session', () => {
  it('is kept, for this stack alone', () => {
    new Session(CONFIG).begin('ann@example.com', tokens('a'))
    expect(new Session(CONFIG).email).toBe('ann@example.com')
    expect(new Session({ ...CONFIG, stack: 'other' }).email).toBeUndefined()
  })

  it('gives its token as it is while that is good', async () => {
    const session = new Session(CONFIG)
    session.begin('ann@example.com', tokens('a'))
    expect(await session.token()).toBe('a')
    expect(renew).not.toHaveBeenCalled()
  })

  it('is renewed before it ends, once for all who ask', async () => {
    const session = new Session(CONFIG)
    session.begin('ann@example.com', tokens('old', 30_000))
    renew.mockResolvedValue(tokens('new'))
    expect(await Promise.all([session.token(), session.token(), session.token()])).toEqual(['new', 'new', 'new'])
    expect(renew).toHaveBeenCalledExactlyOnceWith('refresh')
    expect(new Session(CONFIG).email).toBe('ann@example.com')
  })

  it('ends, and says so, when the pool refuses to renew it', async () => {
    const session = new Session(CONFIG)
    session.begin('ann@example.com', tokens('old', -1))
    renew.mockRejectedValue(refusal())
    expect(await session.token()).toBeUndefined()
    expect([session.email, session.ended]).toEqual([undefined, true])
  })

  it('does not end because the pool is out of reach', async () => {
    const session = new Session(CONFIG)
    session.begin('ann@example.com', tokens('old', -1))
    renew.mockRejectedValueOnce(new TypeError('Failed to fetch')).mockResolvedValueOnce(tokens('new'))
    await expect(session.token()).rejects.toThrow('Failed to fetch')
    expect([session.email, session.ended]).toEqual(['ann@example.com', false])
    expect(await session.token()).toBe('new')
  })

  it('ends in the other tabs, too', () => {
    const [here, there] = [new Session(CONFIG), new Session(CONFIG)]
    here.begin('ann@example.com', tokens('a'))
    window.dispatchEvent(new StorageEvent('storage', { key: 'sd-app:test:session' }))
    expect(there.email).toBe('ann@example.com')
    localStorage.removeItem('sd-app:test:session')
    window.dispatchEvent(new StorageEvent('storage', { key: 'sd-app:test:session' }))
    expect(there.email).toBeUndefined()
  })

  it('ends everywhere when that is asked, and stays when it could not be done', async () => {
    const session = new Session(CONFIG)
    session.begin('ann@example.com', tokens('a'))
    signOutEverywhere.mockRejectedValueOnce(new TypeError('Failed to fetch'))
    await expect(session.signOut({ everywhere: true })).rejects.toThrow()
    expect(session.email).toBe('ann@example.com')
    signOutEverywhere.mockResolvedValueOnce()
    await session.signOut({ everywhere: true })
    expect(signOutEverywhere).toHaveBeenLastCalledWith('a')
    expect(session.email).toBeUndefined()
  })

  it('that cannot be read is none', () => {
    localStorage.setItem('sd-app:test:session', '{')
    expect(new Session(CONFIG).email).toBeUndefined()
  })
})
