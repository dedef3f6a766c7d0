import { render, screen } from '@testing-library/svelte'
import { describe, expect, it } from 'vitest'
import { tick } from 'svelte'
import { placeOf, type Place } from '../src/lib/line'
import type { Generation, State } from '../src/lib/api'
import Feed from '../src/parts/Feed.svelte'
import InStudio from './InStudio.svelte'
import { generation } from './streams'
import { studioWith } from './studio'

const wish = (id: string, state: State, more: Partial<Generation> = {}, percent?: number) => ({ generation: generation(id, state, { etaSeconds: 10, ...more }), percent })
const running = (id: string, percent?: number, more: Partial<Generation> = {}) => wish(id, 'running', { position: 0, startedAt: `2026-01-01T00:01:0${id}.000Z`, ...more }, percent)
const places = (...all: ReturnType<typeof wish>[]): Partial<Place>[] => all.map((one) => placeOf(one, all))

describe('wishes of one designer', () => {
  it('are drawn one after the other: what was only sent ahead waits, and longer than the one that is drawn', () => {
    expect(places(running('1', 40), running('2'), wish('3', 'queued', { position: 1, etaSeconds: 20 }), wish('4', 'queued', { position: 2, etaSeconds: 30 }))).toEqual([
      { begun: true, before: 0, etaSeconds: 10, large: true },
      { begun: false, before: 0, etaSeconds: 20, large: false },
      { begun: false, before: 1, etaSeconds: 30, large: false },
      { begun: false, before: 2, etaSeconds: 40, large: false },
    ])
  })

  it('wait behind each other also while the API’s word is of the moment before', () => {
    const stale = { position: 1, etaSeconds: 20 }
    expect(places(running('1', 40), wish('2', 'queued', stale), wish('3', 'queued', stale)).map((one) => [one.before, one.etaSeconds])).toEqual([[0, 10], [0, 20], [1, 30]])
  })

  it('are drawn in the order in which they were sent ahead, before the first step of any', () => {
    expect(places(running('2'), running('1')).map((one) => one.begun)).toEqual([false, true])
  })

  it('that have a step behind them are drawn, whatever was sent ahead before them', () => {
    expect(places(running('1'), running('2', 4)).map((one) => one.begun)).toEqual([false, true])
  })

  it('from a drawing have an image server of their own: they do not wait for those from words', () => {
    expect(places(running('1', 40), running('2', undefined, { kind: 'sketch' })).map((one) => one.begun)).toEqual([true, true])
  })

  it.each([
    ['is the next', {}, true],
    ['waits for somebody else’s', { position: 3 }, false],
    ['waits for a GPU that sleeps', { gpu: { state: 'asleep' } }, false],
    ['waits for a GPU that wakes', { gpu: { state: 'waking' } }, false],
  ] as const)('have their large place at once only when it will soon be filled: one that %s', (_, more, large) => {
    expect(places(wish('1', 'queued', { position: 1, ...more }))[0]!.large).toBe(large)
  })

  it('are seen so: one large place, and a line', async () => {
    const studio = await studioWith({})
    const first = studio.work.add(running('1').generation)
    const second = studio.work.add(running('2').generation)
    const { container } = render(InStudio, { studio, part: Feed })
    const seen = (): (string | null)[] => screen.getAllByRole('progressbar').map((one) => one.getAttribute('aria-valuetext'))
    const large = (): (string | undefined)[] => [...container.querySelectorAll<HTMLElement>('article:has(.place)')].map((one) => one.dataset.id)
    expect([seen(), large()]).toEqual([['Next in line', 'Beginning'], ['1']])
    first.percent = 40
    await tick()
    expect([seen(), large()]).toEqual([['Next in line', 'Drawing, 40 %'], ['1']])
    first.generation = { ...first.generation, state: 'failed' }
    second.percent = 4
    await tick()
    expect([seen(), large()]).toEqual([['Drawing, 4 %'], ['2']])
    studio.close()
  })
})
