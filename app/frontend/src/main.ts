/** Begins: config, language, theme, and the page, or what is wrong with the config. */
import './styles/base.css'
import { mount } from 'svelte'
import App from './App.svelte'
import { ConfigFault, loadConfig, type Config } from './lib/config'
import { startLanguage } from './lib/i18n.svelte'
import { startRouter } from './lib/router.svelte'
import { startTheme } from './lib/theme.svelte'

const RELOADED = 'sd-app:reloaded'
const ONCE_IN_MS = 60_000
// A page that is older than the last deployment asks for files that are gone: it is loaded anew, and not again and again.
// Without a network nothing would come instead of it: the part that failed says so, and can be tried again.
addEventListener('vite:preloadError', (event) => {
  if (!navigator.onLine) return
  if (Date.now() - Number(sessionStorage.getItem(RELOADED)) < ONCE_IN_MS) return
  sessionStorage.setItem(RELOADED, String(Date.now()))
  event.preventDefault()
  location.reload()
})
startTheme()
startRouter()
const [config] = await Promise.all([
  loadConfig().catch((error: unknown) => (error instanceof ConfigFault ? error : new ConfigFault([String(error)]))),
  startLanguage(),
])
mount(App, { target: document.getElementById('app')!, props: { config: config as Config | ConfigFault } })
