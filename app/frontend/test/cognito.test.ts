import { CognitoIdentityProviderClient } from '@aws-sdk/client-cognito-identity-provider'
import { createHash, createHmac, randomBytes } from 'node:crypto'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { Cognito } from '../src/lib/cognito'

const CONFIG = { stack: 'test', region: 'us-east-1', backendUrl: 'https://api', userPoolId: 'us-east-1_Pool9', userPoolClientId: 'client' }
const RESULT = { AccessToken: 'access', RefreshToken: 'refresh', ExpiresIn: 3600 }
const N = (2n ** 3072n - 2n ** 3008n - 1n) + 2n ** 64n * (PI_TERM())

/** RFC 3526: 2^3072 - 2^3008 - 1 + 2^64 * { [2^2942 pi] + 1690314 }; pi by Machin's formula, so that nothing is copied from the code under test. */
function PI_TERM(): bigint {
  const bits = 2942n + 128n
  const one = 1n << bits
  const arctan = (x: bigint): bigint => {
    let sum = 0n
    for (let power = one / x, n = 1n, sign = 1n; power > 0n; power /= x * x, n += 2n, sign = -sign) sum += (sign * power) / n
    return sum
  }
  return ((4n * (4n * arctan(5n) - arctan(239n))) >> 128n) + 1690314n
}

type Input = { AuthFlow?: string; ChallengeName?: string; AuthParameters?: Record<string, string>; ChallengeResponses?: Record<string, string>; Session?: string }

/** The other side of the proof, as Cognito does it: it knows a verifier of the password, never the password. */
class Pool {
  asked: Input[] = []
  private readonly salt = BigInt(`0x${randomBytes(16).toString('hex')}`)
  private readonly b = BigInt(`0x${randomBytes(64).toString('hex')}`)
  private readonly block = randomBytes(64)
  private A = 0n

  constructor(
    private readonly verifier: (salt: bigint) => bigint,
    private readonly after: object = { AuthenticationResult: RESULT },
  ) {}

  answer = async ({ input }: { input: Input }): Promise<unknown> => {
    this.asked.push(input)
    if (input.AuthFlow === 'USER_SRP_AUTH') {
      this.A = BigInt(`0x${input.AuthParameters!.SRP_A}`)
      const SRP_B = this.B.toString(16)
      return { ChallengeName: 'PASSWORD_VERIFIER', Session: 's1', ChallengeParameters: { SALT: this.salt.toString(16), SRP_B, USER_ID_FOR_SRP: 'user-1', SECRET_BLOCK: this.block.toString('base64') } }
    }
    if (input.ChallengeName === 'PASSWORD_VERIFIER') {
      const { TIMESTAMP, PASSWORD_CLAIM_SIGNATURE } = input.ChallengeResponses!
      if (PASSWORD_CLAIM_SIGNATURE === this.expected(TIMESTAMP!)) return this.after
      throw Object.assign(new Error('Incorrect username or password.'), { name: 'NotAuthorizedException' })
    }
    return { AuthenticationResult: RESULT }
  }

  private get B(): bigint {
    return (hash(N, 2n) * this.verifier(this.salt) + power(2n, this.b)) % N
  }

  private expected(timestamp: string): string {
    const u = hash(this.A, this.B)
    const S = power(this.A * power(this.verifier(this.salt), u), this.b)
    const extracted = createHmac('sha256', padded(u)).update(padded(S)).digest()
    const key = createHmac('sha256', extracted).update('Caldera Derived Key\u0001').digest().subarray(0, 16)
    return createHmac('sha256', key).update('Pool9user-1').update(this.block).update(timestamp).digest('base64')
  }
}

const verifierOf = (password: string) => (salt: bigint): bigint => {
  const identity = createHash('sha256').update(`Pool9user-1:${password}`).digest()
  return power(2n, BigInt(`0x${createHash('sha256').update(padded(salt)).update(identity).digest('hex')}`))
}
const power = (base: bigint, exponent: bigint): bigint => {
  let result = 1n
  for (base %= N; exponent > 0n; exponent >>= 1n, base = (base * base) % N) if (exponent & 1n) result = (result * base) % N
  return result
}
const padded = (value: bigint): Buffer => {
  const hex = value.toString(16)
  const even = hex.padStart(hex.length + (hex.length % 2), '0')
  return Buffer.from(parseInt(even[0]!, 16) > 7 ? `00${even}` : even, 'hex')
}
const hash = (...values: bigint[]): bigint => BigInt(`0x${createHash('sha256').update(Buffer.concat(values.map(padded))).digest('hex')}`)

function serve(pool: Pool): Pool {
  vi.spyOn(CognitoIdentityProviderClient.prototype, 'send').mockImplementation(pool.answer as never)
  return pool
}

beforeEach(() => vi.restoreAllMocks())

describe('signing in on AWS', () => {
  it('proves the password, which is not sent', async () => {
    const pool = serve(new Pool(verifierOf('Draw-a-room-4-me')))
    const step = await new Cognito(CONFIG).signIn('ann@example.com', 'Draw-a-room-4-me')
    expect(step).toMatchObject({ next: 'done', tokens: { accessToken: 'access', refreshToken: 'refresh' } })
    expect(JSON.stringify(pool.asked)).not.toContain('Draw-a-room-4-me')
  })

  it('is refused with a wrong password', async () => {
    serve(new Pool(verifierOf('Draw-a-room-4-me')))
    await expect(new Cognito(CONFIG).signIn('ann@example.com', 'draw-a-room-4-me')).rejects.toMatchObject({ name: 'NotAuthorizedException' })
  })

  it.each([
    ['NEW_PASSWORD_REQUIRED', 'new-password'],
    ['SOFTWARE_TOKEN_MFA', 'code'],
  ])('goes on with %s, by the name that the pool has for the user', async (ChallengeName, next) => {
    const pool = serve(new Pool(verifierOf('p'), { ChallengeName, Session: 's2' }))
    const cognito = new Cognito(CONFIG)
    const step = await cognito.signIn('ann@example.com', 'p')
    expect(step).toEqual({ next, session: 's2', username: 'user-1' })
    if (next === 'code') await cognito.code('user-1', 's2', '123456')
    else await cognito.newPassword('user-1', 's2', 'fresh')
    expect(pool.asked.at(-1)).toMatchObject({ ChallengeName, Session: 's2', ChallengeResponses: { USERNAME: 'user-1' } })
  })
})

describe('signing in on the emulator', () => {
  it('sends the password, as no proof is checked there', async () => {
    const pool = serve(new Pool(verifierOf('p')))
    await new Cognito({ ...CONFIG, cognitoEndpoint: 'http://127.0.0.1:4000' }).signIn('ann@example.com', 'p')
    expect(pool.asked).toMatchObject([{ AuthFlow: 'USER_PASSWORD_AUTH', AuthParameters: { USERNAME: 'ann@example.com', PASSWORD: 'p' } }])
  })
})

describe('a session', () => {
  it('is renewed with its own refresh token, when the pool gives no other', async () => {
    serve(new Pool(verifierOf('p')))
    const send = vi.spyOn(CognitoIdentityProviderClient.prototype, 'send').mockImplementation((async () => ({ AuthenticationResult: { AccessToken: 'next', ExpiresIn: 60 } })) as never)
    expect(await new Cognito(CONFIG).renew('kept')).toMatchObject({ accessToken: 'next', refreshToken: 'kept' })
    expect(send).toHaveBeenCalledOnce()
  })

  it('is none without tokens', async () => {
    vi.spyOn(CognitoIdentityProviderClient.prototype, 'send').mockImplementation((async () => ({})) as never)
    await expect(new Cognito(CONFIG).renew('kept')).rejects.toThrow('gave no tokens')
  })
})
