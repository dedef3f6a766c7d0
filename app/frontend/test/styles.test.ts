import { render, screen } from '@testing-library/svelte'
import { afterEach, describe, expect, it, vi } from 'vitest'
import StylePicker from '../src/parts/StylePicker.svelte'
import InStudio from './InStudio.svelte'
import { STYLE, studioWith } from './studio'

const NEW = { ...STYLE, name: 'Verde', title: 'Verde, the green one', thumbnailUrl: '/api/styles/Verde-v1/thumbnail?signature=s' }

describe('the styles to choose from', () => {
  afterEach(() => vi.useRealTimers())

  it('come by themselves when they were trained meanwhile, with their published picture', async () => {
    vi.useFakeTimers()
    const styles = vi.fn(async () => [STYLE])
    const studio = await studioWith({}, { styles })
    const { unmount } = render(InStudio, { studio, part: StylePicker })
    expect(screen.queryByRole('radio', { name: /Verde/ })).toBeNull()
    styles.mockResolvedValue([STYLE, NEW])
    await vi.advanceTimersByTimeAsync(15_000)
    const tile = screen.getByRole('radio', { name: /Verde/ }).closest('label')!
    expect(tile.querySelector('img')!.getAttribute('src')).toBe(`https://api.test${NEW.thumbnailUrl}`)
    unmount()
    const asked = styles.mock.calls.length
    await vi.advanceTimersByTimeAsync(60_000)
    expect(styles.mock.calls.length, 'nobody asks for what nobody sees').toBe(asked)
  })

  it('stay as they were when they cannot be asked for', async () => {
    vi.useFakeTimers()
    const styles = vi.fn(async () => [STYLE, NEW])
    const studio = await studioWith({}, { styles })
    render(InStudio, { studio, part: StylePicker })
    styles.mockRejectedValue(new Error('offline'))
    await vi.advanceTimersByTimeAsync(15_000)
    expect(screen.getAllByRole('radio')).toHaveLength(3)
  })
})
