import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Board } from '../../src/board/board'
import { listen } from '../../src/board/input'
import { onKey } from '../../src/board/keys'

/** What the board was told, as words. */
let told: string[]
let stage: HTMLElement
let deafen: () => void

beforeEach(() => {
  told = []
  stage = document.body.appendChild(document.createElement('div'))
  const say = (name: string) => (...values: unknown[]) => void told.push([name, ...values.filter((one) => typeof one !== 'object')].join(' '))
  const board = {
    begin: (_: unknown, __: unknown, pen: { pressed: boolean; rubber: boolean }) => told.push(pen.rubber ? 'begin rubber' : pen.pressed ? 'begin pressed' : 'begin'),
    move: (dots: unknown[]) => told.push(`move ${dots.length}`),
    end: say('end'),
    cancel: say('cancel'),
    pan: say('pan'),
    zoom: (factor: number) => told.push(`zoom ${factor.toFixed(2)}`),
    hoverAt: () => {},
    toDot: ({ x, y }: { x: number; y: number }, pressure = 0.5) => ({ x, y, pressure }),
  }
  deafen = listen(stage, board as unknown as Board)
})
afterEach(() => {
  deafen()
  stage.remove()
})

function point(type: string, pointerType: string, pointerId: number, x: number, y: number, more: PointerEventInit = {}): void {
  stage.dispatchEvent(new PointerEvent(`pointer${type}`, { pointerType, pointerId, clientX: x, clientY: y, bubbles: true, cancelable: true, ...more }))
}

describe('on the board', () => {
  it('the mouse draws with its first button only', () => {
    point('down', 'mouse', 1, 0, 0)
    point('move', 'mouse', 1, 5, 5)
    point('up', 'mouse', 1, 5, 5)
    point('down', 'mouse', 1, 0, 0, { button: 2 })
    point('up', 'mouse', 1, 0, 0, { button: 2 })
    expect(told).toEqual(['begin', 'move 1', 'end'])
  })

  it('the middle button moves the paper', () => {
    point('down', 'mouse', 1, 10, 10, { button: 1 })
    point('move', 'mouse', 1, 15, 7)
    point('up', 'mouse', 1, 15, 7, { button: 1 })
    point('move', 'mouse', 1, 99, 99)
    expect(told).toEqual(['pan 5 -3'])
  })

  it('the mouse moves the paper while Space is held, also when it was let go in between', () => {
    const space = (type: string) => stage.dispatchEvent(new KeyboardEvent(type, { key: ' ', bubbles: true, cancelable: true }))
    expect(space('keydown'), 'the page does not scroll').toBe(false)
    point('down', 'mouse', 1, 10, 10)
    point('move', 'mouse', 1, 15, 7)
    space('keyup')
    point('move', 'mouse', 1, 16, 7)
    point('up', 'mouse', 1, 16, 7)
    point('down', 'mouse', 1, 0, 0)
    expect(told).toEqual(['pan 5 -3', 'pan 1 0', 'begin'])
  })

  it('one finger draws; a second one means that both move the paper, and what was begun was not meant', () => {
    point('down', 'touch', 1, 0, 0)
    point('move', 'touch', 1, 1, 0)
    point('down', 'touch', 2, 101, 0)
    point('move', 'touch', 2, 201, 0)
    point('up', 'touch', 2, 201, 0)
    point('move', 'touch', 1, 9, 9)
    point('up', 'touch', 1, 9, 9)
    expect(told).toEqual(['begin', 'move 1', 'cancel', 'pan 50 0', 'zoom 2.00', 'pan 8 9'])
  })

  it('a finger draws again when all were lifted', () => {
    point('down', 'touch', 1, 0, 0)
    point('down', 'touch', 2, 50, 0)
    point('up', 'touch', 1, 0, 0)
    point('up', 'touch', 2, 50, 0)
    told = []
    point('down', 'touch', 3, 0, 0)
    point('up', 'touch', 3, 0, 0)
    expect(told).toEqual(['begin', 'end'])
  })

  it('a finger moves the paper once there is a pen; a resting hand does nothing while the pen draws', () => {
    point('down', 'pen', 1, 0, 0)
    point('down', 'touch', 2, 300, 300)
    point('move', 'touch', 2, 310, 300)
    point('up', 'touch', 2, 310, 300)
    point('up', 'pen', 1, 0, 0)
    expect(told).toEqual(['begin pressed', 'end'])
    told = []
    point('down', 'touch', 3, 0, 0)
    point('move', 'touch', 3, 4, 6)
    point('up', 'touch', 3, 4, 6)
    expect(told).toEqual(['pan 4 6'])
  })

  it('the other end of a pen is an eraser', () => {
    point('down', 'pen', 1, 0, 0, { button: 5 })
    expect(told).toEqual(['begin rubber'])
  })

  it('what the system takes away was not drawn', () => {
    point('down', 'touch', 1, 0, 0)
    point('cancel', 'touch', 1, 0, 0)
    expect(told).toEqual(['begin', 'cancel'])
  })

  it('no point between two frames is lost', () => {
    point('down', 'mouse', 1, 0, 0)
    const event = new PointerEvent('pointermove', { pointerType: 'mouse', pointerId: 1 })
    event.getCoalescedEvents = () => [1, 2, 3].map((clientX) => new PointerEvent('pointermove', { clientX }))
    stage.dispatchEvent(event)
    expect(told.at(-1)).toBe('move 3')
  })

  it('the wheel zooms', () => {
    const turn = (deltaY: number, more: WheelEventInit = {}) => stage.dispatchEvent(new WheelEvent('wheel', { deltaY, cancelable: true, ...more }))
    expect(turn(-100), 'the page does not scroll').toBe(false)
    turn(100)
    turn(40, { shiftKey: true })
    expect(told).toEqual(['zoom 1.16', 'zoom 0.86', 'pan -40 0'])
  })
})

describe('keys', () => {
  const press = (key: string, more: KeyboardEventInit = {}, target: Element = document.body): [string[], boolean] => {
    const done: string[] = []
    const board = new Proxy({}, { get: (_, name) => (value?: number) => done.push(value ? `${String(name)} ${value.toFixed(1)}` : String(name)) }) as Board
    const event = new KeyboardEvent('keydown', { key, ...more })
    Object.defineProperty(event, 'target', { value: target })
    const taken = onKey(board, event, { choose: (tool) => done.push(tool), toggleGrid: () => done.push('grid') })
    return [done, taken]
  }

  it.each<[string, KeyboardEventInit, string]>([
    ['b', {}, 'pen'],
    ['E', {}, 'eraser'],
    ['l', {}, 'line'],
    ['r', {}, 'rectangle'],
    ['g', {}, 'grid'],
    ['0', {}, 'fit'],
    ['+', {}, 'zoom 1.3'],
    ['-', {}, 'zoom 0.8'],
    ['z', { ctrlKey: true }, 'undo'],
    ['Z', { ctrlKey: true, shiftKey: true }, 'redo'],
    ['z', { metaKey: true }, 'undo'],
    ['y', { ctrlKey: true }, 'redo'],
  ])('%s %o', (key, more, does) => expect(press(key, more)).toEqual([[does], true]))

  it('are the browser’s own with other modifiers, and in lists', () => {
    expect(press('r', { ctrlKey: true })).toEqual([[], false])
    expect(press('l', { altKey: true })).toEqual([[], false])
    expect(press('r', {}, document.createElement('select'))).toEqual([[], false])
    expect(press('x')).toEqual([[], false])
  })
})
