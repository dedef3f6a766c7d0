/** The thread that finds the lines of drawings: started by the first drawing, and again if it ends. */
import { Worker } from 'node:worker_threads'

const waiting = new Map()
let thread = null
let last = 0

/**
 * Put a drawing on its ground and find its lines. Returns {rgb, lines}, three bytes and one byte a pixel; lines is null
 * when nothing stands out.
 * @param {Buffer} rgba four bytes a pixel
 * @param {{width: number, height: number}} size
 */
export function linesInThread(rgba, { width, height }) {
  thread ??= start()
  const id = ++last
  thread.ref() // the process stays while somebody waits
  return new Promise((resolve, reject) => {
    waiting.set(id, { resolve, reject })
    thread.postMessage({ id, rgba, width, height })
  })
}

function start() {
  const made = new Worker(new URL('./lines-thread.js', import.meta.url))
  made.unref()
  made.on('message', ({ id, error, ...found }) => {
    const { resolve, reject } = waiting.get(id)
    waiting.delete(id)
    if (waiting.size === 0) made.unref()
    if (error) reject(error)
    else resolve(found)
  })
  made.on('error', (error) => lose(made, error))
  made.on('exit', (code) => lose(made, new Error(`the thread of drawings ended with ${code}`)))
  return made
}

/** It ended, for lack of memory perhaps: whoever waits is told, and the next drawing starts another. */
function lose(made, error) {
  if (thread !== made) return
  thread = null
  for (const { reject } of waiting.values()) reject(error)
  waiting.clear()
}
