/** A table of requests that must be refused: over a real socket, since a test client would tidy up their paths. */
import { ScanCommand } from '@aws-sdk/lib-dynamodb'
import { ListObjectsV2Command } from '@aws-sdk/client-s3'
import { GetQueueAttributesCommand } from '@aws-sdk/client-sqs'
import assert from 'node:assert/strict'
import { createHmac, createSign, generateKeyPairSync } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { CODES, FIELD_CODES } from '../problems.js'
import { signedPath } from '../signing.js'
import { badPictures } from './bad-pictures.js'
import { exchange, send } from './raw-client.js'
import { emulateAws, newUser, privateKey, publicKey, SECRET, startApp, token } from './support.js'

const ME = newUser()
const NOBODYS = '11111111-1111-4111-8111-111111111111'
const WISH = { prompt: 'a bright living room' }
const LONG = 'x'.repeat(1001)
const now = () => Math.floor(Date.now() / 1000)

/** A token whose head and signature are ours to choose. */
function forged(header, sign, claims = {}) {
  const [, payload] = token(ME, claims).split('.')
  const body = `${Buffer.from(JSON.stringify(header)).toString('base64url')}.${payload}`
  return `Bearer ${body}.${sign(body)}`
}
const hmac = (body) => createHmac('sha256', publicKey.export({ type: 'spki', format: 'pem' })).update(body).digest('base64url')
const rsa = (key) => (body) => createSign('RSA-SHA256').update(body).sign(key, 'base64url')
const own = generateKeyPairSync('rsa', { modulusLength: 2048 })
const asMe = (claims) => ({ authorization: `Bearer ${token(ME, claims)}` })
const auth = (authorization) => ({ authorization })

const wish = (more, headers = {}) => ({ method: 'POST', path: '/api/generations', json: typeof more === 'object' && !Array.isArray(more) && more ? { ...WISH, ...more } : more, headers })
const raw = (body, headers = { 'content-type': 'application/json' }) => ({ method: 'POST', path: '/api/generations', body, headers })
const get = (path, headers = {}) => ({ path, headers })
const drawing = (name, type = 'image/png') => ({ method: 'POST', path: '/api/sketches', picture: name, headers: { 'content-type': type } })
const list = (query) => get(`/api/generations?${query}`)

const FIELD_CASES = [
  // what is asked for, the request, status, field, words of its message
  ['no prompt', raw('{}'), 400, 'prompt', 'is missing'],
  ['an empty prompt', wish({ prompt: '' }), 400, 'prompt', 'must NOT have fewer than 1'],
  ['a prompt of blanks', wish({ prompt: ' \n\t ' }), 400, 'prompt', 'characters that are not allowed'],
  ['a prompt too long by one', wish({ prompt: LONG }), 400, 'prompt', 'must NOT have more than 1000'],
  ['a prompt of too many emoji', wish({ prompt: '🛋'.repeat(1001) }), 400, 'prompt', 'must NOT have more than 1000'],
  ['a prompt that is a number', wish({ prompt: 5 }), 400, 'prompt', 'must be of type string'],
  ['a prompt that is null', wish({ prompt: null }), 400, 'prompt', 'must be of type string'],
  ['a prompt that is a list', wish({ prompt: ['a room'] }), 400, 'prompt', 'must be of type string'],
  ['a null byte', wish({ prompt: 'a\u0000room' }), 400, 'prompt', 'characters that are not allowed'],
  ['an escape sequence', wish({ prompt: 'a \u001b[31mroom' }), 400, 'prompt', 'characters that are not allowed'],
  ['a DEL', wish({ prompt: 'a room\u007f' }), 400, 'prompt', 'characters that are not allowed'],
  ['half a character', raw('{"prompt":"a room \\ud83d"}'), 400, 'prompt', 'is not valid Unicode'],
  ['the other half', raw('{"prompt":"\\udecb a room"}'), 400, 'prompt', 'is not valid Unicode'],
  ['half a character in the negative prompt', raw('{"prompt":"a","negativePrompt":"\\ud83d"}'), 400, 'negativePrompt', 'is not valid Unicode'],
  ['a control character in the negative prompt', wish({ negativePrompt: 'dark\u0008' }), 400, 'negativePrompt', 'characters that are not allowed'],
  ['a negative prompt too long', wish({ negativePrompt: LONG }), 400, 'negativePrompt', 'must NOT have more than 1000'],
  ['a width below the least', wish({ width: 248 }), 400, 'width', 'must be >= 256'],
  ['a width above the most', wish({ width: 1032 }), 400, 'width', 'must be <= 1024'],
  ['a width no multiple of 8', wish({ width: 513 }), 400, 'width', 'must be a multiple of 8'],
  ['a height with a fraction', wish({ height: 512.5 }), 400, 'height', 'must be of type integer'],
  ['a height in words', wish({ height: '512' }), 400, 'height', 'must be of type integer'],
  ['a height beyond all numbers', raw('{"prompt":"a","height":1e999}'), 400, 'height', 'must be of type integer'],
  ['a negative seed', wish({ seed: -1 }), 400, 'seed', 'must be >= 0'],
  ['a seed of 33 bits', wish({ seed: 2 ** 32 }), 400, 'seed', 'must be <= 4294967295'],
  ['no steps', wish({ steps: 0 }), 400, 'steps', 'must be >= 1'],
  ['too many steps', wish({ steps: 61 }), 400, 'steps', 'must be <= 60'],
  ['too much guidance', wish({ guidance: 20.5 }), 400, 'guidance', 'must be <= 20'],
  ['five pictures', wish({ count: 5 }), 400, 'count', 'must be <= 4'],
  ['true pictures', wish({ count: true }), 400, 'count', 'must be of type integer'],
  ['a style that is not there', wish({ style: 'Baroque' }), 400, 'style', 'is not known'],
  ['a style by a path', wish({ style: '../checkpoints/interiordesignsuperm_v2' }), 400, 'style', 'is not known'],
  ['a style of a prototype', wish({ style: '__proto__' }), 400, 'style', 'is not known'],
  ['a style with half a character', raw('{"prompt":"a","style":"\\ud83d"}'), 400, 'style', 'is not valid Unicode'],
  ['a strength without a style', wish({ styleStrength: 1 }), 400, 'styleStrength', 'needs a style'],
  ['a strength too strong', wish({ style: 'Indochine', styleStrength: 2.1 }), 400, 'styleStrength', 'must be <= 2'],
  ['a sketch that is no id', wish({ sketchId: 'mine' }), 400, 'sketchId', 'must match format "uuid"'],
  ["another's sketch", wish({ sketchId: '{theirSketch}' }), 400, 'sketchId', 'is no sketch of yours'],
  ['a generation as a sketch', wish({ sketchId: '{mine}' }), 400, 'sketchId', 'is no sketch of yours'],
  ['a sketch of nobody', wish({ sketchId: NOBODYS }), 400, 'sketchId', 'is no sketch of yours'],
  ['a strength without a sketch', wish({ sketchStrength: 1 }), 400, 'sketchStrength', 'needs a sketchId'],
  ['an end without a sketch', wish({ sketchEnd: 0.5 }), 400, 'sketchEnd', 'needs a sketchId'],
  ['a field that there is not', wish({ owner: 'another' }), 400, 'owner', 'is not a known field'],
  ['a field of the record', wish({ state: 'succeeded' }), 400, 'state', 'is not a known field'],
  ['a prototype', raw('{"prompt":"a","__proto__":{"seed":1}}'), 400, 'body', 'is not JSON'],
  ['a constructor', raw('{"prompt":"a","constructor":{"prototype":{"x":1}}}'), 400, 'body', 'is not JSON'],
  ['a constructor that is a word', wish({ constructor: 'x' }), 400, 'constructor', 'is not a known field'],
]

const BODY_CASES = [
  ['a list', wish([WISH]), 400, 'body', 'must be a JSON object'],
  ['null', raw('null'), 400, 'body', 'must be a JSON object'],
  ['a word', raw('"a room"'), 400, 'body', 'must be a JSON object'],
  ['half a JSON', raw('{"prompt":"a'), 400, 'body', 'is not JSON'],
  ['no JSON', raw('prompt=a+room'), 400, 'body', 'is not JSON'],
  ['nothing', raw(''), 400, 'body', 'is not JSON'],
  ['nothing of no type', raw(undefined, {}), 400, 'body', 'must be a JSON object'],
  ['bytes that are no UTF-8', raw(Buffer.from([0x7b, 0xff, 0xfe, 0x7d])), 400, 'body', 'is not JSON'],
  ['brackets in brackets', raw('['.repeat(60_000)), 400, 'body', 'is not JSON'],
  ['a form', raw('prompt=a', { 'content-type': 'application/x-www-form-urlencoded' }), 415, 'Content-Type', 'is not taken here'],
  ['JSON as XML', raw('{}', { 'content-type': 'application/xml' }), 415, 'Content-Type', 'is not taken here'],
  ['JSON as text', raw('{"prompt":"a room"}', { 'content-type': 'text/plain' }), 415, 'Content-Type', 'is not taken here'],
  ['a type that is none', raw('{}', { 'content-type': 'json' }), 415, 'Content-Type', 'is not taken here'],
  ['a body too large', raw(JSON.stringify({ prompt: 'x'.repeat(70_000) })), 413, 'body', 'is too large'],
  ['a body too large that says no length', raw(JSON.stringify({ prompt: 'x'.repeat(70_000) }), { 'content-type': 'application/json', 'transfer-encoding': 'chunked' }), 413, 'body', 'is too large'],
  ['a body that says it is of 5 GB', raw('{', { 'content-type': 'application/json', 'content-length': '5000000000' }), 413, 'body', 'is too large'],
  ['an empty key', wish({}, { 'idempotency-key': '' }), 400, 'Idempotency-Key', 'has a form that is not taken'],
  ['a key too long', wish({}, { 'idempotency-key': 'k'.repeat(201) }), 400, 'Idempotency-Key', 'has a form that is not taken'],
  ['a key with blanks', wish({}, { 'idempotency-key': 'a b' }), 400, 'Idempotency-Key', 'has a form that is not taken'],
  ['a key with an umlaut', wish({}, { 'idempotency-key': 'schlüssel' }), 400, 'Idempotency-Key', 'has a form that is not taken'],
  ['two keys', wish({}, { 'idempotency-key': ['one', 'two'] }), 400, 'Idempotency-Key', 'has a form that is not taken'],
]

const PICTURE_CASES = [
  ['a PNG of 900 megapixels', drawing('pngBomb'), 413, 'body', 'has too many pixels'],
  ['a JPEG that says so', drawing('jpegBomb', 'image/jpeg'), 413, 'body', 'has too many pixels'],
  ['a WebP that says so', drawing('webpBomb', 'image/webp'), 413, 'body', 'has too many pixels'],
  ['a PNG a little too large', drawing('pngOfManyPixels'), 413, 'body', 'has too many pixels'],
  ['a drawing of no pixel', drawing('pngOfNoSize'), 400, 'body', 'cannot be decoded'],
  ['the head of a PNG alone', drawing('pngHeadAlone'), 400, 'body', 'cannot be decoded'],
  ['half a PNG', drawing('pngTruncated'), 400, 'body', 'cannot be decoded'],
  ['half a JPEG', drawing('jpegTruncated', 'image/jpeg'), 400, 'body', 'cannot be decoded'],
  ['most of a WebP', drawing('webpTruncated', 'image/webp'), 400, 'body', 'cannot be decoded'],
  ['a PNG with a wrong sum', drawing('pngOfWrongSum'), 400, 'body', 'cannot be decoded'],
  ['a GIF', drawing('gif'), 415, 'body', 'is no picture'],
  ['a GIF that says so', drawing('gif', 'image/gif'), 415, 'Content-Type', 'is not taken here'],
  ['an animation', drawing('animatedWebp', 'image/webp'), 400, 'body', 'is an animation'],
  ['a TIFF', drawing('tiff'), 415, 'body', 'is no picture'],
  ['an AVIF', drawing('avif', 'image/webp'), 415, 'body', 'is no picture'],
  ['an SVG', drawing('svg'), 415, 'body', 'is no picture'],
  ['an SVG that says so', drawing('svg', 'image/svg+xml'), 415, 'Content-Type', 'is not taken here'],
  ['an SVG that reads files', drawing('svgThatReads'), 415, 'body', 'is no picture'],
  ['a page', drawing('html'), 415, 'body', 'is no picture'],
  ['a PDF with a JPEG in it', drawing('pdfWithJpeg', 'image/jpeg'), 415, 'body', 'is no picture'],
  ['a GIF with a PNG in it', drawing('gifWithPng'), 415, 'body', 'is no picture'],
  ['noise', drawing('noise'), 415, 'body', 'is no picture'],
  ['a drawing too small', drawing('tiny'), 400, 'body', 'is 31 x 400 pixels'],
  ['a sheet with nothing on it', drawing('blank'), 400, 'body', 'is empty'],
  ['a transparent nothing', drawing('transparent'), 400, 'body', 'is empty'],
  ['no bytes', { method: 'POST', path: '/api/sketches', body: '', headers: { 'content-type': 'image/png' } }, 400, 'body', 'is empty'],
  ['no type', { method: 'POST', path: '/api/sketches' }, 415, 'Content-Type', 'is not taken here'],
  ['JSON', { method: 'POST', path: '/api/sketches', json: {} }, 415, 'Content-Type', 'is not taken here'],
  ['a form with a file', drawing('png', 'multipart/form-data; boundary=x'), 415, 'Content-Type', 'is not taken here'],
  ['a drawing that says it is of 9 MB', { method: 'POST', path: '/api/sketches', body: 'x', headers: { 'content-type': 'image/png', 'content-length': '9000000' } }, 413, 'body', 'is too large'],
]

const TOKEN_CASES = [
  ['no token', get('/api/generations', auth(undefined)), 'Send the header Authorization'],
  ['an empty one', get('/api/generations', auth('Bearer ')), 'Send the header Authorization'],
  ['another scheme', get('/api/generations', auth('Basic dXNlcjpwYXNz')), 'Send the header Authorization'],
  ['two tokens in one', get('/api/generations', auth(`Bearer ${token(ME)} ${token(ME)}`)), 'Send the header Authorization'],
  ['a word', get('/api/generations', auth('Bearer token')), 'is not valid'],
  ['three words', get('/api/generations', auth('Bearer a.b.c')), 'is not valid'],
  ['an expired token', get('/api/generations', asMe({ exp: now() - 10 })), 'has expired'],
  ['one not yet valid', get('/api/generations', asMe({ nbf: now() + 600 })), 'is not valid'],
  ["another pool's", get('/api/generations', asMe({ iss: 'https://cognito-idp.us-east-1.amazonaws.com/us-east-1_Other' })), 'is not valid'],
  ["another region's", get('/api/generations', asMe({ iss: 'https://cognito-idp.eu-west-1.amazonaws.com/us-east-1_TestPool1' })), 'is not valid'],
  ["another client's", get('/api/generations', asMe({ client_id: 'another' })), 'is not valid'],
  ['an id token', get('/api/generations', asMe({ token_use: 'id', aud: 'testclient' })), 'is not valid'],
  ['one signed by a stranger', get('/api/generations', asMe({ by: 'stranger' })), 'is not valid'],
  ['one of a key that the pool does not have', get('/api/generations', asMe({ kid: 'other' })), 'is not valid'],
  ['one that is not signed', get('/api/generations', auth(forged({ alg: 'none', kid: 'key' }, () => ''))), 'is not valid'],
  ['one signed with the public key as a secret', get('/api/generations', auth(forged({ alg: 'HS256', kid: 'key' }, hmac))), 'is not valid'],
  ['one that brings its own key', get('/api/generations', auth(forged({ alg: 'RS256', kid: 'mine', jwk: own.publicKey.export({ format: 'jwk' }) }, rsa(own.privateKey)))), 'is not valid'],
  ['one that names its keys', get('/api/generations', auth(forged({ alg: 'RS256', kid: 'mine', jku: 'http://127.0.0.1:9/' }, rsa(own.privateKey)))), 'is not valid'],
  ['one of another algorithm', get('/api/generations', auth(forged({ alg: 'RS512', kid: 'key' }, rsa(privateKey)))), 'is not valid'],
  ['one whose claims were changed', get('/api/generations', auth(`Bearer ${token(ME).replace(/\.[^.]+\./, `.${token(newUser()).split('.')[1]}.`)}`)), 'is not valid'],
  ['a token in the query', get(`/api/generations?access_token=${token(ME)}`, auth(undefined)), 'Send the header Authorization'],
  ['none, for styles', get('/api/styles', auth(undefined)), 'Send the header Authorization'],
  ['none, for the status', get('/api/status', auth(undefined)), 'Send the header Authorization'],
  ['none, for events', get('/api/generations/{mine}/events', auth(undefined)), 'Send the header Authorization'],
  ['none, to cancel', { method: 'DELETE', path: '/api/generations/{mine}', headers: auth(undefined) }, 'Send the header Authorization'],
  ['none, for a picture', get('/api/images/{mine}/0', auth(undefined)), 'Send the header Authorization'],
  ['none, for an upload', { ...drawing('png'), headers: { 'content-type': 'image/png', authorization: undefined } }, 'Send the header Authorization'],
].map(([name, request, words]) => [name, request, 401, null, words])

const NOT_YOURS = 'There is no generation of yours'
const OTHERS_CASES = [
  ["another's generation", get('/api/generations/{theirs}'), 404, null, NOT_YOURS],
  ["another's events", get('/api/generations/{theirs}/events'), 404, null, NOT_YOURS],
  ["cancelling another's", { method: 'DELETE', path: '/api/generations/{theirs}' }, 404, null, NOT_YOURS],
  ["another's picture", get('/api/images/{theirs}/0'), 404, null, 'There is no picture of yours'],
  ["another's thumbnail", get('/api/images/{theirs}/0/thumbnail'), 404, null, 'There is no picture of yours'],
  ["another's drawing", get('/api/sketches/{theirSketch}'), 404, null, 'There is no drawing of yours'],
  ['a picture that mine does not have', get('/api/images/{mine}/3'), 404, null, 'There is no picture of yours'],
  ['a fifth picture', get('/api/images/{mine}/4'), 404, 'n', 'must be equal to one of'],
  ['a picture before the first', get('/api/images/{mine}/-1'), 404, 'n', 'must be equal to one of'],
  ["nobody's generation", get(`/api/generations/${NOBODYS}`), 404, null, NOT_YOURS],
  ['a sketch as a generation', get('/api/generations/{theirSketch}'), 404, null, NOT_YOURS],
]

const PATH_CASES = [
  ['dots', get('/api/generations/../status'), 404, null, 'There is no GET /api/generations/../status'],
  ['dots in disguise', get('/api/generations/%2e%2e'), 404, 'id', 'is no id'],
  ['slashes in disguise', get('/api/images/..%2f..%2fmodels/0'), 404, 'id', 'is no id'],
  ['a key of the bucket', get('/api/images/{mine}%2f0.png%3f/0'), 404, 'id', 'is no id'],
  ['slashes twice in disguise', get('/api/sketches/%252e%252e%252fx'), 404, 'id', 'is no id'],
  ['backslashes', get('/api/images/..%5c..%5cmodels/0'), 404, 'id', 'is no id'],
  ['a null byte', get('/api/generations/%00'), 404, 'id', 'is no id'],
  ['a null byte after an id', get('/api/images/{mine}%00/0'), 404, 'id', 'is no id'],
  ['a line feed after an id', get('/api/generations/{mine}%0a'), 404, 'id', 'is no id'],
  ['dots in bytes that are no UTF-8', get('/api/generations/%c0%ae%c0%ae'), 400, null, 'The address is not well formed'],
  ['a broken escape', get('/api/generations/%zz'), 400, null, 'The address is not well formed'],
  ['no id', get('/api/images//0'), 404, 'id', 'is no id'],
  ['a slash at the end', get('/api/generations/'), 404, 'id', 'is no id'],
  ['two slashes', get('//api/generations'), 404, null, 'There is no GET //api/generations'],
  ['a very long id', get(`/api/generations/${'a'.repeat(5000)}`), 404, 'id', 'is no id'],
  ['a very long picture', get(`/api/images/{mine}/${'1'.repeat(200)}`), 404, 'id', 'is no id'],
  ['an item of an owner', get(`/api/generations/owner%23${ME}`), 404, 'id', 'is no id'],
  ['the item of the GPU', get('/api/images/gpu/0'), 404, 'id', 'is no id'],
  ['a prototype', get('/api/generations/__proto__'), 404, 'id', 'is no id'],
  ['capitals', get('/API/GENERATIONS'), 404, null, 'There is no GET /API/GENERATIONS'],
  ['another host', get('http://169.254.169.254/latest/meta-data'), 404, null, 'There is no GET'],
  ['a path that there is not', get('/.env'), 404, null, 'There is no GET /.env'],
  ["the worker's way in", { method: 'POST', path: '/internal/events', json: { id: NOBODYS, type: 'changed' } }, 404, null, 'There is nothing here'],
  ["the worker's way in with a key", { method: 'POST', path: '/internal/events', json: { id: NOBODYS, type: 'changed' }, headers: { 'x-internal-key': SECRET } }, 404, null, 'There is nothing here'],
]

const METHOD_CASES = [
  ['PUT', { method: 'PUT', path: '/api/generations', json: WISH }, 405, null, 'GET, HEAD, POST'],
  ['PUT of one', { method: 'PUT', path: '/api/generations/{mine}', json: {} }, 405, null, 'DELETE, GET, HEAD, PATCH'],
  ['DELETE of all', { method: 'DELETE', path: '/api/generations' }, 405, null, 'GET, HEAD, POST'],
  ['POST of a status', { method: 'POST', path: '/api/status', json: {} }, 405, null, 'GET, HEAD'],
  ['DELETE of a picture', { method: 'DELETE', path: '/api/images/{mine}/0' }, 405, null, 'GET, HEAD'],
  ['a method in a header', { method: 'POST', path: '/api/generations/{mine}', json: {}, headers: { 'x-http-method-override': 'DELETE' } }, 405, null, 'DELETE, GET, HEAD'],
  ['TRACE', { method: 'TRACE', path: '/api/generations' }, 404, null, 'There is no TRACE'],
]

const cursor = (value) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')
const LIST_CASES = [
  ['a limit of none', list('limit=0'), 400, 'limit', 'characters that are not allowed'],
  ['a limit too large', list('limit=101'), 400, 'limit', 'characters that are not allowed'],
  ['a limit below none', list('limit=-1'), 400, 'limit', 'characters that are not allowed'],
  ['a limit in words', list('limit=ten'), 400, 'limit', 'characters that are not allowed'],
  ['an empty limit', list('limit='), 400, 'limit', 'characters that are not allowed'],
  ['two limits', list('limit=1&limit=2'), 400, 'limit', 'must be of type string'],
  ['a state that there is not', list('state=lost'), 400, 'state', 'must be equal to one of the allowed values'],
  ['an owner to choose', list(`owner=${NOBODYS}`), 400, 'owner', 'is not a known field'],
  ['a cursor that is none', list('cursor=abc'), 400, 'cursor', 'is no cursor'],
  ['an empty cursor', list('cursor='), 400, 'cursor', 'is no cursor'],
  ['a cursor that is a number', list(`cursor=${cursor('5')}`), 400, 'cursor', 'is no cursor'],
  ['a cursor of wrong types', list(`cursor=${cursor([5, NOBODYS])}`), 400, 'cursor', 'is no cursor'],
  ['a cursor with an empty id', list(`cursor=${cursor(['2026-01-01T00:00:00.000Z', ''])}`), 400, 'cursor', 'is no cursor'],
  ['a cursor with another item', list(`cursor=${cursor(['2026-01-01T00:00:00.000Z', 'gpu'])}`), 400, 'cursor', 'is no cursor'],
  ['a cursor of no time', list(`cursor=${cursor(['yesterday', NOBODYS])}`), 400, 'cursor', 'is no cursor'],
  ['a cursor too long', list(`cursor=${'a'.repeat(301)}`), 400, 'cursor', 'must NOT have more than 300'],
]

const SECRET_WORDS = 'This address is not for you'
const SECRET_CASES = [
  ['no secret', get('/api/generations', { 'x-origin-secret': undefined }), 403, null, SECRET_WORDS],
  ['a wrong secret', get('/api/generations', { 'x-origin-secret': `${SECRET}!` }), 403, null, SECRET_WORDS],
  ['the secret twice', get('/api/generations', { 'x-origin-secret': [SECRET, SECRET] }), 403, null, SECRET_WORDS],
  ['no secret, for health', get('/api/health', { 'x-origin-secret': undefined }), 403, null, SECRET_WORDS],
  ['no secret, for what there is not', get('/nothing', { 'x-origin-secret': undefined }), 403, null, SECRET_WORDS],
  ['no secret and a broken escape', get('/api/generations/%zz', { 'x-origin-secret': undefined }), 403, null, SECRET_WORDS],
  ['no secret and a wrong method', { method: 'PUT', path: '/api/generations', headers: { 'x-origin-secret': undefined } }, 403, null, SECRET_WORDS],
]

const signed = (change) => ({ signed: change, headers: auth(undefined) })
const NO_MORE = 'This address is not valid any more'
const SIGNED_CASES = [
  ["another's path", signed(({ path, query, ids }) => `${path.replace(ids.mine, ids.theirs)}?${query}`), 403, null, NO_MORE],
  ['another picture', signed(({ path, query }) => `${path.replace('/0', '/1')}?${query}`), 403, null, NO_MORE],
  ['the thumbnail', signed(({ path, query }) => `${path}/thumbnail?${query}`), 403, null, NO_MORE],
  ['a later end', signed(({ path, query }) => `${path}?${query.replace(/expires=\d+/, 'expires=99999999999')}`), 403, null, NO_MORE],
  ['an end in words', signed(({ path, query }) => `${path}?${query.replace(/expires=\d+/, 'expires=never')}`), 403, null, NO_MORE],
  ['no end', signed(({ path, query }) => `${path}?${query.replace(/expires=\d+&/, '')}`), 403, null, NO_MORE],
  ['another signature', signed(({ path, query }) => `${path}?${query.replace(/signature=.*/, 'signature=abc')}`), 403, null, NO_MORE],
  ['an empty signature', signed(({ path, query }) => `${path}?${query.replace(/signature=.*/, 'signature=')}`), 403, null, NO_MORE],
  ['two signatures', signed(({ path, query }) => `${path}?${query}&signature=abc`), 403, null, NO_MORE],
  ['an address of yesterday', signed(({ key, path }) => signedPath(key, path, Date.now() - 25 * 3_600_000)), 403, null, NO_MORE],
  ['one signed with another key', signed(({ path }) => signedPath(Buffer.alloc(32), path)), 403, null, NO_MORE],
  ['a signature for what is no id', signed(({ key }) => signedPath(key, '/api/images/..%2fmodels/0')), 404, 'id', 'is no id'],
]

const TABLE = {
  'a wish': FIELD_CASES,
  'a body': BODY_CASES,
  'a drawing': PICTURE_CASES,
  'a token': TOKEN_CASES,
  'what is not mine': OTHERS_CASES,
  'a path': PATH_CASES,
  'a method': METHOD_CASES,
  'a list': LIST_CASES,
  'the secret of the origin': SECRET_CASES,
  'a signed address': SIGNED_CASES,
}

describe('bad input', () => {
  let aws, api, port, pictures, ids, stock
  const told = new Set()
  before(async () => {
    pictures = await badPictures()
    aws = await emulateAws()
    api = await startApp(aws)
    await api.app.listen({ host: '127.0.0.1', port: 0 })
    port = api.app.server.address().port
    ids = await prepare(api)
    stock = await whatThereIs(aws)
  })
  after(async () => {
    await api?.close()
    await aws?.stop()
  })

  for (const [about, cases] of Object.entries(TABLE)) {
    describe(about, () => {
      for (const [name, request, status, field, words] of cases) {
        it(`${name}: ${status}`, async () => {
          const answer = await send(port, complete(request, { ids, pictures, key: api.config.imageKey }))
          assert.equal(answer.status, status, answer.body)
          assert.match(answer.headers['content-type'], /^application\/problem\+json/)
          const problem = JSON.parse(answer.body)
          assert.deepEqual(Object.keys(problem), ['type', 'title', 'status', 'code', 'detail', 'errors'])
          assert.deepEqual([problem.status, CODES[problem.code]], [status, status])
          for (const one of problem.errors) told.add(one.code)
          for (const said of ['type', 'title', 'detail']) assert.ok(problem[said], `${said} is empty`)
          assert.doesNotMatch(answer.body, /\bat .*\.js|node_modules|FST_ERR|DynamoDB|Exception/, 'nothing of our inside is told')
          if (!field) return assert.ok(problem.detail.includes(words), answer.body)
          const fault = problem.errors.find((one) => one.field === field)
          assert.ok(fault?.message.includes(words), answer.body)
          const needsNone = /^(needs a|is empty$)/.test(fault.message)
          assert.ok(needsNone || (fault.allowed && fault.allowed !== 'text'), `what is allowed is not told: ${answer.body}`)
        })
      }
    })
  }

  it('answers what is no HTTP, and heads that are too large, with problems too', async () => {
    for (const [text, status] of [
      ['GET / HTTP/9.9\r\nHost: x\r\n\r\n', 400],
      ['nonsense\r\n\r\n', 400],
      ['POST /api/generations HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n', 400],
      ['POST /api/generations HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n', 400],
      [`GET / HTTP/1.1\r\nHost: x\r\nX-Long: ${'x'.repeat(20_000)}\r\n\r\n`, 431],
    ]) {
      const answer = await exchange(port, text)
      assert.match(answer, new RegExp(`^HTTP/1.1 ${status} `), text.slice(0, 60))
      assert.match(answer, /content-type: application\/problem\+json/i)
      assert.equal(JSON.parse(answer.split('\r\n\r\n')[1]).status, status)
    }
  })

  it('calls every fault of a field by a code of the list, and knows none that never comes', () => {
    // The last is told in the tests of the API itself: it needs a request before.
    assert.deepEqual([...told, 'key_used'].sort(), [...FIELD_CODES].sort())
  })

  it('tells the numbers of what is allowed, for who says it in another language', async () => {
    const answer = await send(port, complete(wish({ width: 100 }), { ids, pictures }))
    assert.deepEqual(JSON.parse(answer.body).errors[0].limits, { minimum: 256, maximum: 1024, multipleOf: 8 })
  })

  it('has a table of 60 cases at least', () => {
    assert.ok(Object.values(TABLE).flat().length >= 60)
  })

  it('made nothing of all that: no record, no message, no object', async () => {
    assert.deepEqual(await whatThereIs(aws), stock)
    const good = await send(port, complete(wish({}), { ids, pictures }))
    assert.equal(good.status, 202, 'and the same request, when it is right, is taken')
  })
})

/** A generation of mine and one of another, with a picture each, and another's drawing. */
async function prepare({ services, call }) {
  const other = newUser()
  const made = []
  for (const user of [ME, other]) {
    const { id } = (await call('POST', '/api/generations', { user, body: WISH })).json()
    await services.pictures.put(`outputs/${id}/0.png`, 'a picture', 'image/png')
    made.push(id)
  }
  const sketch = await call('POST', '/api/sketches', { user: other, headers: { 'content-type': 'image/png' }, payload: (await badPictures()).png })
  return { mine: made[0], theirs: made[1], theirSketch: sketch.json().id }
}

async function whatThereIs({ clients, urls }) {
  const { Items } = await clients.dynamo.send(new ScanCommand({ TableName: 'generations' }))
  const { Contents } = await clients.s3.send(new ListObjectsV2Command({ Bucket: 'pictures' }))
  const messages = {}
  for (const [name, QueueUrl] of Object.entries(urls)) {
    const { Attributes } = await clients.sqs.send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['All'] }))
    messages[name] = Attributes.ApproximateNumberOfMessages
  }
  const records = Items.map(({ unfinished, ...item }) => ({ ...item, ...(unfinished ? { unfinished: [...unfinished] } : {}) }))
  return { records: records.sort((a, b) => (a.id < b.id ? -1 : 1)), messages, objects: Contents.map((one) => `${one.Key} ${one.ETag}`) }
}

/** The request with ids, pictures and signature filled in. */
function complete({ method = 'GET', path, json, body, picture, signed: change, headers = {} }, { ids, pictures, key }) {
  const filled = (text) => text?.replace(/\{(\w+)\}/g, (whole, name) => ids[name] ?? whole)
  if (change) {
    const [own, query] = signedPath(key, `/api/images/${ids.mine}/0`).split('?')
    path = change({ path: own, query, key, ids })
  }
  if (json !== undefined) body = filled(JSON.stringify(json))
  if (picture) body = pictures[picture]
  const type = json === undefined ? {} : { 'content-type': 'application/json' }
  return { method, path: filled(path), body, headers: { 'x-origin-secret': SECRET, ...asMe(), ...type, ...headers } }
}
