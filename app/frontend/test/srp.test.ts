// @vitest-environment node
import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { newSecret, signature, timestampOf } from '../src/lib/srp'
import { vectors } from './srp-vectors.json'

const POOL = 'AbCdEf123'
const bytes = (hex: string): Uint8Array<ArrayBuffer> => Uint8Array.from(hex.match(/../g)!, (byte) => parseInt(byte, 16))

describe('the proof of a password', () => {
  it.each(vectors.map((one, at) => ({ at, ...one })))('is what Amazon’s own library makes of the same numbers ($at)', async ({ a, A, password, challenge, timestamp, signature: known }) => {
    const secret = newSecret(bytes(a))
    expect(secret.A.toString(16)).toBe(A)
    expect(await signature(secret, POOL, password, challenge, timestamp)).toBe(known)
  })

  it('is another for another password, user, moment or block', async () => {
    const [{ a, password, challenge, timestamp, signature: known }] = vectors as [(typeof vectors)[0]]
    const secret = newSecret(bytes(a))
    const others = [
      await signature(secret, POOL, `${password}!`, challenge, timestamp),
      await signature(secret, POOL, password, { ...challenge, USER_ID_FOR_SRP: 'eve' }, timestamp),
      await signature(secret, POOL, password, challenge, 'Tue Sep 5 01:02:04 UTC 2026'),
      await signature(secret, POOL, password, { ...challenge, SECRET_BLOCK: btoa('x') }, timestamp),
    ]
    expect(new Set([known, ...others]).size).toBe(5)
  })

  it('is refused to a pool that would learn the password by it', async () => {
    const [{ challenge, timestamp }] = vectors as [(typeof vectors)[0]]
    await expect(signature(newSecret(), POOL, 'p', { ...challenge, SRP_B: '0' }, timestamp)).rejects.toThrow()
  })

  it('begins with another secret each time', () => {
    const seen = new Set(Array.from({ length: 5 }, () => createHash('sha256').update(newSecret().A.toString(16)).digest('hex')))
    expect(seen.size).toBe(5)
  })
})

describe('its moment', () => {
  it.each([
    ['2026-09-05T01:02:03.999Z', 'Sat Sep 5 01:02:03 UTC 2026'],
    ['2026-11-28T23:59:59Z', 'Sat Nov 28 23:59:59 UTC 2026'],
  ])('%s is "%s", in English and without a zero before the day', (iso, words) => expect(timestampOf(new Date(iso))).toBe(words))
})
