/**
 * Links that show a generation to whoever has them, until a moment (docs/decisions/0014).
 *
 * A link's token is the id, the moment and their HMAC by a key of the generation's own, which its record keeps: without
 * the key, as after a withdrawal, no link is right.
 */
import { createHmac, randomBytes } from 'node:crypto'
import { equal } from '../signing.js'

const ID_BYTES = 16
const EXPIRES_BYTES = 4
const MAC_BYTES = 32

export const newShareKey = () => randomBytes(MAC_BYTES).toString('base64url')

/** @param {{id: string, shareKey: string}} record @param {number} expires seconds since 1970 */
export function shareToken({ id, shareKey }, expires) {
  const head = Buffer.alloc(ID_BYTES + EXPIRES_BYTES)
  Buffer.from(id.replaceAll('-', ''), 'hex').copy(head)
  head.writeUInt32BE(expires, ID_BYTES)
  return Buffer.concat([head, mac(shareKey, head)]).toString('base64url')
}

/** {id, expires} that a token speaks of, not yet believed; undefined when it is no token. */
export function readToken(token) {
  const bytes = Buffer.from(token, 'base64url')
  if (bytes.length !== ID_BYTES + EXPIRES_BYTES + MAC_BYTES) return undefined
  const id = bytes.toString('hex', 0, ID_BYTES).replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
  return { id, expires: bytes.readUInt32BE(ID_BYTES) }
}

/** Whether the generation's key made this token. */
export function isShared(record, token) {
  const spoken = readToken(token)
  return Boolean(record?.shareKey && spoken && equal(shareToken(record, spoken.expires), token))
}

function mac(key, bytes) {
  return createHmac('sha256', Buffer.from(key, 'base64url')).update(bytes).digest()
}
