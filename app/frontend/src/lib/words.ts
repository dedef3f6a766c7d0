/** What the designer chose, as the words of a prompt; and a prompt as the choices that made it. */
import data from '../data/words.json'
import type { Language } from './i18n.svelte'

export interface Word {
  id: string
  words: string
  group?: string
  label: Record<Language, string>
}

export const ROOMS: Word[] = data.rooms
export const MOODS: Word[] = data.moods
export const GROUPS = [...new Set(data.moods.map((one) => one.group))]

export interface Said {
  room: string
  text: string
  moods: string[]
}

/** Room, own words, moods: in this order, as what stands first counts most. */
export function compose({ room, text, moods }: Said): string {
  const own = text.trim().replace(/[,\s]+$/, '')
  return [wordsOf(ROOMS, room), own, ...MOODS.filter((one) => moods.includes(one.id)).map((one) => one.words)].filter(Boolean).join(', ')
}

/** The choices behind a prompt; what none of them made is the designer's own words. */
export function decompose(prompt: string): Said {
  let text = prompt.trim()
  const first = ROOMS.find((one) => text === one.words || text.startsWith(`${one.words}, `))
  if (first) text = text.slice(first.words.length).replace(/^, /, '')
  const moods: string[] = []
  for (;;) {
    const last = MOODS.find((one) => text === one.words || text.endsWith(`, ${one.words}`))
    if (!last) return { room: first?.id ?? '', text, moods }
    text = text.slice(0, -last.words.length).replace(/, $/, '')
    moods.unshift(last.id)
  }
}

const wordsOf = (list: Word[], id: string): string => list.find((one) => one.id === id)?.words ?? ''
