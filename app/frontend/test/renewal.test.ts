import { fireEvent, render } from '@testing-library/svelte'
import { describe, expect, it, vi } from 'vitest'
import type { Generation } from '../src/lib/api'
import Feed from '../src/parts/Feed.svelte'
import Pictures from '../src/views/Pictures.svelte'
import InStudio from './InStudio.svelte'
import { generation } from './streams'
import { studioWith } from './studio'

const made = (signature: string): Generation => {
  const images = [0, 1].map((n) => ({ n, url: `/p${n}?signature=${signature}`, thumbnailUrl: `/t${n}?signature=${signature}`, width: 512, height: 512 }))
  const one = generation('1', 'succeeded', { images })
  return { ...one, request: { ...one.request, count: 2 } }
}
const listed = async () => ({ items: [made('old')] })

describe('a picture whose address has ended', () => {
  const sources = (): (string | null)[] => [...document.querySelectorAll('img')].map((img) => img.getAttribute('src'))
  globalThis.IntersectionObserver ??= class {
    observe(): void {}
    disconnect(): void {}
  } as unknown as typeof IntersectionObserver

  it('has another asked for, once for all pictures of a wish', async () => {
    const asked = vi.fn(async () => made('new'))
    const studio = await studioWith({}, { generations: listed, generation: asked })
    studio.recent = [made('old')]
    render(InStudio, { studio, part: Feed })
    document.querySelectorAll('img').forEach((img) => img.dispatchEvent(new Event('error')))
    await vi.waitFor(() => expect(sources()).toEqual(['https://api.test/t0?signature=new', 'https://api.test/t1?signature=new']))
    expect(asked).toHaveBeenCalledExactlyOnceWith('1')
  })

  it('and none to be had for it stays as it is: nothing is asked for ever and ever', async () => {
    const asked = vi.fn(async () => made('old'))
    const studio = await studioWith({}, { generations: listed, generation: asked })
    studio.recent = [made('old')]
    render(InStudio, { studio, part: Feed })
    for (let times = 0; times < 3; times++) {
      for (const img of document.querySelectorAll('img')) await fireEvent.error(img)
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
    expect(asked).toHaveBeenCalledOnce()
  })

  it('is asked for again when the service could not be reached', async () => {
    const asked = vi.fn(async () => made('new')).mockRejectedValueOnce(new TypeError('away'))
    const studio = await studioWith({}, { generations: listed, generation: asked })
    expect(await studio.renew(made('old'))).toBeUndefined()
    expect(await studio.renew(made('old'))).toEqual(made('new'))
  })

  it('is mended in the gallery, too', async () => {
    const studio = await studioWith({}, { generations: listed, generation: async () => made('new') })
    render(InStudio, { studio, part: Pictures })
    await vi.waitFor(() => expect(sources()).toEqual(['https://api.test/t0?signature=old']))
    await fireEvent.error(document.querySelector('img')!)
    await vi.waitFor(() => expect(sources()).toEqual(['https://api.test/t0?signature=new']))
  })
})
