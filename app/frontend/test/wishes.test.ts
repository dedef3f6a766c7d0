import { describe, expect, it } from 'vitest'
import { Draft, followed, INFLUENCES } from '../src/lib/draft.svelte'
import { readLimits, type Limits } from '../src/lib/limits'
import { FORMS, ratioOf, sizeOf } from '../src/lib/sizes'
import { compose, decompose, MOODS, ROOMS } from '../src/lib/words'
import type { Generation } from '../src/lib/api'

const range = (minimum: number, maximum: number): { minimum: number; maximum: number } => ({ minimum, maximum })
const LIMITS: Limits = { prompt: 1000, negativePrompt: 900, side: range(256, 1024), steps: range(1, 60), guidance: range(1, 20), count: range(1, 4), seed: range(0, 9), styleStrength: range(0, 2), sketchStrength: range(0, 2), sketchEnd: range(0, 1) }

describe('a prompt', () => {
  it('has the room first, then own words, then the moods in their order', () => {
    expect(compose({ room: 'kitchen', text: ' a long table, ', moods: ['linen', 'morning'] })).toBe('kitchen, a long table, soft morning light, natural linen fabric')
    expect(compose({ room: '', text: '', moods: [] })).toBe('')
  })

  it.each(ROOMS.flatMap(({ id }) => [['a sofa, two chairs'], ['']].map(([text]) => ({ room: id, text: text!, moods: [MOODS[1]!.id, MOODS[6]!.id] }))))('is taken apart again: $room, "$text"', (said) => {
    expect(decompose(compose(said))).toEqual(said)
  })

  it('of own words alone stays whole', () => expect(decompose('livings and rooms')).toEqual({ room: '', text: 'livings and rooms', moods: [] }))
})

describe('a size', () => {
  it.each(FORMS.flatMap((form) => (['standard', 'fine', 'finest'] as const).map((fineness) => [form, fineness] as const)))('%s, %s, is what the API takes', (form, fineness) => {
    const { width, height } = sizeOf(ratioOf(form), fineness, LIMITS)
    for (const side of [width, height]) {
      expect(side % 8).toBe(0)
      expect(side).toBeGreaterThanOrEqual(256)
      expect(side).toBeLessThanOrEqual(1024)
    }
    expect(Math.abs(width / height - ratioOf(form))).toBeLessThan(0.03)
  })

  it('is the size that the model was trained on, unless said otherwise', () => expect(sizeOf(1, 'standard', LIMITS)).toEqual({ width: 512, height: 512 }))
})

describe('a draft', () => {
  it('becomes a wish with nothing in it that was not chosen', () => {
    const draft = new Draft('key')
    draft.values.text = 'a room'
    expect(draft.wish(LIMITS)).toEqual({ prompt: 'a room', width: 512, height: 512, steps: 25, guidance: 7, count: 1 })
  })

  it('says how far a drawing is followed, and only when there is one', () => {
    const draft = new Draft('key')
    Object.assign(draft.values, { from: 'drawing', text: 'a room', form: 'drawing', influence: 'close', sketch: { id: 's', url: '/s', width: 800, height: 600 } })
    expect(draft.wish(LIMITS)).toMatchObject({ sketchId: 's', ...followed('close', LIMITS), width: 680, height: 512 })
    draft.values.from = 'words'
    expect(draft.wish(LIMITS)).not.toHaveProperty('sketchId')
  })

  it('asks for nothing that is not allowed, whatever was allowed when it was made', () => {
    const narrow: Limits = { ...LIMITS, steps: range(1, 20), guidance: range(1, 5), count: range(1, 2), styleStrength: range(0, 1), sketchStrength: range(0.6, 1), sketchEnd: range(0.6, 0.9) }
    const draft = new Draft('key')
    Object.assign(draft.values, { from: 'drawing', text: 'a room', steps: 50, guidance: 7, count: 4, style: 'Indochine', styleStrength: 2, sketch: { id: 's', url: '/s', width: 8, height: 8 } })
    expect(draft.wish(narrow)).toMatchObject({ steps: 20, guidance: 5, count: 2, styleStrength: 1 })
    const all = INFLUENCES.map((influence) => {
      draft.values.influence = influence
      const { sketchStrength, sketchEnd } = draft.wish(narrow)
      return [sketchStrength, sketchEnd]
    })
    expect(all).toEqual([[0.6, 0.6], [0.7, 0.7], [0.9, 0.85], [1, 0.9], [1, 0.9]])
  })

  it('is there again after a reload', () => {
    const draft = new Draft('key')
    Object.assign(draft.values, { text: 'kept', seed: 7, moods: ['oak'] })
    draft.save()
    expect(new Draft('key').values).toMatchObject({ text: 'kept', seed: 7, moods: ['oak'] })
    expect(new Draft('of another user').values.text).toBe('')
  })

  it('takes a recipe up: the same wish again, or with another seed', () => {
    const first = new Draft('key')
    Object.assign(first.values, { room: 'study', text: 'a desk', moods: ['oak'], style: 'Indochine', styleStrength: 0.6, form: '3:2', fineness: 'fine', seed: 5, count: 2, steps: 30 })
    const request = first.wish(LIMITS)
    const again = new Draft('another')
    again.take({ kind: 'text', request } as Generation)
    expect(again.wish(LIMITS)).toEqual(request)
    again.take({ kind: 'text', request } as Generation, { vary: true })
    expect(again.wish(LIMITS)).toEqual({ ...request, seed: undefined })
    const sketch = { ...request, sketchId: 's' }
    again.take({ kind: 'sketch', sketchUrl: '/s', request: { ...sketch, sketchStrength: 1.1 } } as Generation)
    expect(again.values.influence).toBe('close')
    again.take({ kind: 'sketch', sketchUrl: '/s', request: { ...sketch, sketchStrength: 1.95 } } as Generation)
    expect(again.values.influence, 'the nearest').toBe('exact')
  })
})

describe('limits', () => {
  const schema = (properties: object): unknown => ({ paths: { '/api/generations': { post: { requestBody: { content: { 'application/json': { schema: { properties } } } } } } } })
  const side = range(256, 1024)
  const all = { prompt: { maxLength: 1000 }, negativePrompt: { maxLength: 900 }, width: side, steps: range(1, 60), guidance: range(1, 20), count: range(1, 4), seed: range(0, 9), styleStrength: range(0, 2), sketchStrength: range(0, 2), sketchEnd: range(0, 1) }

  it('are those that the API describes', () => expect(readLimits(schema(all))).toEqual(LIMITS))

  it('that the API does not tell are a fault, not a guess', () => {
    for (const name of Object.keys(all)) expect(() => readLimits(schema({ ...all, [name]: {} })), name).toThrow(name)
    expect(() => readLimits({})).toThrow()
  })
})
