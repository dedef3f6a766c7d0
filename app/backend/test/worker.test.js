import { GetQueueAttributesCommand, ReceiveMessageCommand } from '@aws-sdk/client-sqs'
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import sharp from 'sharp'
import { emulateAws, environmentFor, freePort, newUser, PYTHON, serve, startApp } from './support.js'

const CHECKPOINT = 'interiordesignsuperm_v2.safetensors'
const CONTROLNET = 'control_v11p_sd15_scribble_fp16.safetensors'
const WORKER = fileURLToPath(new URL('../worker.js', import.meta.url))

/** ComfyUI's emulator with the models that the workflows name. */
async function emulateComfyUi(folder, port, kind) {
  for (const name of ['models/checkpoints', 'models/controlnet', 'models/loras', `${kind}/user`]) {
    mkdirSync(join(folder, name), { recursive: true })
  }
  writeFileSync(join(folder, 'models/checkpoints', CHECKPOINT), 'weights')
  writeFileSync(join(folder, 'models/controlnet', CONTROLNET), 'weights')
  writeFileSync(join(folder, 'models/loras', 'Indochine.safetensors'), 'weights')
  const args = ['-m', 'sandbox.comfyui', '--listen', '127.0.0.1', '--port', String(port), '--base-directory', join(folder, kind)]
  args.push('--models-directory', join(folder, 'models'), '--preview-method', 'latent2rgb', '--emulate-seconds-per-step', '0.02')
  return serve(PYTHON, args, `http://127.0.0.1:${port}/system_stats`)
}

describe('the worker', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sd-app-worker-'))
  let aws, api, ports, comfy, environment, worker
  before(async () => {
    aws = await emulateAws()
    ports = { text: await freePort(), sketch: await freePort() }
    const port = await freePort()
    const more = { COMFY_UI_TEXT_PORT: String(ports.text), COMFY_UI_SKETCH_PORT: String(ports.sketch), PORT: String(port), WORKER_NAME: 'w1', LOG_LEVEL: 'warn' }
    environment = environmentFor(aws, more)
    api = await startApp(aws, more)
    await api.app.listen({ host: '127.0.0.1', port })
    comfy = {
      text: await emulateComfyUi(folder, ports.text, 'text'),
      sketch: await emulateComfyUi(folder, ports.sketch, 'sketch'),
    }
    worker = startWorker()
  })
  after(async () => {
    await stopWorker()
    await api?.close()
    await Promise.all([comfy?.text.stop(), comfy?.sketch.stop(), aws?.stop()])
    rmSync(folder, { recursive: true, force: true })
  })
  afterEach(() => Promise.all(Object.values(ports).map((port) => fault(port, 'DELETE'))))

  function startWorker() {
    const child = spawn(process.execPath, [WORKER], { env: { ...process.env, ...environment }, stdio: ['ignore', 'inherit', 'inherit'] })
    return { child, ended: new Promise((resolve) => child.once('exit', resolve)) }
  }
  async function stopWorker(signal = 'SIGTERM') {
    worker?.child.kill(signal)
    await worker?.ended
  }
  function fault(port, method = 'GET', body) {
    return fetch(`http://127.0.0.1:${port}/_emulator/faults`, { method, body: body && JSON.stringify(body), headers: { 'content-type': 'application/json' } })
  }
  async function ask(user, body) {
    const answer = await api.call('POST', '/api/generations', { user, body })
    assert.equal(answer.statusCode, 202, answer.body)
    return answer.json().id
  }
  const look = async (user, id) => (await api.call('GET', `/api/generations/${id}`, { user })).json()
  async function until(user, id, states, limitMs = 30_000) {
    const end = Date.now() + limitMs
    for (;;) {
      const one = await look(user, id)
      if (states.includes(one.state)) return one
      assert.ok(Date.now() < end, `still ${one.state} after ${limitMs} ms`)
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }

  it('makes the pictures of a wish, with thumbnails', async () => {
    const user = newUser()
    const id = await ask(user, { prompt: 'a bright room', style: 'Indochine', count: 2, width: 256, height: 320, steps: 4 })
    const done = await until(user, id, ['succeeded', 'failed'])
    assert.equal(done.state, 'succeeded', JSON.stringify(done.error))
    assert.equal(done.images.length, 2)
    const png = await api.call('GET', done.images[1].url)
    const { width, height, format } = await sharp(png.rawPayload).metadata()
    assert.deepEqual([width, height, format], [256, 320, 'png'])
    assert.equal(png.headers['cache-control'], 'private, max-age=86400, immutable')
    const small = await api.call('GET', done.images[1].thumbnailUrl)
    assert.equal((await sharp(small.rawPayload).metadata()).format, 'webp')
    assert.equal((await api.call('GET', done.images[1].url, { headers: { 'if-none-match': png.headers.etag } })).statusCode, 304)
  })

  it('makes the same picture of the same recipe', async () => {
    const user = newUser()
    const wish = { prompt: 'a kitchen', seed: 5, width: 256, height: 256, steps: 2 }
    const [one, two] = await Promise.all([ask(user, wish), ask(user, wish)])
    const [a, b] = [await until(user, one, ['succeeded']), await until(user, two, ['succeeded'])]
    assert.equal(a.images[0].sha256, b.images[0].sha256)
  })

  it('follows a drawing', async () => {
    const user = newUser()
    const svg = '<svg xmlns="http://www.w3.org/2000/svg" width="300" height="200"><path d="M10 10 L290 190" stroke="black" stroke-width="6"/></svg>'
    const payload = await sharp(Buffer.from(svg)).png().toBuffer()
    const sketch = (await api.call('POST', '/api/sketches', { user, headers: { 'content-type': 'image/png' }, payload })).json()
    const id = await ask(user, { prompt: 'a hall', sketchId: sketch.id, steps: 2, width: 256, height: 256 })
    const done = await until(user, id, ['succeeded', 'failed'])
    assert.equal(done.state, 'succeeded', JSON.stringify(done.error))
  })

  it('streams state, progress, preview and done, and nothing twice when resumed', async () => {
    const user = newUser()
    await fault(ports.text, 'DELETE')
    const id = await ask(user, { prompt: 'a study', steps: 30, width: 256, height: 256 })
    const first = await read(user, id, { stopAt: 'progress' })
    assert.ok(first.some(({ event }) => event === 'progress'))
    const lastId = first.findLast((one) => one.id).id
    const rest = await read(user, id, { lastId })
    assert.equal(rest.at(-1).event, 'done')
    const order = (text) => text.split('.').map((part) => (part === 'done' ? Infinity : Number(part)))
    for (const { id: later } of rest.filter((one) => one.id)) {
      const [[v, s], [w, t]] = [order(lastId), order(later)]
      assert.ok(w > v || (w === v && t > s), `${later} came after ${lastId} was seen`)
    }
    assert.ok([...first, ...rest].some(({ event }) => event === 'preview'))
    const over = await fetch(`http://127.0.0.1:${environment.PORT}/api/generations/${id}/events`, { headers: headersOf(user, rest.at(-1).id) })
    assert.equal(over.status, 204)
  })

  it('cancels what runs, and frees ComfyUI', async () => {
    const user = newUser()
    const id = await ask(user, { prompt: 'slow', steps: 60, count: 1 })
    await until(user, id, ['running'])
    assert.equal((await api.call('DELETE', `/api/generations/${id}`, { user })).json().state, 'cancelled')
    const next = await ask(user, { prompt: 'quick', steps: 1, width: 256, height: 256 })
    await until(user, next, ['succeeded'], 5000)
    assert.equal((await look(user, id)).state, 'cancelled')
  })

  it('fails at once, naming the style, when ComfyUI lacks it', async () => {
    const user = newUser()
    await fault(ports.text, 'POST', { lack_model: { name: 'Indochine.safetensors' } })
    const id = await ask(user, { prompt: 'a room', style: 'Indochine' })
    const done = await until(user, id, ['failed', 'succeeded'])
    assert.equal(done.error?.code, 'style_missing', JSON.stringify(done))
    assert.match(done.error.message, /“Indochine”/)
  })

  it('tries three times, then fails with a reason, and buries the message', async () => {
    const user = newUser()
    await fault(ports.text, 'POST', { out_of_memory: {} })
    const id = await ask(user, { prompt: 'large', steps: 2 })
    const done = await until(user, id, ['failed', 'succeeded'], 40_000)
    assert.equal(done.error?.code, 'out_of_memory', JSON.stringify(done))
    assert.equal((await api.services.generations.get(id)).attempts, 3)
    const buried = []
    for (;;) {
      const { Messages } = await aws.clients.sqs.send(new ReceiveMessageCommand({ QueueUrl: aws.urls.dead, WaitTimeSeconds: 1 }))
      if (!Messages) break
      buried.push(...Messages.map((one) => JSON.parse(one.Body)))
    }
    assert.deepEqual(buried.filter((one) => one.id === id), [{ id, kind: 'text', reason: 'out_of_memory' }])
  })

  it('adopts what runs when it was killed, and runs it once', async () => {
    const user = newUser()
    const before = await posts()
    const id = await ask(user, { prompt: 'steady', steps: 60, width: 256, height: 256 })
    await until(user, id, ['running'])
    await untilPosted(id)
    await stopWorker('SIGKILL')
    worker = startWorker()
    const done = await until(user, id, ['succeeded', 'failed'])
    assert.equal(done.state, 'succeeded', JSON.stringify(done.error))
    assert.equal((await posts()) - before, 2, 'one POST /prompt for it, and one for the counting')
  })

  it('waits for ComfyUI while that is away, and loses nothing', async () => {
    const user = newUser()
    const id = await ask(user, { prompt: 'patient', steps: 60, width: 256, height: 256 })
    // The emulator hands a message to the poll of the killed worker too: it is back when its time is over.
    await until(user, id, ['running'], 60_000)
    comfy.text.child.kill('SIGKILL')
    const waiting = await ask(user, { prompt: 'waiting', steps: 2, width: 256, height: 256 })
    comfy.text = await emulateComfyUi(folder, ports.text, 'text')
    for (const one of [id, waiting]) {
      const done = await until(user, one, ['succeeded', 'failed'], 60_000)
      assert.equal(done.state, 'succeeded', JSON.stringify(done.error))
    }
  })

  it('clears away what needs no ComfyUI while that is away, and keeps what does', async () => {
    const user = newUser()
    await comfy.text.stop()
    const attributes = async () => {
      const AttributeNames = ['ApproximateNumberOfMessages', 'ApproximateNumberOfMessagesNotVisible']
      const { Attributes } = await aws.clients.sqs.send(new GetQueueAttributesCommand({ QueueUrl: aws.urls.text, AttributeNames }))
      return AttributeNames.reduce((sum, name) => sum + Number(Attributes[name]), 0)
    }
    const untilIt = async (what, isSo) => {
      for (const end = Date.now() + 60_000; !(await isSo()); await new Promise((resolve) => setTimeout(resolve, 100))) {
        assert.ok(Date.now() < end, `not ${what} in time`)
      }
    }
    const id = await ask(user, { prompt: 'thought better of', steps: 2, width: 256, height: 256 })
    await api.call('DELETE', `/api/generations/${id}`, { user })
    await untilIt('cleared', async () => (await attributes()) === 0)
    const waiting = await ask(user, { prompt: 'waiting', steps: 2, width: 256, height: 256 })
    await new Promise((resolve) => setTimeout(resolve, 1000))
    assert.equal(await attributes(), 1)
    comfy.text = await emulateComfyUi(folder, ports.text, 'text')
    assert.equal((await until(user, waiting, ['succeeded', 'failed'], 60_000)).state, 'succeeded')
  })

  it('finds a message that the queue lost', async () => {
    const user = newUser()
    const { queues } = api.services
    const send = queues.send
    queues.send = async () => {
      throw new Error('SQS is away')
    }
    const id = await ask(user, { prompt: 'unsent', steps: 1, width: 256, height: 256 })
    queues.send = send
    await api.services.generations.setNote(id, { enqueuedAt: new Date(Date.now() - 120_000).toISOString() })
    assert.equal((await until(user, id, ['succeeded'], 60_000)).state, 'succeeded')
  })

  /** Number of POST /prompt so far, this one included: ComfyUI counts them all. */
  async function posts() {
    const graph = { 1: { class_type: 'EmptyLatentImage', inputs: { width: 64, height: 64, batch_size: 1 } } }
    graph[2] = { class_type: 'CheckpointLoaderSimple', inputs: { ckpt_name: CHECKPOINT } }
    graph[3] = { class_type: 'VAEDecode', inputs: { samples: ['1', 0], vae: ['2', 2] } }
    graph[4] = { class_type: 'PreviewImage', inputs: { images: ['3', 0] } }
    const answer = await fetch(`http://127.0.0.1:${ports.text}/prompt`, { method: 'POST', body: JSON.stringify({ prompt: graph }) })
    return (await answer.json()).number
  }

  async function untilPosted(id) {
    for (let n = 0; n < 200; n++) {
      const queue = await (await fetch(`http://127.0.0.1:${ports.text}/queue`)).json()
      if ([...queue.queue_running, ...queue.queue_pending].some((entry) => entry[1] === id)) return
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    assert.fail('ComfyUI never got it')
  }

  function headersOf(user, lastId) {
    const { authorization } = api.headers(user)
    return { authorization, 'x-origin-secret': environment.ORIGIN_SECRET, ...(lastId ? { 'last-event-id': lastId } : {}) }
  }

  async function read(user, id, { lastId, stopAt } = {}) {
    const answer = await fetch(`http://127.0.0.1:${environment.PORT}/api/generations/${id}/events`, { headers: headersOf(user, lastId) })
    assert.equal(answer.status, 200)
    const events = []
    let text = ''
    for await (const bytes of answer.body) {
      text += Buffer.from(bytes).toString()
      const whole = text.split('\n\n')
      text = whole.pop()
      for (const block of whole) {
        const fields = Object.fromEntries(block.split('\n').map((line) => [line.split(':')[0], line.slice(line.indexOf(':') + 2)]))
        if (fields.event) events.push(fields)
      }
      if (stopAt && events.some(({ event }) => event === stopAt)) break
    }
    return events
  }
})
