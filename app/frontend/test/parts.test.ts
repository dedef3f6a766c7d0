import { fireEvent, render, screen } from '@testing-library/svelte'
import { describe, expect, it, vi } from 'vitest'
import type { Api, Page } from '../src/lib/api'
import { Gallery } from '../src/lib/gallery.svelte'
import { placeOf } from '../src/lib/line'
import { readRoute } from '../src/lib/router.svelte'
import Compare from '../src/parts/Compare.svelte'
import Progress from '../src/parts/Progress.svelte'
import { generation } from './streams'

describe('how far a wish is', () => {
  const at = (more: object, percent?: number): string => {
    const job = { generation: generation('1', 'queued', more), percent }
    render(Progress, { generation: job.generation, place: placeOf(job, [job]), percent })
    return screen.getByRole('progressbar').getAttribute('aria-valuetext') ?? ''
  }

  it.each([
    [{ position: 1 }, 'Next in line'],
    [{ position: 2 }, 'One wish before yours'],
    [{ position: 4 }, '3 wishes before yours'],
    [{ position: 1, gpu: { state: 'asleep', etaSeconds: 130 } }, 'The GPU sleeps and is being woken, about 2 min'],
    [{ position: 1, gpu: { state: 'waking', etaSeconds: 40 } }, 'The GPU is waking, about 40 s'],
    [{ position: 1, gpu: { state: 'unreachable' } }, 'The image server cannot be reached just now. Your wish waits for it.'],
    [{ state: 'running' }, 'Beginning'],
  ])('%j is told as "%s"', (more, words) => expect(at(more)).toBe(words))

  it('is never all before the picture is there', () => {
    expect(at({ state: 'running' }, 100)).toBe('Drawing, 99 %')
    expect(screen.getByRole('progressbar').getAttribute('aria-valuenow')).toBe('99')
  })

  it.each([
    ['nothing else', { position: 1, etaSeconds: 12, gpu: { state: 'ready' } }, 'ready in about 12 s'],
    ['a GPU that sleeps as long: one time is enough', { position: 1, etaSeconds: 188, gpu: { state: 'asleep', etaSeconds: 180 } }, undefined],
    ['a GPU, and then for many others', { position: 30, etaSeconds: 420, gpu: { state: 'waking', etaSeconds: 180 } }, 'ready in about 7 min'],
  ])('tells when it will be there while it waits for %s', (_, more, words) => {
    at(more)
    expect(screen.queryByText(/^ready in/)?.textContent).toBe(words)
  })
})

describe('two pictures over each other', () => {
  it('are moved by the slider, which tells how much of each is seen', async () => {
    render(Compare, { left: { src: '/a', label: 'Drawing' }, right: { src: '/b', label: 'Picture' }, ratio: 1 })
    const slider = screen.getByRole('slider')
    expect(slider.getAttribute('aria-valuetext')).toBe('50 % Drawing, the rest Picture')
    await fireEvent.input(slider, { target: { value: '20' } })
    expect(slider.getAttribute('aria-valuetext')).toBe('20 % Drawing, the rest Picture')
    expect(document.querySelector<HTMLElement>('.compare')!.style.getPropertyValue('--at')).toBe('20%')
  })
})

describe('pages of pictures', () => {
  const pages = (...all: (Page | Error)[]): Gallery => {
    const generations = vi.fn(async () => {
      const page = all.shift()!
      if (page instanceof Error) throw page
      return page
    })
    return new Gallery({ generations } as unknown as Api, {})
  }
  const items = (...ids: string[]): Page['items'] => ids.map((id) => generation(id, 'succeeded'))

  it('follow each other to the end, each picture once', async () => {
    const gallery = pages({ items: items('3', '2'), next: 'c' }, { items: items('2', '1') })
    await gallery.more()
    expect(gallery.isEnd).toBe(false)
    await gallery.more()
    await gallery.more()
    expect([gallery.items.map((one) => one.id), gallery.isEnd]).toEqual([['3', '2', '1'], true])
  })

  it('that could not be had are asked for again, and nothing is lost', async () => {
    const gallery = pages({ items: items('3'), next: 'c' }, new Error('away'), { items: items('2') })
    await gallery.more()
    await gallery.more()
    expect([gallery.failed, gallery.items.length]).toEqual([true, 1])
    await gallery.more()
    expect([gallery.failed, gallery.items.length]).toEqual([false, 2])
  })

  it('are empty only when the last one is', async () => {
    const gallery = pages({ items: [], next: 'c' }, { items: [] })
    await gallery.more()
    expect(gallery.isEmpty, 'a filter may leave nothing of a page').toBe(false)
    await gallery.more()
    expect(gallery.isEmpty).toBe(true)
  })
})

describe('an address', () => {
  const ID = '0b6cc5dd-6c9a-4d32-a2ea-3c4e3b0b3b52'
  it.each([
    ['/', { view: 'studio', drawing: false }],
    ['/drawing', { view: 'studio', drawing: true }],
    ['/pictures', { view: 'pictures' }],
    [`/pictures/${ID}`, { view: 'picture', id: ID }],
    ['/pictures/x', { view: 'nowhere' }],
    ['/shared/abc', { view: 'shared', token: 'abc' }],
    ['/shared', { view: 'nowhere' }],
    ['/a/b/c', { view: 'nowhere' }],
  ])('%s leads to the right view', (path, view) => expect(readRoute(path)).toEqual(view))
})
