/** Parts of the page that are loaded when they are opened, and what failed of them before. */
import { Unreachable } from './api'

// Vite asks for a part's stylesheet once, and takes it for loaded afterwards, also when it failed.
const failed = new Set<HTMLLinkElement>()
addEventListener('error', ({ target }) => target instanceof HTMLLinkElement && target.rel === 'stylesheet' && failed.add(target), true)

/** Load a part, with the stylesheets that failed before. Throws Unreachable. */
export async function loaded<T>(load: () => Promise<T>): Promise<T> {
  try {
    await Promise.all([...failed].map(replaced))
    // Nothing: the page is being loaded anew (main.ts), and until then there is nothing to be shown.
    return (await load()) ?? (await new Promise<never>(() => {}))
  } catch (error) {
    throw new Unreachable(String(error))
  }
}

function replaced(link: HTMLLinkElement): Promise<void> {
  const fresh = link.cloneNode() as HTMLLinkElement
  failed.delete(link)
  return new Promise((resolve, reject) => {
    fresh.onload = () => resolve()
    fresh.onerror = () => reject(new Error(`no ${fresh.href}`))
    link.replaceWith(fresh)
  })
}
