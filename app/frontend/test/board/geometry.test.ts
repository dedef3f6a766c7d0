import { describe, expect, it } from 'vitest'
import { constrained, distanceTo, simplified, squared } from '../../src/board/geometry'
import { History } from '../../src/board/history'
import { fitted, held, toPaper, toScreen, zoomed } from '../../src/board/view'

const at = (x: number, y: number) => ({ x, y })

describe('with Shift', () => {
  it.each([
    [at(100, 12), at(100, 0)],
    [at(-100, -9), at(-100, 0)],
    [at(7, 80), at(0, 80)],
    [at(60, 40), at(50, 50)],
    [at(-60, 40), at(-50, 50)],
  ])('a line to %o ends at %o', (to, end) => {
    const found = constrained(at(0, 0), to)
    expect(found.x).toBeCloseTo(end.x)
    expect(found.y).toBeCloseTo(end.y)
  })

  it('a rectangle is a square on the side that the hand is on', () => {
    expect(squared(at(10, 10), at(-30, 25))).toEqual(at(-30, 50))
    expect(squared(at(10, 10), at(12, -5))).toEqual(at(25, -5))
  })
})

describe('a line with fewer points', () => {
  it('keeps its ends and its corners, and nothing else', () => {
    const corner = [...Array.from({ length: 50 }, (_, n) => at(n, 0)), ...Array.from({ length: 50 }, (_, n) => at(49, n + 1))]
    expect(simplified(corner, 0.5)).toEqual([at(0, 0), at(49, 0), at(49, 50)])
  })

  it('stays within the tolerance', () => {
    const wave = Array.from({ length: 400 }, (_, n) => at(n, 30 * Math.sin(n / 20)))
    const few = simplified(wave, 0.7)
    expect(few.length).toBeLessThan(100)
    for (const point of wave) {
      const off = Math.min(...few.slice(1).map((end, n) => distanceTo(point, few[n]!, end)))
      expect(off).toBeLessThanOrEqual(0.7)
    }
  })

  it('may be as long as the edge of a photograph', () => {
    const zigzag = Array.from({ length: 4000 }, (_, n) => at(n, n % 2))
    expect(simplified(zigzag, 0.1)).toHaveLength(4000)
  })
})

describe('what was done', () => {
  it('is undone and done again, in order', () => {
    const history = new History('nothing')
    for (const state of ['one', 'two', 'three']) history.push(state)
    history.undo()
    history.undo()
    expect([history.present, history.canUndo, history.canRedo]).toEqual(['one', true, true])
    history.redo()
    expect(history.present).toBe('two')
    history.push('other')
    expect(history.canRedo).toBe(false)
    for (let n = 0; n < 9; n++) history.undo()
    expect([history.present, history.canUndo]).toEqual(['nothing', false])
  })

  it('is no step when nothing was changed', () => {
    const history = new History('same')
    history.push('same')
    expect(history.canUndo).toBe(false)
  })

  it('can be undone for as long as anybody draws', () => {
    const history = new History(0)
    for (let n = 1; n <= 900; n++) history.push(n)
    for (let n = 0; n < 900; n++) history.undo()
    expect(history.present).toBe(0)
  })
})

describe('the view', () => {
  const paper = { width: 768, height: 512 }

  it('fits the whole paper into the middle', () => {
    const stage = { width: 360, height: 500 }
    const view = fitted(stage, paper, 10)
    expect(view.scale).toBeCloseTo(340 / 768)
    expect(toScreen(view, at(384, 256))).toEqual(at(180, 250))
  })

  it('zooms around the finger', () => {
    let view = { scale: 1, x: 30, y: -20 }
    const finger = at(140, 75)
    const before = toPaper(view, finger)
    for (const factor of [1.4, 3, 0.2, 2]) view = zoomed(view, factor, finger)
    expect(toPaper(view, finger).x).toBeCloseTo(before.x)
    expect(toPaper(view, finger).y).toBeCloseTo(before.y)
  })

  it('never loses the paper', () => {
    const stage = { width: 360, height: 500 }
    for (const far of [-1e6, 1e6]) {
      const view = held({ scale: 0.5, x: far, y: far }, stage, paper)
      expect(view.x).toBeLessThan(stage.width)
      expect(view.x + paper.width * 0.5).toBeGreaterThan(0)
      expect(view.y).toBeLessThan(stage.height)
      expect(view.y + paper.height * 0.5).toBeGreaterThan(0)
    }
  })
})
