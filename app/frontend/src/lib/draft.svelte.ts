/** What the designer is about to ask for. Kept in the browser, so that a reload loses nothing. */
import type { Generation, Sketch, Wish } from './api'
import { within, type Limits } from './limits'
import { ratioOf, sizeOf, type Fineness, type Form } from './sizes'
import { compose, decompose } from './words'

export const INFLUENCES = ['idea', 'loose', 'balanced', 'close', 'exact'] as const
export type Influence = (typeof INFLUENCES)[number]

/** How far a drawing is followed: how strongly, and for which part of the steps. */
const FOLLOWED: Record<Influence, { sketchStrength: number; sketchEnd: number }> = {
  idea: { sketchStrength: 0.5, sketchEnd: 0.5 },
  loose: { sketchStrength: 0.7, sketchEnd: 0.7 },
  balanced: { sketchStrength: 0.9, sketchEnd: 0.85 },
  close: { sketchStrength: 1.1, sketchEnd: 1 },
  exact: { sketchStrength: 1.4, sketchEnd: 1 },
}

/** The same as the API allows it. */
export function followed(influence: Influence, limits: Pick<Limits, 'sketchStrength' | 'sketchEnd'>): (typeof FOLLOWED)[Influence] {
  const { sketchStrength, sketchEnd } = FOLLOWED[influence]
  return { sketchStrength: within(sketchStrength, limits.sketchStrength), sketchEnd: within(sketchEnd, limits.sketchEnd) }
}

/** The choice that comes nearest to a strength. */
function influenceOf(strength = FOLLOWED.balanced.sketchStrength): Influence {
  const far = (one: Influence): number => Math.abs(FOLLOWED[one].sketchStrength - strength)
  return [...INFLUENCES].sort((a, b) => far(a) - far(b))[0]!
}

const EMPTY = {
  from: 'words' as 'words' | 'drawing',
  room: '',
  text: '',
  moods: [] as string[],
  style: '',
  styleStrength: undefined as number | undefined,
  form: '1:1' as Form,
  fineness: 'standard' as Fineness,
  count: 1,
  seed: undefined as number | undefined,
  steps: 25,
  guidance: 7,
  negative: undefined as string | undefined,
  sketch: undefined as Sketch | undefined,
  influence: 'balanced' as Influence,
}
export type Values = typeof EMPTY

export class Draft {
  values = $state<Values>({ ...EMPTY })

  constructor(readonly key: string) {
    try {
      Object.assign(this.values, JSON.parse(localStorage.getItem(key) ?? '{}'))
    } catch {
      // what is kept can't be read: a new one
    }
  }

  get prompt(): string {
    return compose(this.values)
  }

  save(): void {
    localStorage.setItem(this.key, JSON.stringify(this.values))
  }

  clear(): void {
    this.values = { ...EMPTY, from: this.values.from }
  }

  wish(limits: Limits): Wish {
    const { style, styleStrength, seed, steps, guidance, count, negative, sketch, from, influence } = this.values
    return {
      prompt: this.prompt,
      ...(negative !== undefined ? { negativePrompt: negative } : {}),
      ...(style ? { style, ...(styleStrength !== undefined ? { styleStrength: within(styleStrength, limits.styleStrength) } : {}) } : {}),
      ...(seed !== undefined ? { seed } : {}),
      ...this.size(limits),
      // A draft of before may have what is no longer allowed.
      steps: within(steps, limits.steps),
      guidance: within(guidance, limits.guidance),
      count: within(count, limits.count),
      ...(from === 'drawing' && sketch ? { sketchId: sketch.id, ...followed(influence, limits) } : {}),
    }
  }

  size(limits: Pick<Limits, 'side'>): { width: number; height: number } {
    const { form, fineness, from, sketch } = this.values
    const drawn = from === 'drawing' ? sketch : undefined
    return sizeOf(ratioOf(form === 'drawing' && !drawn ? '1:1' : form, drawn), fineness, limits)
  }

  /** The same wish again. vary: with another seed. */
  take({ request, kind, sketchUrl }: Generation, { vary = false } = {}): void {
    const { width, height, style = '', styleStrength, steps, guidance, count, seed, negativePrompt, sketchId } = request
    this.values = {
      ...EMPTY,
      ...decompose(request.prompt),
      from: kind === 'sketch' ? 'drawing' : 'words',
      style,
      styleStrength,
      ...nearest(width, height),
      count,
      seed: vary ? undefined : seed,
      steps,
      guidance,
      negative: negativePrompt,
      sketch: sketchId && sketchUrl ? { id: sketchId, url: sketchUrl, width, height } : undefined,
      influence: influenceOf(request.sketchStrength),
    }
    if (kind === 'sketch') this.values.form = 'drawing'
  }
}

/** Form and fineness that make a size, or come nearest to it. */
function nearest(width: number, height: number): { form: Form; fineness: Fineness } {
  const anything = { side: { minimum: 8, maximum: 8192 } }
  const all = (['1:1', '4:3', '3:2', '16:9', '3:4', '2:3'] as const).flatMap((form) =>
    (['standard', 'fine', 'finest'] as const).map((fineness) => ({ form, fineness, ...sizeOf(ratioOf(form), fineness, anything) })),
  )
  const far = (one: { width: number; height: number }): number => Math.abs(one.width - width) + Math.abs(one.height - height)
  const [best] = all.sort((a, b) => far(a) - far(b))
  return { form: best!.form, fineness: best!.fineness }
}
