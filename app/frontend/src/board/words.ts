/** The board's words. Files of their own, loaded with it: who only signs in need not wait for them. */
import { currentLanguage, fill } from '../lib/i18n.svelte'
import en from '../messages/board.en.json'
import vi from '../messages/board.vi.json'

const MESSAGES: Record<'en' | 'vi', Record<keyof typeof en, string>> = { en, vi }

export function t(key: keyof typeof en, values: Record<string, string | number> = {}): string {
  return fill(MESSAGES[currentLanguage()][key], values, currentLanguage())
}
