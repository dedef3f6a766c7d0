/** A backend for tests of what follows generations: answers and streams are given by hand. */
import type { Api, Generation, State } from '../src/lib/api'

export const generation = (id: string, state: State = 'queued', more: Partial<Generation> = {}): Generation => ({
  id,
  kind: 'text',
  state,
  createdAt: `2026-01-01T00:00:${id.padStart(2, '0')}.000Z`,
  request: { prompt: `room ${id}`, seed: 1, width: 512, height: 512, steps: 25, guidance: 7, count: 1 },
  images: [],
  ...more,
})

export interface Open {
  id: string
  lastEventId: string | null
  send(event: string, data: object, id?: string): void
  end(): void
}

export class FakeApi {
  opened: Open[] = []
  /** Generations whose stream is open now. */
  open = new Set<string>()
  /** Statuses that the next streams are refused with. */
  refusals: number[] = []
  known = new Map<string, Generation>()
  cancelled: string[] = []

  address = (path: string): string => `http://backend${path}`

  authorised = async (url: string | URL, init: RequestInit): Promise<Response> => {
    const refused = this.refusals.shift()
    if (refused) return new Response(null, { status: refused })
    const id = String(url).split('/').at(-2)!
    const encoder = new TextEncoder()
    let control!: ReadableStreamDefaultController<Uint8Array>
    const closed = (): void => void this.open.delete(id)
    const body = new ReadableStream<Uint8Array>({ start: (given) => void (control = given), cancel: closed })
    this.open.add(id)
    init.signal?.addEventListener('abort', closed)
    if (init.signal?.aborted) closed()
    this.opened.push({
      id,
      lastEventId: new Headers(init.headers).get('Last-Event-ID'),
      send: (event, data, eventId) => control.enqueue(encoder.encode(`${eventId ? `id: ${eventId}\n` : ''}retry: 20\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`)),
      end: () => control.close(),
    })
    return new Response(body, { headers: { 'Content-Type': 'text/event-stream' } })
  }

  generation = async (id: string): Promise<Generation> => this.known.get(id)!
  generations = async ({ state }: { state?: State }): Promise<{ items: Generation[] }> => ({ items: [...this.known.values()].filter((one) => !state || one.state === state) })
  cancel = async (id: string): Promise<Generation> => (this.cancelled.push(id), { ...this.known.get(id)!, state: 'cancelled' })

  get asApi(): Api {
    return this as unknown as Api
  }
}
