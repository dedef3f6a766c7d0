/** Words of the page in the reader's language, from src/messages/. */
import en from '../messages/en.json'
import { loaded } from './loading'

export type Key = keyof typeof en
export type Language = 'en' | 'vi'
export const LANGUAGES: { id: Language; name: string }[] = [
  { id: 'en', name: 'English' },
  { id: 'vi', name: 'Tiếng Việt' },
]

const KEPT = 'sd-app:language'
let language = $state<Language>('en')
let messages = $state.raw<Record<string, string>>(en)

export const isKey = (text: string): text is Key => Object.hasOwn(en, text)

/** A message with its values filled in: `{name}`, or `{n|one picture|{n} pictures}` by the language's plural. */
export function t(key: Key, values: Record<string, string | number> = {}): string {
  return fill(messages[key] ?? en[key], values, language)
}

export function fill(text: string, values: Record<string, string | number>, locale: string): string {
  return text
    .replace(/\{(\w+)\|([^|{}]*(?:\{\w+\}[^|{}]*)*)\|([^|{}]*(?:\{\w+\}[^|{}]*)*)\}/g, (_, name, one, other) =>
      new Intl.PluralRules(locale).select(Number(values[name])) === 'one' ? one : other,
    )
    .replace(/\{(\w+)\}/g, (whole, name) => shown(values[name], locale) ?? whole)
}

function shown(value: string | number | undefined, locale: string): string | undefined {
  return typeof value === 'number' ? new Intl.NumberFormat(locale).format(value) : value
}

export const currentLanguage = (): Language => language

/** Throws Unreachable, and leaves all as it was, when the words cannot be had. */
export async function setLanguage(wanted: Language): Promise<void> {
  messages = wanted === 'vi' ? await vietnamese() : en
  language = wanted
  document.documentElement.lang = wanted
  localStorage.setItem(KEPT, wanted)
}

/** With the fonts that have its letters: else some of a word's letters would look unlike the others. */
async function vietnamese(): Promise<Record<string, string>> {
  const fonts = ['Manrope', 'Fraunces'].map((name) => document.fonts.load(`1em ${name}`, 'ạ'))
  const [{ default: found }] = await Promise.all([loaded(() => import('../messages/vi.json')), ...fonts.map((one) => one.catch(() => {}))])
  return found
}

/** The language chosen before, else the browser's, else English; English too when the words cannot be had. */
export function startLanguage(): Promise<void> {
  const kept = localStorage.getItem(KEPT) ?? navigator.languages.map((one) => one.slice(0, 2)).find((one) => one === 'en' || one === 'vi')
  return setLanguage(kept === 'vi' ? 'vi' : 'en').catch(() => {})
}

/** The page's language as it is written where the reader is: dates differ between English and English. */
const locale = (): string => navigator.languages.find((one) => one.startsWith(language)) ?? language

export function moment(iso: string): string {
  return new Intl.DateTimeFormat(locale(), { dateStyle: 'medium', timeStyle: 'short' }).format(new Date(iso))
}

/** Seconds as a person says them: "about 20 s", "about 2 min". */
export function span(seconds: number): string {
  return seconds < 90 ? t('time.seconds', { n: Math.max(1, Math.round(seconds)) }) : t('time.minutes', { n: Math.round(seconds / 60) })
}
