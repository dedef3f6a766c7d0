/** Who is asking: a bearer JWT of the stack's Cognito user pool. */
import { CognitoJwtVerifier } from 'aws-jwt-verify'
import { FetchError, JwkValidationError, JwksValidationError, JwtBaseError, JwtExpiredError } from 'aws-jwt-verify/error'
import { SimpleJwksCache } from 'aws-jwt-verify/jwk'
import { Problem } from './problems.js'

const KEYS_MS = 5000

/**
 * Verifier of access tokens. On AWS the pool's keys come from its issuer's address; the emulator has them at its own.
 * @param {{userPoolId: string, userPoolClientId: string, endpoint: string | null}} config
 */
export function tokenVerifier({ userPoolId, userPoolClientId, endpoint }) {
  const properties = { userPoolId, clientId: userPoolClientId, tokenUse: 'access' }
  if (!endpoint) return CognitoJwtVerifier.create(properties)
  const fetcher = { fetch: () => keys(`${endpoint}/${userPoolId}/.well-known/jwks.json`) }
  return CognitoJwtVerifier.create(properties, { jwksCache: new SimpleJwksCache({ fetcher }) })
}

async function keys(url) {
  const answer = await fetch(url, { signal: AbortSignal.timeout(KEYS_MS) })
  if (!answer.ok) throw new Error(`${url}: ${answer.status}`)
  return answer.arrayBuffer()
}

/** Fastify hook that lets nobody pass without a valid token, and leaves `request.user = {id, expires}`. */
export function authenticator(verifier) {
  return async function authenticate(request) {
    const [scheme, token, ...rest] = (request.headers.authorization ?? '').split(' ')
    if (scheme.toLowerCase() !== 'bearer' || !token || rest.length > 0) {
      throw unauthorized('Send the header Authorization: Bearer <access token>.')
    }
    try {
      const { sub, exp } = await verifier.verify(token)
      request.user = { id: sub, expires: exp }
    } catch (error) {
      if (isOutage(error)) {
        request.log.error({ err: error }, 'the keys of the user pool could not be had')
        throw new Problem('unavailable', 'Sign-in cannot be checked just now. Try again in a moment.', [], { 'Retry-After': '5' })
      }
      const why = error instanceof JwtExpiredError ? 'has expired: sign in again' : 'is not valid'
      throw unauthorized(`The access token ${why}.`)
    }
  }
}

/** Whether the keys are out of reach: then the token may be right, and only we can't tell. */
function isOutage(error) {
  const ofKeys = [FetchError, JwksValidationError, JwkValidationError]
  return ofKeys.some((kind) => error instanceof kind) || !(error instanceof JwtBaseError)
}

function unauthorized(detail) {
  return new Problem('signed_out', detail, [], { 'WWW-Authenticate': 'Bearer' })
}
