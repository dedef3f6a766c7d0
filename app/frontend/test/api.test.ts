import { afterEach, describe, expect, it, vi } from 'vitest'
import { Api, Problem, Unreachable } from '../src/lib/api'
import { fieldFaults, told } from '../src/lib/faults'

const json = (body: unknown, status = 200, headers = {}): Response => new Response(JSON.stringify(body), { status, headers })
const backend = vi.fn<typeof fetch>()
vi.stubGlobal('fetch', backend)
afterEach(() => backend.mockReset())

const sent = (call: number): Request => new Request(backend.mock.calls[call]![0] as string, backend.mock.calls[call]![1])

describe('the API', () => {
  it('is asked with the token, and with a new one once when that is refused', async () => {
    backend.mockResolvedValueOnce(json({}, 401)).mockResolvedValueOnce(json({ items: [] }))
    const token = vi.fn(async (renew?: boolean) => (renew ? 'new' : 'old'))
    expect(await new Api('https://api', token).styles()).toEqual([])
    expect([0, 1].map((call) => sent(call).headers.get('Authorization'))).toEqual(['Bearer old', 'Bearer new'])
    backend.mockImplementation(async () => json({ detail: 'no' }, 401))
    await expect(new Api('https://api', token).styles()).rejects.toMatchObject({ status: 401 })
    expect(backend).toHaveBeenCalledTimes(4)
  })

  it('is not asked at all when nobody is signed in', async () => {
    await expect(new Api('https://api', async () => undefined).styles()).rejects.toMatchObject({ status: 401 })
    expect(backend).not.toHaveBeenCalled()
  })

  it('shows links to whoever has them, without a token', async () => {
    backend.mockResolvedValue(json({ images: [] }))
    await new Api('https://api', async () => 'secret').shared('a b')
    expect([sent(0).url, sent(0).headers.get('Authorization')]).toEqual(['https://api/api/shared/a%20b', null])
  })

  it('sends a wish with its key', async () => {
    backend.mockResolvedValue(json({ id: '1' }, 202))
    await new Api('https://api', async () => 'token').generate({ prompt: 'x' }, 'key')
    expect(sent(0).headers.get('Idempotency-Key')).toBe('key')
  })

  it('asks for a page with its filter', async () => {
    backend.mockResolvedValue(json({ items: [] }))
    await new Api('https://api', async () => 'token').generations({ favourite: true, style: 'Art & Deco', state: 'succeeded' }, { cursor: 'c', limit: 5 })
    expect(Object.fromEntries(new URL(sent(0).url).searchParams)).toEqual({ limit: '5', cursor: 'c', favourite: 'true', style: 'Art & Deco', state: 'succeeded' })
  })
})

describe('a refusal', () => {
  const api = new Api('https://api', async () => 'token')

  it('has its sentence, its fields with what is allowed, and how long to wait', async () => {
    backend.mockResolvedValue(json({ detail: 'width must be a multiple of 8.', errors: [{ field: 'width', message: 'must be a multiple of 8', allowed: '256 to 1024' }, { field: 'seed', message: 'is wrong' }] }, 400, { 'Retry-After': '7' }))
    const error = await api.styles().catch((error: unknown) => error)
    expect(error).toBeInstanceOf(Problem)
    expect(error).toMatchObject({ status: 400, retryAfter: 7 })
    expect(told(error)).toBe('width must be a multiple of 8.')
    expect(fieldFaults(error)).toEqual({ width: 'must be a multiple of 8 – allowed: 256 to 1024', seed: 'is wrong.' })
  })

  it.each([
    [429, 'You have as many pictures on their way'],
    [500, 'The service has trouble'],
    [503, 'The service has trouble'],
  ])('of status %d is told in words of the page', async (status, words) => {
    backend.mockResolvedValue(new Response('<html>', { status }))
    expect(told(await api.styles().catch((error: unknown) => error))).toContain(words)
  })

  it('is not what no answer is', async () => {
    backend.mockRejectedValue(new TypeError('Failed to fetch'))
    const error = await api.styles().catch((error: unknown) => error)
    expect(error).toBeInstanceOf(Unreachable)
    expect(told(error)).toContain('cannot be reached')
  })
})
