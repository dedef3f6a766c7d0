import { fireEvent, render, screen } from '@testing-library/svelte'
import { describe, expect, it, vi } from 'vitest'
import { Problem } from '../src/lib/api'
import type { Studio } from '../src/lib/app.svelte'
import WishForm from '../src/parts/WishForm.svelte'
import InStudio from './InStudio.svelte'
import { backend, studioWith, wishOf } from './studio'

const { document: API } = backend()

const SKETCH = { id: '0b6cc5dd-6c9a-4d32-a2ea-3c4e3b0b3b52', url: '/api/sketches/x', width: 512, height: 512 }
// What the browser does not do in tests.
Element.prototype.scrollIntoView = () => {}

async function form(values: object = {}, answers: object = {}, api = API): Promise<Studio> {
  const studio = await studioWith(api, answers)
  Object.assign(studio.draft.values, { from: 'drawing', sketch: SKETCH, form: '1:1', text: 'a room', style: 'Indochine' }, values)
  render(InStudio, { studio, part: WishForm })
  await fireEvent.click(screen.getByText('Advanced'))
  return studio
}

const byId = (id: string): HTMLInputElement => document.getElementById(id) as HTMLInputElement
const group = (name: string): HTMLElement => screen.getByRole('group', { name })
const described = (element: Element): string[] => (element.getAttribute('aria-describedby') ?? '').split(' ').filter(Boolean).map((id) => document.getElementById(id)!.textContent)
const send = (): Promise<boolean> => fireEvent.submit(document.querySelector('form')!)

describe('every control of a wish', () => {
  it('has a name and a hint', async () => {
    await form()
    const controls = [
      ...['Begin with', 'Mood', 'Style', 'Format', 'Variations', 'Detail'].map(group),
      ...['room', 'prompt', 'influence', 'seed', 'steps', 'guidance', 'styleStrength', 'negativePrompt'].map(byId),
    ]
    for (const control of controls) {
      expect(described(control).join(' ').length, control.outerHTML.slice(0, 80)).toBeGreaterThan(10)
      if (control.id) expect(document.querySelector(`label[for=${control.id}]`)?.textContent, control.id).toBeTruthy()
    }
  })

  it.each([
    ['as they are', {}],
    ["of another stack's settings", { LIMIT_MAX_STEPS: '40', LIMIT_PROMPT_CHARACTERS: '300', LIMIT_PICTURE_MAX_SIDE: '640' }],
  ])('allows what the API allows, no more and no less: limits %s', async (_, settings) => {
    const api = backend(settings).document
    const wish = wishOf(api)
    await form({}, {}, api)
    for (const name of ['seed', 'steps', 'guidance', 'styleStrength']) {
      const { min, max } = byId(name)
      expect([name, Number(min), Number(max)]).toEqual([name, wish[name].minimum, wish[name].maximum])
    }
    expect(byId('negativePrompt').maxLength).toBe(wish.negativePrompt.maxLength)
    const counts = [...group('Variations').querySelectorAll('input')].map((one) => Number(one.value))
    expect([counts[0], counts.at(-1)]).toEqual([wish.count.minimum, wish.count.maximum])
  })

  it('of what is left out has a limit of its own', async () => {
    const api = structuredClone(API)
    wishOf(api).negativePrompt.maxLength = 77
    await form({}, {}, api)
    expect(byId('negativePrompt').maxLength).toBe(77)
  })

  it('that makes the prompt lets as much of it through as the API takes', async () => {
    const most = wishOf(API).prompt.maxLength
    const generate = vi.fn(async () => Promise.reject(new Problem(503)))
    const studio = await form({ text: 'x'.repeat(most + 1) }, { generate })
    await send()
    expect([described(byId('prompt')).at(-1), generate.mock.calls.length]).toEqual(['This is too long: 1,000 characters at most, with room and mood.', 0])
    studio.draft.values.text = 'x'.repeat(most)
    await send()
    await vi.waitFor(() => expect(generate).toHaveBeenCalledOnce())
  })

  it('has a control or an own place for each field that the API takes', () => {
    expect(Object.keys(wishOf(API)).sort()).toEqual(Object.keys(PLACES).sort())
  })
})

/** Where a fault of each field stands. */
const PLACES: Record<string, () => Element> = {
  prompt: () => byId('prompt'),
  negativePrompt: () => byId('negativePrompt'),
  style: () => group('Style'),
  styleStrength: () => byId('styleStrength'),
  seed: () => byId('seed'),
  width: () => group('Format'),
  height: () => group('Format'),
  steps: () => byId('steps'),
  guidance: () => byId('guidance'),
  count: () => group('Variations'),
  sketchId: () => screen.getByRole('button', { name: 'Another drawing' }),
  sketchStrength: () => byId('influence'),
  sketchEnd: () => byId('influence'),
}

describe('a fault that the API finds', () => {
  const refuse = (field: string) => ({
    generate: () => Promise.reject(new Problem(400, { code: 'invalid', detail: `${field} is wrong.`, errors: [{ field, code: 'out_of_range', message: 'is wrong', limits: { minimum: 3, maximum: 5 } }] })),
  })

  it.each(Object.keys(PLACES))('with %s stands there, and the focus with it', async (field) => {
    await form({}, refuse(field))
    await send()
    await vi.waitFor(() => expect(screen.getAllByText('From 3 to 5.')).toHaveLength(1))
    const place = PLACES[field]!()
    expect(described(place)).toContain('From 3 to 5.')
    await vi.waitFor(() => expect(place.contains(document.activeElement), document.activeElement?.outerHTML ?? '').toBe(true))
    expect(screen.getByText(/.+: From 3 to 5\.$/), 'named where the wish is sent').toBeTruthy()
  })

  it.each([
    ['a chip', () => fireEvent.click(screen.getByRole('button', { name: 'Walnut' }))],
    ['a choice', () => fireEvent.click(screen.getByRole('radio', { name: '4:3' }))],
    ['words', () => fireEvent.input(byId('prompt'), { target: { value: 'another room' } })],
  ])('is not said any longer once %s changed', async (_, change) => {
    await form({}, refuse('prompt'))
    await send()
    await vi.waitFor(() => expect(screen.getByText('From 3 to 5.')).toBeTruthy())
    await change()
    expect(screen.queryAllByText(/From 3 to 5/)).toEqual([])
  })
})
