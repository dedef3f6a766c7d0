/** Light or dark: as the system says, unless the reader chose. */
export type Theme = 'system' | 'light' | 'dark'

const KEPT = 'sd-app:theme'
let theme = $state<Theme>('system')

export const currentTheme = (): Theme => theme

export function setTheme(wanted: Theme): void {
  theme = wanted
  localStorage.setItem(KEPT, wanted)
  if (wanted === 'system') delete document.documentElement.dataset.theme
  else document.documentElement.dataset.theme = wanted
}

export function startTheme(): void {
  const kept = localStorage.getItem(KEPT)
  setTheme(kept === 'light' || kept === 'dark' ? kept : 'system')
}
