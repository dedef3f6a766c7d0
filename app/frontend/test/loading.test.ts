import { fireEvent, render, screen } from '@testing-library/svelte'
import { createRawSnippet } from 'svelte'
import { describe, expect, it, vi } from 'vitest'
import { Problem, Unreachable } from '../src/lib/api'
import type { Studio } from '../src/lib/app.svelte'
import { loaded } from '../src/lib/loading'
import Drawing from '../src/parts/Drawing.svelte'
import Part from '../src/parts/Part.svelte'
import InStudio from './InStudio.svelte'
import { backend, studioWith } from './studio'

const children = createRawSnippet((found: () => string) => ({ render: () => `<p>${found()}</p>` }))

describe('a part of the page', () => {
  it('says that it comes, and then is there', async () => {
    render(Part<string>, { load: async () => 'the view', children })
    expect(screen.getByRole('status').textContent).toBe('Loading…')
    expect(await screen.findByText('the view')).toBeTruthy()
    expect(screen.queryByRole('status')).toBeNull()
  })

  it('that could not be had says so, and is asked for again', async () => {
    const away = new TypeError('Failed to fetch')
    const load = vi.fn<() => Promise<string>>().mockRejectedValueOnce(away).mockRejectedValueOnce(away).mockResolvedValue('the view')
    render(Part<string>, { load, children })
    await screen.findByText('This part of the page could not be loaded')
    await fireEvent.click(screen.getByRole('button', { name: 'Try again' }))
    await vi.waitFor(() => expect(document.activeElement).toBe(screen.getByRole('heading')))
    await fireEvent.click(screen.getByRole('button', { name: 'Try again' }))
    expect(await screen.findByText('the view')).toBeTruthy()
    expect(load).toHaveBeenCalledTimes(3)
  })

  it('waits while the page is loaded anew: Vite gives nothing then', async () => {
    render(Part<string>, { load: async () => undefined as unknown as string, children })
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(screen.getByRole('status').textContent).toBe('Loading…')
  })

  it('has its stylesheet asked for again when that failed before', async () => {
    const link = Object.assign(document.createElement('link'), { rel: 'stylesheet', href: '/assets/Pictures.css' })
    document.head.append(link)
    link.dispatchEvent(new Event('error'))
    const found = loaded(async () => 'the view')
    const again = document.querySelector<HTMLLinkElement>('link[href$="Pictures.css"]')!
    expect(again).not.toBe(link)
    again.dispatchEvent(new Event('error'))
    await expect(found).rejects.toBeInstanceOf(Unreachable)
    const later = loaded(async () => 'the view')
    document.querySelector('link[href$="Pictures.css"]')!.dispatchEvent(new Event('load'))
    expect(await later).toBe('the view')
    expect(document.querySelectorAll('link[href$="Pictures.css"]')).toHaveLength(1)
  })
})

describe('a drawing whose signed address has ended', () => {
  const { document: api } = backend()
  const SKETCH = { id: '0b6cc5dd-6c9a-4d32-a2ea-3c4e3b0b3b52', url: '/api/sketches/x?expires=1&signature=old', width: 512, height: 512 }
  URL.createObjectURL = () => 'blob:own'
  const revoked = (URL.revokeObjectURL = vi.fn())

  async function shown(sketch: (id: string) => Promise<Blob>): Promise<Studio> {
    const studio = await studioWith(api, { sketch })
    Object.assign(studio.draft.values, { from: 'drawing', sketch: SKETCH })
    render(InStudio, { studio, part: Drawing })
    await fireEvent.error(screen.getByAltText('Your drawing'))
    return studio
  }

  it("is fetched with its owner's token, and not held longer than it is shown", async () => {
    const sketch = vi.fn(async () => new Blob(['png']))
    const studio = await shown(sketch)
    await vi.waitFor(() => expect(screen.getByAltText<HTMLImageElement>('Your drawing').src).toBe('blob:own'))
    expect(sketch.mock.calls).toEqual([[SKETCH.id]])
    expect(revoked).not.toHaveBeenCalledWith('blob:own')
    studio.draft.values.sketch = undefined
    await vi.waitFor(() => expect(revoked).toHaveBeenCalledWith('blob:own'))
  })

  it('is left, and that is said, when it is no longer there', async () => {
    const studio = await shown(() => Promise.reject(new Problem(404, { code: 'not_found', detail: 'There is no drawing.' })))
    expect(await screen.findByText('The drawing is no longer there. Choose or draw it again.')).toBeTruthy()
    expect(studio.draft.values.sketch).toBeUndefined()
    expect(screen.getByText('Choose a drawing, or drop it here')).toBeTruthy()
  })

  it('stays, and can be asked for again, when there is no connection', async () => {
    const sketch = vi.fn<() => Promise<Blob>>().mockRejectedValueOnce(new Unreachable()).mockResolvedValue(new Blob(['png']))
    const studio = await shown(sketch)
    await screen.findByText(/cannot be reached/)
    expect(studio.draft.values.sketch?.id).toBe(SKETCH.id)
    await fireEvent.click(screen.getByRole('button', { name: 'Try again' }))
    expect((await screen.findByAltText<HTMLImageElement>('Your drawing')).src).toBe('blob:own')
  })
})
