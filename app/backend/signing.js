/**
 * Addresses of pictures that need no bearer token, since an <img> sends none (docs/decisions/0010).
 *
 * The API gives them to the owner alone, in its JSON. The signature covers the path and the time at which it ends; that
 * time is rounded, so that an address stays the same for half a day and browsers can cache the picture.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'

const WINDOW_SECONDS = 12 * 3600

/** Path and query of a picture: valid for 12 to 24 hours, and not beyond `until` (seconds since 1970). */
export function signedPath(key, path, now = Date.now(), until = Infinity) {
  const expires = Math.min(until, (Math.floor(now / 1000 / WINDOW_SECONDS) + 2) * WINDOW_SECONDS)
  return `${path}?expires=${expires}&signature=${signature(key, path, expires)}`
}

/** Whether the signature is right and not past its time. */
export function isSigned(key, path, query, now = Date.now()) {
  const { expires, signature: given } = query
  if (!/^\d{1,12}$/.test(expires ?? '') || Number(expires) * 1000 < now) return false
  return equal(signature(key, path, expires), given)
}

/** Compare secrets without telling by time how much of them was right. */
export function equal(known, given) {
  const a = Buffer.from(known)
  const b = Buffer.from(typeof given === 'string' ? given : '')
  return a.length === b.length && timingSafeEqual(a, b)
}

function signature(key, path, expires) {
  return createHmac('sha256', key).update(`${path}\n${expires}`).digest('base64url')
}
