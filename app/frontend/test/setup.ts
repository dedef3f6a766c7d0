/** What jsdom lacks and the page uses. */
import { cleanup } from '@testing-library/svelte'
import { afterEach } from 'vitest'

afterEach(() => {
  cleanup()
  globalThis.localStorage?.clear() // not there in tests without a browser
})
