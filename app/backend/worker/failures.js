/** What ComfyUI's errors mean: a code and a sentence for the designer, and whether another attempt may help. */
import { ComfyUiRefused } from '../services/comfyui.js'
import { failure } from '../problems.js'

/** The attempt failed. `isFinal`: another one would fail alike. */
export class AttemptFailed extends Error {
  constructor(error, { isFinal = false } = {}) {
    super(`${error.code}${error.detail ? `: ${error.detail}` : ''}`)
    this.failure = error
    this.isFinal = isFinal
  }
}

/** The generation isn't ours to finish: cancelled, ended, or another worker's. */
export class NotOurs extends Error {}

/** ComfyUI refused the graph (POST /prompt, 400). A missing file is told by its input. */
export function ofRefusal(error) {
  if (!(error instanceof ComfyUiRefused)) return undefined
  const nodes = Object.values(error.body?.node_errors ?? {})
  const faults = nodes.flatMap((node) => node.errors.map((one) => ({ ...one, node: node.class_type })))
  const detail = faults.map((one) => `${one.node}: ${one.details}`).join('; ') || error.message
  const missing = faults.find((one) => one.type === 'value_not_in_list')
  if (missing?.extra_info?.input_name === 'lora_name') {
    const what = `“${String(missing.extra_info.received_value).replace(/\.safetensors$/, '')}”`
    return new AttemptFailed(failure('style_missing', { what, detail }), { isFinal: true })
  }
  // A model may still be on its way from S3 to the machine.
  if (missing) return new AttemptFailed(failure('model_missing', { detail }))
  return new AttemptFailed(failure('server_error', { detail }), { isFinal: error.status === 400 })
}

/** ComfyUI began and failed (execution_error, by message or by history). */
export function ofExecution({ exception_type: type = '', exception_message: message = '', node_type: node = '' }) {
  const detail = `${node}: ${type}: ${message}`.trim()
  if (/OutOfMemory/i.test(type) || /out of memory/i.test(message)) {
    return new AttemptFailed(failure('out_of_memory', { detail }))
  }
  if (/No space left/i.test(message)) return new AttemptFailed(failure('disk_full', { detail }))
  return new AttemptFailed(failure('server_error', { detail }))
}
