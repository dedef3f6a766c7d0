import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { build } from 'vite'
import { beforeAll, describe, expect, it } from 'vitest'

const ROOT = join(import.meta.dirname, '..')
const LIMIT = 200_000
type Manifest = Record<string, { file: string; css?: string[]; imports?: string[]; dynamicImports?: string[] }>

let manifest: Manifest
let size: (file: string) => number

beforeAll(async () => {
  const out = join(ROOT, 'node_modules/.size-test')
  await build({ root: ROOT, mode: 'production', logLevel: 'silent', build: { outDir: out, emptyOutDir: true, manifest: true, copyPublicDir: false } })
  manifest = JSON.parse(readFileSync(join(out, '.vite/manifest.json'), 'utf8'))
  size = (file) => {
    const bytes = readFileSync(join(out, file))
    return file.endsWith('.woff2') ? bytes.length : gzipSync(bytes, { level: 9 }).length
  }
  fonts = readdirSync(join(out, 'assets')).filter((one) => one.endsWith('.woff2'))
}, 60_000)
let fonts: string[] = []

/** What a language needs beside its views. The letters of English words are in Vietnamese ones, too. */
const LANGUAGES = {
  English: { alphabets: ['latin'], messages: [] },
  Vietnamese: { alphabets: ['latin', 'vietnamese'], messages: ['src/messages/vi.json'] },
}
const VIEWS = {
  'to sign in': ['src/views/SignIn.svelte', 'src/lib/cognito.ts'],
  'to make a picture': ['src/parts/Shell.svelte', 'src/views/New.svelte'],
  'to see all pictures': ['src/parts/Shell.svelte', 'src/views/Pictures.svelte'],
  'to see one picture': ['src/parts/Shell.svelte', 'src/views/Picture.svelte'],
  'to see a shared picture': ['src/views/Shared.svelte'],
}

/** All files that come with an entry of the manifest before it can run. */
function files(...names: string[]): Set<string> {
  const found = new Set<string>()
  const take = (name: string): void => {
    const { file, css = [], imports = [] } = manifest[name]!
    if (found.has(file)) return
    for (const one of [file, ...css]) found.add(one)
    imports.forEach(take)
  }
  names.forEach(take)
  return found
}

const sum = (all: Iterable<string>): number => [...all].reduce((total, file) => total + size(file), 0)

describe('what a browser loads, compressed', () => {
  it.each(
    Object.entries(LANGUAGES).flatMap(([language, needs]) => Object.entries(VIEWS).map(([what, views]) => ({ what, language, views, ...needs }))),
  )(`$what in $language is below ${LIMIT / 1000} KB, fonts included`, ({ views, alphabets, messages }) => {
    const letters = fonts.filter((one) => alphabets.some((alphabet) => one.includes(`-${alphabet}-`)))
    expect(letters).toHaveLength(2 * alphabets.length)
    const total = sum(files('index.html', ...views, ...messages)) + sum(letters.map((one) => `assets/${one}`))
    expect(total).toBeGreaterThan(50_000)
    expect(total).toBeLessThan(LIMIT)
  })

  it('does not have the user pool\'s client in it before somebody signs in', () => {
    const first = files('index.html', 'src/parts/Shell.svelte', 'src/views/New.svelte')
    const client = files('src/lib/cognito.ts')
    expect(sum(client)).toBeGreaterThan(30_000)
    expect([...first]).not.toContain(manifest['src/lib/cognito.ts']?.file)
  })
  it('has the maker of codes to scan only when an authenticator app is set up', () => {
    const [name] = Object.keys(manifest).filter((one) => one.endsWith('/qr/index.js'))
    expect(sum(files(name!))).toBeLessThan(12_000)
    expect([...files('index.html', 'src/views/SignIn.svelte', 'src/lib/cognito.ts')]).not.toContain(manifest[name!]!.file)
  })
  it('gets the drawing board when it is opened, and that is small', () => {
    const first = files('index.html', 'src/parts/Shell.svelte', 'src/views/New.svelte')
    const board = [...files('src/board/open.ts')].filter((file) => !first.has(file))
    expect(board.some((file) => file.endsWith('.css')), 'its own styles too').toBe(true)
    expect(sum(board)).toBeGreaterThan(10_000)
    expect(sum(board)).toBeLessThan(30_000)
  })
})
