/** A record as its owner sees it. */
import { UNFINISHED } from '../contract.js'
import { signedPath } from '../signing.js'

/** What `services` are needed: {queueView, imageKey}. Returns present(record, {withRecipe}). */
export function presenter({ queueView, imageKey }) {
  return async function present(record, { withRecipe = false } = {}) {
    const place = UNFINISHED.includes(record.state) ? await queueView.place(record) : {}
    const { kind, id, state, createdAt, startedAt, finishedAt, request, recipe, error, images } = record
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
      images: (images ?? []).map(({ n, width, height, bytes, sha256 }) => ({
        n,
        url: signedPath(imageKey, `/api/images/${id}/${n}`),
        thumbnailUrl: signedPath(imageKey, `/api/images/${id}/${n}/thumbnail`),
        width,
        height,
        bytes,
        sha256,
      })),
      ...(request.sketchId ? { sketchUrl: signedPath(imageKey, `/api/sketches/${request.sketchId}`) } : {}),
      ...(withRecipe ? { recipe } : {}),
    }
  }
}
