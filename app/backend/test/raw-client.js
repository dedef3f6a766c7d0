/** HTTP as it stands, wrong as it may be: node's client tidies up no path, and a socket nothing at all. */
import { request as ask } from 'node:http'
import { connect } from 'node:net'

/** Send a request. A `content-length` of one's own is kept, and the body not ended. Resolves with {status, headers, body}. */
export function send(port, { method, path, body, headers }) {
  return new Promise((resolve, reject) => {
    const given = Object.fromEntries(Object.entries(headers).filter(([, value]) => value !== undefined))
    const size = body === undefined || given['content-length'] || given['transfer-encoding'] ? {} : { 'content-length': Buffer.byteLength(body) }
    const outgoing = ask({ host: '127.0.0.1', port, method, path, headers: { ...given, ...size }, agent: false }, (answer) => {
      let text = ''
      answer.on('data', (bytes) => (text += bytes))
      answer.on('end', () => {
        resolve({ status: answer.statusCode, headers: answer.headers, body: text })
        outgoing.destroy()
      })
    })
    outgoing.on('error', reject)
    outgoing.setTimeout(30_000, () => outgoing.destroy(new Error(`no answer to ${method} ${path}`)))
    if (given['content-length']) outgoing.write(body) // and never the rest
    else outgoing.end(body)
  })
}

/** Write text to the port; resolves with all that came back. */
export function exchange(port, text) {
  return new Promise((resolve, reject) => {
    let said = ''
    const socket = connect(port, '127.0.0.1', () => socket.write(text))
    socket.on('data', (bytes) => (said += bytes))
    socket.on('close', () => resolve(said))
    socket.on('error', reject)
  })
}
