import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { Api, Problem, Unreachable } from '../src/lib/api'
import { fieldFaults, told, whyFailed } from '../src/lib/faults'
import { setLanguage } from '../src/lib/i18n.svelte'
import { generation } from './streams'

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

const refusal = (): Promise<unknown> => new Api('https://api', async () => 'token').styles().catch((error: unknown) => error)

describe('a refusal', () => {
  it('has its sentence, its fields with what is allowed, and how long to wait', async () => {
    backend.mockResolvedValue(json({ detail: 'width must be a multiple of 8.', errors: [{ field: 'width', message: 'must be a multiple of 8', allowed: '256 to 1024' }, { field: 'seed', message: 'is wrong' }] }, 400, { 'Retry-After': '7' }))
    const error = await refusal()
    expect(error).toBeInstanceOf(Problem)
    expect(error).toMatchObject({ status: 400, retryAfter: 7 })
    expect(told(error)).toBe('width must be a multiple of 8.')
    expect(fieldFaults(error)).toEqual({ width: 'must be a multiple of 8 – allowed: 256 to 1024', seed: 'is wrong.' })
  })

  it.each([
    [500, 'The service has trouble'],
    [503, 'The service has trouble'],
  ])('of status %d is told in words of the page', async (status, words) => {
    backend.mockResolvedValue(new Response('<html>', { status }))
    expect(told(await refusal())).toContain(words)
  })

  it('is not what no answer is', async () => {
    backend.mockRejectedValue(new TypeError('Failed to fetch'))
    const error = await refusal()
    expect(error).toBeInstanceOf(Unreachable)
    expect(told(error)).toContain('cannot be reached')
  })

  it('for too many pictures says when one of them will be there', async () => {
    backend.mockResolvedValue(json({ code: 'too_many_generations', detail: 'No more than 8.' }, 429, { 'Retry-After': '8' }))
    expect(told(await refusal())).toBe('You have as many pictures on their way as are allowed. Wait for one, about 8 s, or cancel one.')
  })
})

describe('in Vietnamese', () => {
  beforeAll(async () => {
    Object.defineProperty(document, 'fonts', { value: { load: async () => [] }, configurable: true })
    await setLanguage('vi')
  })
  afterAll(() => setLanguage('en'))

  const steps = { field: 'steps', code: 'out_of_range', message: 'must be <= 1500', allowed: 'whole numbers from 1 to 1500', limits: { minimum: 1, maximum: 1500 } }

  it('a refusal is told, with its numbers', async () => {
    backend.mockResolvedValue(json({ code: 'invalid', detail: 'steps must be <= 1500.', errors: [steps] }, 400))
    const error = await refusal()
    expect(fieldFaults(error)).toEqual({ steps: 'Từ 1 đến 1.500.' })
    expect(told(error)).toBe('Số bước: Từ 1 đến 1.500.')
    backend.mockResolvedValue(json({ code: 'already_finished', detail: 'It has succeeded already.' }, 409))
    expect(told(await refusal())).toBe('Hình này đã kết thúc: không còn gì để hủy.')
    backend.mockResolvedValue(json({ code: 'too_large', detail: 'The body is too large.', errors: [{ field: 'body', code: 'too_large', message: 'is too large', limits: { maximum: 20 * 1024 * 1024 } }] }, 413))
    expect(fieldFaults(await refusal())).toEqual({ body: 'Tối đa 20 MB.' })
  })

  it("what the page has no words for is told in the API's", async () => {
    backend.mockResolvedValue(json({ code: 'new_code', detail: 'Something new.', errors: [{ ...steps, code: 'newer' }, { ...steps, field: 'count', limits: {} }] }, 400))
    const error = await refusal()
    expect(told(error)).toBe('Something new.')
    expect(fieldFaults(error)).toEqual({ steps: 'must be <= 1500 – cho phép: whole numbers from 1 to 1500', count: 'must be <= 1500 – cho phép: whole numbers from 1 to 1500' })
  })

  it('a failed generation is told', () => {
    const failed = (code: string, message: string): string => {
      const one = generation('1', 'failed', { error: { code, message } })
      one.request.style = 'Indochine'
      return whyFailed(one)
    }
    expect(failed('style_missing', 'The style “Indochine” is not on the image server any more.')).toContain('Phong cách Indochine không còn')
    expect(failed('failed_by_operator', 'Moved to another machine.')).toBe('Người vận hành dịch vụ đã dừng hình này: Moved to another machine.')
    expect(failed('of_tomorrow', 'In English.')).toBe('In English.')
    expect(failed('', '')).toContain('Dịch vụ đang gặp trục trặc')
  })
})
