/** One generation, from the claimed record to the stored pictures and the final state. */
import { createHash } from 'node:crypto'
import sharp from 'sharp'
import { failure } from '../problems.js'
import { ComfyUiAway } from '../services/comfyui.js'
import { fitLines } from '../services/drawings.js'
import { linesKey, pictureKey, thumbnailKey } from '../services/pictures.js'
import { drawingName } from '../services/submissions.js'
import { AttemptFailed, NotOurs } from './failures.js'
import { run } from './run.js'

const THUMBNAIL_SIDE = 384
const THUMBNAIL_QUALITY = 78

/**
 * Make the pictures of a claimed record and end it. Returns {images, seconds}. Throws AttemptFailed or NotOurs.
 * @param {object} record as `claim` returned it
 * @param {object} worker {comfyUi, socket, reporter, generations, pictures, pictureMs}
 * @param {AbortSignal} signal aborted when the record is not ours any more
 */
export async function makePictures(record, worker, signal) {
  const started = Date.now()
  if (record.recipe.sketch) await sendDrawing(record, worker)
  const places = await run(record, { ...worker, signal })
  const seconds = (Date.now() - started) / 1000
  if (places.length === 0) throw new AttemptFailed(failure('server_error', { detail: 'ComfyUI made no picture' }))
  const made = await Promise.all(places.map((place) => fetchPicture(place, worker)))
  if (signal.aborted) throw new NotOurs('given up')
  const images = await store(record, made, worker)
  return { images, seconds }
}

async function sendDrawing(record, { comfyUi, pictures }) {
  const { sketchId, width, height } = record.request
  const lines = await pictures.bytes(linesKey(sketchId))
  if (!lines) throw new AttemptFailed(failure('sketch_missing'), { isFinal: true })
  try {
    const name = await comfyUi.upload(drawingName(sketchId, record.request), await fitLines(lines, width, height))
    if (name !== drawingName(sketchId, record.request)) throw new Error(`ComfyUI kept the drawing as ${name}`)
  } catch (error) {
    const code = error instanceof ComfyUiAway ? 'server_lost' : 'server_error'
    throw new AttemptFailed(failure(code, { detail: error.message }))
  }
}

/** A picture's bytes and its thumbnail. Decoding it for that shows that it came whole. */
async function fetchPicture(place, { comfyUi }) {
  try {
    const png = await comfyUi.view(place)
    const { width, height } = await sharp(png).metadata()
    const thumbnail = await sharp(png)
      .resize({ width: THUMBNAIL_SIDE, height: THUMBNAIL_SIDE, fit: 'inside', withoutEnlargement: true })
      .webp({ quality: THUMBNAIL_QUALITY, effort: 2 })
      .toBuffer()
    return { png, thumbnail, width, height }
  } catch (error) {
    const code = error instanceof ComfyUiAway ? 'server_lost' : 'server_error'
    throw new AttemptFailed(failure(code, { detail: `the picture could not be read: ${error.message}` }))
  }
}

/** Each object whole under a name that another attempt would use too, so that nothing is left over. */
async function store(record, made, { pictures }) {
  try {
    return await Promise.all(
      made.map(async ({ png, thumbnail, width, height }, n) => {
        const [key, small] = [pictureKey(record.id, n), thumbnailKey(record.id, n)]
        await Promise.all([pictures.put(key, png, 'image/png'), pictures.put(small, thumbnail, 'image/webp')])
        const sha256 = createHash('sha256').update(png).digest('hex')
        return { n, key, thumbnailKey: small, width, height, bytes: png.length, sha256 }
      }),
    )
  } catch (error) {
    throw new AttemptFailed(failure('store_failed', { detail: `${error.name}: ${error.message}` }))
  }
}
