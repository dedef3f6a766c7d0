import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { TOOLS } from '../src/board/settings'
import words from '../src/data/words.json'
import { INFLUENCES } from '../src/lib/draft.svelte'
import { fill } from '../src/lib/i18n.svelte'
import boardEn from '../src/messages/board.en.json'
import boardVi from '../src/messages/board.vi.json'
import pageEn from '../src/messages/en.json'
import { FINENESS } from '../src/lib/sizes'
import { GROUPS } from '../src/lib/words'
import pageVi from '../src/messages/vi.json'
import { backend } from './studio'

// The board's words are files of their own; what is asked of them is the same.
const [en, vi] = [{ ...pageEn, ...boardEn }, { ...pageVi, ...boardVi }]

const names = (text: string): string[] => [...new Set([...text.matchAll(/\{(\w+)[|}]/g)].map((one) => one[1]!))].sort()

const { codes } = backend()
const SIGN_IN = ['sign-in', 'new-password', 'code', 'set-up-code', 'forgot', 'reset']
/** Keys that the code puts together: as they are written there, and all that comes of each. */
const MADE: Record<string, readonly string[]> = {
  'board.fault.*': ['too-large', 'no-picture', 'other-svg'],
  'board.grid-points.*': ['1', '2'],
  'board.handle.*': ['horizon', 'middle', 'left', 'right'],
  'board.size.*': ['fine', 'medium', 'bold'],
  'board.tool.*': TOOLS,
  'failure.*': codes.failure,
  'field.*': codes.field,
  'fineness.*': Object.keys(FINENESS),
  'influence.*': INFLUENCES,
  'influence.*-hint': INFLUENCES,
  'mood.*': GROUPS,
  'problem.*': codes.problem,
  'sign-in.*.about': SIGN_IN,
  'sign-in.*.do': SIGN_IN,
  'sign-in.*.title': SIGN_IN,
  'theme.*': ['system', 'light', 'dark'],
  'wish.from-hint.*': ['words', 'drawing'],
}

describe('messages', () => {
  it('are the same ones in both languages', () => expect(Object.keys(vi)).toEqual(Object.keys(en)))

  it.each(Object.keys(en) as (keyof typeof en)[])('%s is there in Vietnamese too, with the same values', (key) => {
    expect(vi[key]).not.toBe('')
    expect(names(vi[key])).toEqual(names(en[key]))
  })

  it('are all used, and none is missing', () => {
    const folder = join(import.meta.dirname, '../src')
    const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((one) => /\.(svelte|ts)$/.test(one))
    const code = files.map((one) => readFileSync(join(folder, one), 'utf8')).join('\n')
    const written = [...code.matchAll(/`([a-z-]+\.(?:[a-z.-]+\.)?)\$\{[^}]+\}([a-z.-]*)`/g)].map((one) => `${one[1]}*${one[2]}`)
    expect([...new Set(written)].sort()).toEqual(Object.keys(MADE).sort())
    const made = Object.entries(MADE).flatMap(([pattern, values]) => values.map((one) => pattern.replace('*', one)))
    expect(made.filter((key) => !(key in en))).toEqual([])
    expect(Object.keys(en).filter((key) => !made.includes(key) && !code.includes(`'${key}'`))).toEqual([])
  })

  it('are filled in, with the plural of the language', () => {
    const text = '{n|One wish|{n} wishes} before {who}'
    expect(fill(text, { n: 1, who: 'you' }, 'en')).toBe('One wish before you')
    expect(fill(text, { n: 1200, who: 'you' }, 'en')).toBe('1,200 wishes before you')
    expect(fill(text, { n: 1200, who: 'you' }, 'vi')).toBe('1.200 wishes before you')
  })
})

describe('words of prompts', () => {
  it('have a label in both languages, an id of their own and English words', () => {
    const all = [...words.rooms, ...words.moods]
    for (const { id, words: english, label } of all) {
      expect([id, english, label.en, label.vi].every(Boolean), id).toBe(true)
    }
    expect(new Set(all.map((one) => one.id)).size).toBe(all.length)
  })
})
