/**
 * Secure Remote Password as Cognito speaks it (SRP-6a, RFC 5054's 3072-bit group, SHA-256): proves that one knows a
 * password without sending it. Checked against amazon-cognito-identity-js, whose own code is many times as large.
 */

const N_HEX =
  'ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74020bbea63b139b22514a08798e3404ddef9519b3cd3a431b302b0a6df25f1437' +
  '4fe1356d6d51c245e485b576625e7ec6f44c42e9a637ed6b0bff5cb6f406b7edee386bfb5a899fa5ae9f24117c4b1fe649286651ece45b3dc2007cb8a163bf05' +
  '98da48361c55d39a69163fa8fd24cf5f83655d23dca3ad961c62f356208552bb9ed529077096966d670c354e4abc9804f1746c08ca18217c32905e462e36ce3b' +
  'e39e772c180e86039b2783a2ec07a28fb5c55df06f4c52c9de2bcbf6955817183995497cea956ae515d2261898fa051015728e5a8aaac42dad33170d04507a33' +
  'a85521abdf1cba64ecfb850458dbef0a8aea71575d060c7db3970f85a6e1e4c7abf5ae8cdb0933d71e8c94e04a25619dcee3d2261ad2ee6bf12ffa06d98a0864' +
  'd87602733ec86a64521f2b18177b200cbbe117577a615d6c770988c0bad946e208e24fa074e5ab3143db5bfce0fd108e4b82d120a93ad2caffffffffffffffff'
const N = BigInt(`0x${N_HEX}`)
const G = 2n
const SECRET_BYTES = 128
const KEY_BYTES = 16
const INFO = new TextEncoder().encode('Caldera Derived Key\u0001')

type Bytes = Uint8Array<ArrayBuffer>

/** What Cognito answers to A. */
export interface Challenge {
  SALT: string
  SRP_B: string
  USER_ID_FOR_SRP: string
  SECRET_BLOCK: string
}

export interface Secret {
  a: bigint
  /** Sent as SRP_A. */
  A: bigint
}

export function newSecret(random: Bytes = crypto.getRandomValues(new Uint8Array(SECRET_BYTES))): Secret {
  const a = number(random)
  return { a, A: power(G, a) }
}

/** PASSWORD_CLAIM_SIGNATURE for a challenge. pool: the part of the user pool's id after `_`. */
export async function signature(secret: Secret, pool: string, password: string, challenge: Challenge, timestamp: string): Promise<string> {
  const { SALT, SRP_B, USER_ID_FOR_SRP: user, SECRET_BLOCK } = challenge
  const key = await sessionKey(secret, BigInt(`0x${SALT}`), BigInt(`0x${SRP_B}`), `${pool}${user}:${password}`)
  const block = Uint8Array.from(atob(SECRET_BLOCK), (sign) => sign.charCodeAt(0))
  const message = joined(utf8(pool + user), block, utf8(timestamp))
  return btoa(String.fromCharCode(...(await hmac(key, message))))
}

async function sessionKey({ a, A }: Secret, salt: bigint, B: bigint, identity: string): Promise<Bytes> {
  if (B % N === 0n) throw new Error('The user pool sent a value that would give the password away.')
  const u = number(await sha256(joined(padded(A), padded(B))))
  const k = number(await sha256(joined(padded(N), padded(G))))
  const x = number(await sha256(joined(padded(salt), await sha256(utf8(identity)))))
  const base = (((B - k * power(G, x)) % N) + N) % N
  const S = power(base, a + u * x)
  const extracted = await hmac(padded(u), padded(S))
  return (await hmac(extracted, INFO)).slice(0, KEY_BYTES)
}

const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat']
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/** As Cognito wants it, in English whatever the browser speaks: Tue Sep 5 01:02:03 UTC 2026. */
export function timestampOf(date: Date): string {
  const time = date.toISOString().slice(11, 19)
  return `${DAYS[date.getUTCDay()]} ${MONTHS[date.getUTCMonth()]} ${date.getUTCDate()} ${time} UTC ${date.getUTCFullYear()}`
}

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n
  for (let square = base % N, left = exponent; left > 0n; left >>= 1n) {
    if (left & 1n) result = (result * square) % N
    square = (square * square) % N
  }
  return result
}

/** Bytes of a number as Java's BigInteger has them, which Cognito uses: a zero before a set first bit. */
function padded(value: bigint): Bytes {
  const hex = value.toString(16)
  const even = hex.length % 2 ? `0${hex}` : hex
  const signed = /^[89a-f]/.test(even) ? `00${even}` : even
  return Uint8Array.from(signed.match(/../g) ?? [], (byte) => parseInt(byte, 16))
}

const number = (bytes: Bytes): bigint => BigInt(`0x${[...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('')}`)
const utf8 = (text: string): Bytes => new TextEncoder().encode(text)
const joined = (...parts: Bytes[]): Bytes => Uint8Array.from(parts.flatMap((part) => [...part]))

async function sha256(bytes: Bytes): Promise<Bytes> {
  return new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))
}

async function hmac(key: Bytes, bytes: Bytes): Promise<Bytes> {
  const made = await crypto.subtle.importKey('raw', key, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign'])
  return new Uint8Array(await crypto.subtle.sign('HMAC', made, bytes))
}
