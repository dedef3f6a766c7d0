/** Reads a stream of server-sent events as a browser does. */

/** Open `url`. Returns {status, headers, events: [{id, event, data}], beats, ended, until(check), stop}. */
export async function follow(url, headers = {}) {
  const stopping = new AbortController()
  const answer = await fetch(url, { headers, signal: stopping.signal })
  const stream = { status: answer.status, headers: answer.headers, events: [], beats: 0, text: '', stop: () => stopping.abort() }
  stream.ended = read(answer.body, stream).catch((error) => {
    if (error.name !== 'AbortError') throw error
  })
  stream.until = async (check, limitMs = 10_000) => {
    const last = Date.now() + limitMs
    while (!check(stream)) {
      if (Date.now() > last) throw new Error(`it never came; what came: ${stream.text.slice(-2000)}`)
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    return stream
  }
  return stream
}

async function read(body, stream) {
  if (!body) return
  const decoder = new TextDecoder()
  let rest = ''
  for await (const bytes of body) {
    const text = decoder.decode(bytes, { stream: true })
    stream.text += text
    const blocks = (rest + text).split('\n\n')
    rest = blocks.pop()
    for (const block of blocks) {
      const fields = Object.fromEntries(block.split('\n').map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()]))
      if ('' in fields) stream.beats++
      if (fields.event) stream.events.push({ id: fields.id, event: fields.event, data: JSON.parse(fields.data) })
    }
  }
}
