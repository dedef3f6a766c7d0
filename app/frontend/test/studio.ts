/** A studio whose backend answers by hand, in what is otherwise the real one: its description of itself. */
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { Api, type Style } from '../src/lib/api'
import { Studio } from '../src/lib/app.svelte'
import type { Session } from '../src/lib/session.svelte'

interface Said {
  document: any
  codes: Record<'problem' | 'field' | 'failure', string[]>
}

/** What the real backend says of itself. `settings`: of another stack. In a process of its own: this one plays a browser. */
export function backend(settings: Record<string, string> = {}): Said {
  const said = execFileSync(process.execPath, [join(import.meta.dirname, '../scripts/backend-words.js')], { env: { PATH: process.env.PATH, ...settings }, stdio: 'pipe' })
  return JSON.parse(said.toString())
}

export const wishOf = (document: any): Record<string, any> => document.paths['/api/generations'].post.requestBody.content['application/json'].schema.properties

export const STYLE: Style = { name: 'Indochine', title: 'Indochine', offered: { text: true, sketch: true } }

/** Answers by hand: `answers` replaces what the API does. */
export async function studioWith(document: object, answers: Partial<Record<keyof Api, unknown>> = {}): Promise<Studio> {
  const api = Object.assign(new Api('https://api.test', async () => 'token'), {
    styles: async () => [STYLE],
    openApi: async () => document,
    generations: async () => ({ items: [] }),
    ...answers,
  })
  const studio = new Studio(api, { user: 'me' } as Session, 'test')
  await studio.load()
  return studio
}
