/** The only module that talks to the backend. */

/** What is wrong with a field: by code and numbers for the page's own words, and in the API's English. */
export interface FieldError {
  field: string
  code?: string
  message: string
  allowed?: string
  limits?: Record<string, number>
}

interface Refusal {
  code?: string
  detail?: string
  errors?: FieldError[]
}

/** The backend refused (application/problem+json). */
export class Problem extends Error {
  readonly code: string | undefined
  readonly errors: FieldError[]
  constructor(
    readonly status: number,
    { code, detail = '', errors = [] }: Refusal = {},
    /** Seconds until it is worth another try. */
    readonly retryAfter?: number,
  ) {
    super(detail)
    this.code = code
    this.errors = errors
  }
}

/** There was no answer: no network, or nobody there. */
export class Unreachable extends Error {}

export type State = 'queued' | 'running' | 'succeeded' | 'failed' | 'cancelled'
export const isFinal = (state: State): boolean => state !== 'queued' && state !== 'running'

export interface Picture {
  n: number
  url: string
  thumbnailUrl: string
  width: number
  height: number
  bytes?: number
}

export interface Wish {
  prompt: string
  negativePrompt?: string
  style?: string
  styleStrength?: number
  seed?: number
  width?: number
  height?: number
  steps?: number
  guidance?: number
  count?: number
  sketchId?: string
  sketchStrength?: number
  sketchEnd?: number
}

export interface Gpu {
  state: 'asleep' | 'stopping' | 'waking' | 'ready' | 'unreachable'
  etaSeconds?: number
}

export interface Generation {
  id: string
  kind: 'text' | 'sketch'
  state: State
  createdAt: string
  startedAt?: string
  finishedAt?: string
  position?: number
  etaSeconds?: number
  gpu?: Gpu
  request: Wish & { seed: number; width: number; height: number; steps: number; guidance: number; count: number }
  error?: { code: string; message: string }
  images: Picture[]
  sketchUrl?: string
  favourite?: boolean
  sharedUntil?: string
  recipe?: Record<string, unknown>
}

export interface Style {
  name: string
  title: string
  triggerWord?: string
  recommendedStrength?: number
  thumbnailUrl?: string
  offered: Record<'text' | 'sketch', boolean | null>
}

export interface Sketch {
  id: string
  width: number
  height: number
  url: string
}

export interface Page {
  items: Generation[]
  next?: string
}

export interface Shared {
  kind: 'text' | 'sketch'
  createdAt: string
  expiresAt: string
  style?: string
  images: Picture[]
  sketchUrl?: string
}

export interface Filter {
  favourite?: boolean
  style?: string
  state?: State
}

/** Where the access token comes from; `renew` when the one given was refused. Undefined: signed out. */
export type TokenSource = (renew?: boolean) => Promise<string | undefined>

const PICTURE_MS = 60_000
const ANSWER_MS = 20_000

export class Api {
  constructor(
    readonly origin: string,
    private readonly token: TokenSource,
  ) {}

  /** A path that the API gave, as an address for an <img>. */
  address(path: string): string {
    return this.origin + path
  }

  async generate(wish: Wish, key: string): Promise<{ id: string }> {
    return this.json('POST', '/api/generations', wish, { 'Idempotency-Key': key })
  }

  generations(filter: Filter, { cursor, limit = 24 }: { cursor?: string; limit?: number } = {}): Promise<Page> {
    const asked = new URLSearchParams({ limit: String(limit) })
    if (cursor) asked.set('cursor', cursor)
    if (filter.state) asked.set('state', filter.state)
    if (filter.style) asked.set('style', filter.style)
    if (filter.favourite) asked.set('favourite', 'true')
    return this.json('GET', `/api/generations?${asked}`)
  }

  generation(id: string): Promise<Generation> {
    return this.json('GET', `/api/generations/${id}`)
  }

  cancel(id: string): Promise<Generation> {
    return this.json('DELETE', `/api/generations/${id}`)
  }

  favour(id: string, favourite: boolean): Promise<Generation> {
    return this.json('PATCH', `/api/generations/${id}`, { favourite })
  }

  async remove(id: string): Promise<void> {
    await this.answer('DELETE', `/api/generations/${id}/record`)
  }

  share(id: string, seconds: number): Promise<{ token: string; expiresAt: string }> {
    return this.json('POST', `/api/generations/${id}/shares`, { seconds })
  }

  async unshare(id: string): Promise<void> {
    await this.answer('DELETE', `/api/generations/${id}/shares`)
  }

  shared(token: string): Promise<Shared> {
    return this.json('GET', `/api/shared/${encodeURIComponent(token)}`, undefined, {}, false)
  }

  async styles(): Promise<Style[]> {
    return (await this.json<{ items: Style[] }>('GET', '/api/styles')).items
  }

  async upload(file: Blob): Promise<Sketch> {
    return (await this.answer('POST', '/api/sketches', file, { 'Content-Type': file.type })).json()
  }

  /** A drawing of one's own: signed addresses end, the token doesn't. */
  async sketch(id: string): Promise<Blob> {
    return (await this.answer('GET', `/api/sketches/${id}`)).blob()
  }

  openApi(): Promise<Record<string, unknown>> {
    return this.json('GET', '/api/openapi.json', undefined, {}, false)
  }

  /** Bytes of a picture at a path that the API gave. */
  async bytes(path: string): Promise<ArrayBuffer> {
    const answer = await reach(this.address(path), { signal: AbortSignal.timeout(PICTURE_MS) })
    if (!answer.ok) throw await problemOf(answer)
    return answer.arrayBuffer()
  }

  /** For the event stream: fetch with a token that is good now, whenever it connects. */
  authorised = async (url: string | URL, init: RequestInit): Promise<Response> => {
    const headers = new Headers(init.headers)
    headers.set('Authorization', `Bearer ${await this.token()}`)
    const first = await fetch(url, { ...init, headers })
    if (first.status !== 401) return first
    headers.set('Authorization', `Bearer ${await this.token(true)}`)
    return fetch(url, { ...init, headers })
  }

  private async json<T>(method: string, path: string, body?: object, headers: Record<string, string> = {}, secured = true): Promise<T> {
    const text = body === undefined ? undefined : JSON.stringify(body)
    const type: Record<string, string> = text === undefined ? {} : { 'Content-Type': 'application/json' }
    return (await this.answer(method, path, text, { ...type, ...headers }, secured)).json() as Promise<T>
  }

  private async answer(method: string, path: string, body?: BodyInit, headers: Record<string, string> = {}, secured = true): Promise<Response> {
    const ask = async (renew: boolean): Promise<Response> => {
      const token = secured ? await this.token(renew) : undefined
      if (secured && !token) throw new Problem(401)
      const all = { ...headers, ...(token ? { Authorization: `Bearer ${token}` } : {}) }
      return reach(this.origin + path, { method, body, headers: all, signal: AbortSignal.timeout(body instanceof Blob ? PICTURE_MS : ANSWER_MS) })
    }
    let answer = await ask(false)
    if (answer.status === 401 && secured) answer = await ask(true)
    if (!answer.ok) throw await problemOf(answer)
    return answer
  }
}

async function reach(url: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(url, init)
  } catch (error) {
    throw new Unreachable(String(error))
  }
}

async function problemOf(answer: Response): Promise<Problem> {
  const wait = Number(answer.headers.get('Retry-After')) || undefined
  const said = (await answer.json().catch(() => ({}))) as Refusal
  return new Problem(answer.status, said, wait)
}
