/** A record as its owner sees it, and as a shared link shows it. */
import { UNFINISHED } from '../contract.js'
import { signedPath } from '../signing.js'

/** What `services` are needed: {queueView, imageKey}. Returns present(record, {withRecipe}). */
export function presenter({ queueView, imageKey }) {
  return async function present(record, { withRecipe = false } = {}) {
    const place = UNFINISHED.includes(record.state) ? await queueView.place(record) : {}
    const { kind, id, state, createdAt, startedAt, finishedAt, request, recipe, error, favourite, sharedUntil, styleVersion } = record
    return {
      id,
      kind,
      state,
      createdAt,
      ...(startedAt ? { startedAt } : {}),
      ...(finishedAt ? { finishedAt } : {}),
      ...place,
      request,
      ...(state === 'failed' ? { error: { code: error?.code ?? 'server_error', message: error?.message ?? '' } } : {}),
      ...pictures(record, imageKey),
      ...(styleVersion ? { styleVersion } : {}),
      ...(favourite ? { favourite } : {}),
      ...(sharedUntil ? { sharedUntil } : {}),
      ...(withRecipe ? { recipe } : {}),
    }
  }
}

/** Returns presentShared(record, expires): nothing of whose it is, nor of how it was made; addresses end with the link. */
export function sharedPresenter({ imageKey }) {
  return function presentShared(record, expires) {
    const { kind, createdAt, request, style = request.style } = record
    return {
      kind,
      createdAt,
      expiresAt: new Date(expires * 1000).toISOString(),
      ...(style ? { style } : {}),
      ...pictures(record, imageKey, expires),
    }
  }
}

/** Where the pictures and the drawing are. */
function pictures({ id, request, images }, imageKey, until) {
  const signed = (path) => signedPath(imageKey, path, Date.now(), until)
  return {
    images: (images ?? []).map(({ n, width, height, bytes, sha256 }) => ({
      n,
      url: signed(`/api/images/${id}/${n}`),
      thumbnailUrl: signed(`/api/images/${id}/${n}/thumbnail`),
      width,
      height,
      bytes,
      sha256,
    })),
    ...(request.sketchId ? { sketchUrl: signed(`/api/sketches/${request.sketchId}`) } : {}),
  }
}
