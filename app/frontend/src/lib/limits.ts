/** What the API allows, read from its own description. */
export interface Range {
  minimum: number
  maximum: number
}

export interface Limits {
  prompt: number
  negativePrompt: number
  side: Range
  steps: Range
  guidance: Range
  count: Range
  seed: Range
  styleStrength: Range
  sketchStrength: Range
  sketchEnd: Range
}

interface Property extends Partial<Range> {
  maxLength?: number
}

interface OpenApi {
  paths?: Record<string, { post?: { requestBody?: { content?: Record<string, { schema?: { properties?: Record<string, Property> } }> } } }>
}

export function readLimits(document: unknown): Limits {
  const properties = (document as OpenApi).paths?.['/api/generations']?.post?.requestBody?.content?.['application/json']?.schema?.properties
  const range = (name: string): Range => {
    const { minimum, maximum } = properties?.[name] ?? {}
    if (minimum === undefined || maximum === undefined) throw new Error(`The API does not say what it allows for ${name}.`)
    return { minimum, maximum }
  }
  const length = (name: string): number => {
    const { maxLength } = properties?.[name] ?? {}
    if (maxLength === undefined) throw new Error(`The API does not say how long ${name} may be.`)
    return maxLength
  }
  return {
    prompt: length('prompt'),
    negativePrompt: length('negativePrompt'),
    side: range('width'),
    steps: range('steps'),
    guidance: range('guidance'),
    count: range('count'),
    seed: range('seed'),
    styleStrength: range('styleStrength'),
    sketchStrength: range('sketchStrength'),
    sketchEnd: range('sketchEnd'),
  }
}

/** The value, or the one nearest to it that is allowed. */
export const within = (value: number, { minimum, maximum }: Range): number => Math.min(maximum, Math.max(minimum, value))
