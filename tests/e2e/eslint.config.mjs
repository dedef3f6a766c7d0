/** The backend's rules, for the browser's tests: much of them runs in the page, by `evaluate`. */
import { createRequire } from 'node:module'
import rules from '../../app/backend/eslint.config.js'

const { browser } = createRequire(new URL('../../app/backend/package.json', import.meta.url))('globals')

export default [...rules, { languageOptions: { globals: browser } }]
