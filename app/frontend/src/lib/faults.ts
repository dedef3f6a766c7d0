/** What went wrong, in the reader's words; and which field the backend found fault with. */
import { Problem, Unreachable, type FieldError, type Generation } from './api'
import { isKey, span, t, type Key } from './i18n.svelte'

/** Fields of a wish as the form calls them. */
const NAMES: Record<string, Key> = {
  prompt: 'wish.text',
  negativePrompt: 'advanced.negative',
  style: 'wish.style',
  styleStrength: 'wish.style',
  seed: 'advanced.seed',
  width: 'wish.form',
  height: 'wish.form',
  steps: 'advanced.steps',
  guidance: 'advanced.guidance',
  count: 'wish.count',
  sketchId: 'recipe.influence',
  sketchStrength: 'drawing.influence',
  sketchEnd: 'drawing.influence',
}
const BYTES_PER_MEGABYTE = 1024 * 1024

/** A sentence to be shown. */
export function told(error: unknown): string {
  if (error instanceof Unreachable) return t('fault.unreachable')
  if (error instanceof Problem) return ofProblem(error)
  return isNetwork(error) ? t('fault.unreachable') : t('fault.unknown')
}

function ofProblem({ status, code, message, errors: [first], retryAfter }: Problem): string {
  if (status === 401) return t('fault.signed-out')
  if (first && code === 'invalid') return named(first)
  if (code === 'too_many_generations' && retryAfter) return t('fault.wait-for-one', { eta: span(retryAfter) })
  const english = status >= 500 || !message ? t('fault.server') : message
  return inWords(`problem.${code}`) ?? english
}

/** By field: what is wrong with it, and what is allowed. */
export function fieldFaults(error: unknown): Record<string, string> {
  if (!(error instanceof Problem)) return {}
  return Object.fromEntries(error.errors.map((one) => [one.field, sentence(one)]))
}

/** Why there is no picture. */
export function whyFailed({ error, request }: Pick<Generation, 'error' | 'request'>): string {
  const { code = '', message = '' } = error ?? {}
  return inWords(`failure.${code}`, { style: request.style ?? '', message }) ?? (message || t('fault.server'))
}

function named(error: FieldError): string {
  const name = NAMES[error.field]
  return name ? t('fault.named', { name: t(name), fault: sentence(error) }) : sentence(error)
}

function sentence({ code, message, allowed, limits = {} }: FieldError): string {
  const values: Record<string, string | number> = { ...limits }
  if (limits.maximum !== undefined) values.megabytes = Math.floor(limits.maximum / BYTES_PER_MEGABYTE)
  if (allowed) values.allowed = allowed
  const english = allowed ? t('fault.field', { message, allowed }) : `${message}.`
  return inWords(`field.${code}`, values) ?? english
}

/** Words of the page for what the API calls so; undefined when it has none, or a value that belongs in them is missing. */
function inWords(key: string, values: Record<string, string | number> = {}): string | undefined {
  if (!isKey(key)) return undefined
  const text = t(key, values)
  return /\{\w+\}/.test(text) ? undefined : text
}

/** fetch, and the AWS SDK on top of it, throw TypeError when there is no network. */
export const isNetwork = (error: unknown): boolean => error instanceof TypeError || (error instanceof Error && error.name === 'TimeoutError')
