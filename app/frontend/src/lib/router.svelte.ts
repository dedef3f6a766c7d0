/** Addresses of the page, and going there without loading it anew. */
import { tick } from 'svelte'

export type Route =
  | { view: 'studio'; drawing: boolean }
  | { view: 'pictures' }
  | { view: 'picture'; id: string }
  | { view: 'shared'; token: string }
  | { view: 'nowhere' }

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

export function readRoute(path: string): Route {
  const [first, second, ...rest] = path.split('/').filter(Boolean)
  if (rest.length > 0) return { view: 'nowhere' }
  if (!first) return { view: 'studio', drawing: false }
  if (first === 'drawing' && !second) return { view: 'studio', drawing: true }
  if (first === 'pictures' && !second) return { view: 'pictures' }
  if (first === 'pictures' && second && UUID.test(second)) return { view: 'picture', id: second }
  // A token is of letters that no address changes; what is none is told by the API.
  if (first === 'shared' && second) return { view: 'shared', token: second }
  return { view: 'nowhere' }
}

let at = $state.raw({ route: readRoute(location.pathname), query: new URLSearchParams(location.search) })

export const route = (): Route => at.route
export const query = (): URLSearchParams => at.query

function read(): void {
  at = { route: readRoute(location.pathname), query: new URLSearchParams(location.search) }
}

/** Go there. The focus goes to the new view's heading, so that a screen reader tells where one is. */
export function go(path: string, { replace = false, focus = true } = {}): void {
  if (replace) history.replaceState(null, '', path)
  else history.pushState(null, '', path)
  read()
  if (!focus) return
  scrollTo(0, 0)
  void focusHeading()
}

let seeking: MutationObserver | undefined

/** A view that has to be loaded has no heading yet: wait for it, unless one has gone elsewhere in the meantime. */
async function focusHeading(): Promise<void> {
  seeking?.disconnect()
  const from = document.activeElement
  await tick()
  const isOver = (): boolean => {
    if (document.activeElement !== from && document.activeElement !== document.body) return true
    const heading = document.querySelector<HTMLElement>('h1')
    heading?.focus()
    return heading !== null
  }
  if (isOver()) return
  const watch = new MutationObserver(() => isOver() && watch.disconnect())
  watch.observe(document.body, { childList: true, subtree: true })
  seeking = watch
}

export function startRouter(): void {
  addEventListener('popstate', read)
  // A plain click on a link of ours; with a modifier it is the browser's own.
  document.addEventListener('click', (event) => {
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return
    const link = (event.target as Element | null)?.closest('a')
    if (!link || link.origin !== location.origin || link.target || link.hasAttribute('download') || link.hash) return
    event.preventDefault()
    go(link.pathname + link.search)
  })
}
