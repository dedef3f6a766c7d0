/** What went wrong, in the reader's words; and which field the backend found fault with. */
import { Problem, Unreachable, type FieldError } from './api'
import { t } from './i18n.svelte'

/** A sentence to be shown. */
export function told(error: unknown): string {
  if (error instanceof Unreachable) return t('fault.unreachable')
  if (error instanceof Problem) {
    if (error.status === 401) return t('fault.signed-out')
    if (error.status === 429) return t('fault.too-many')
    if (error.status >= 500 || !error.message) return t('fault.server')
    return error.message
  }
  return isNetwork(error) ? t('fault.unreachable') : t('fault.unknown')
}

/** By field: what is wrong with it, and what is allowed. */
export function fieldFaults(error: unknown): Record<string, string> {
  if (!(error instanceof Problem)) return {}
  return Object.fromEntries(error.errors.map((one) => [one.field, sentence(one)]))
}

function sentence({ message, allowed }: FieldError): string {
  return allowed ? t('fault.field', { message, allowed }) : `${message}.`
}

/** fetch, and the AWS SDK on top of it, throw TypeError when there is no network. */
export const isNetwork = (error: unknown): boolean => error instanceof TypeError || (error instanceof Error && error.name === 'TimeoutError')
