/** Draws, erases and moves on a full board, and takes the time of each frame. */
import { Board } from '../src/board/board'
import { dotAt } from '../src/board/hands'
import type { Dot, Stroke } from '../src/board/strokes'

export interface Figures {
  /** Frames a second that the browser got to. */
  fps: number
  /** Milliseconds of our own code in a frame: the median, and what 95 of 100 stay below. */
  work: [number, number]
}

const STAGE = { width: 1200, height: 760 }
const FRAMES = 150
const DOTS_A_FRAME = 4 // as many as a pen of 240 points a second tells in a frame
const [PAPER, KEYS, MOUSE] = [{ form: '3:2', width: 768, height: 512 }, { shift: false }, { pressed: true, rubber: false }]

const [ground, ink, hand] = document.querySelectorAll('canvas')
const board = new Board({ papers: [PAPER], key: 'bench', changed: () => {}, notKept: () => {} })
board.attach({ ground: ground!, ink: ink!, hand: hand! })
board.resize(STAGE, devicePixelRatio)

const frame = (): Promise<number> => new Promise((resolve) => requestAnimationFrame(resolve))

/** A stroke as a hand draws it: 120 points on a bent line somewhere on the paper. */
function scribble(n: number): Stroke {
  const [x, y] = [(n * 137) % 700, (n * 71) % 480]
  const dots = Array.from({ length: 120 }, (_, k) => dotAt({ x: x + k * 0.9, y: y + 18 * Math.sin(k / 9 + n) }, 0.3 + 0.4 * Math.abs(Math.sin(k / 20))))
  return { kind: 'pen', width: 4, pressed: true, dots }
}

/** The board paints in a frame of its own; what our own code takes is both, step and painting. */
async function measure(step: (n: number) => void): Promise<Figures> {
  const works: number[] = []
  await frame()
  const start = performance.now()
  for (let n = 0; n < FRAMES; n++) {
    const before = performance.now()
    step(n)
    let work = performance.now() - before
    const painted = performance.now()
    board.paint()
    work += performance.now() - painted
    works.push(work)
    await frame()
  }
  const seconds = (performance.now() - start) / 1000
  works.sort((a, b) => a - b)
  return { fps: FRAMES / seconds, work: [works[FRAMES / 2]!, works[Math.floor(FRAMES * 0.95)]!] }
}

async function run(strokes: number): Promise<Record<string, Figures | number>> {
  board.take(PAPER, Array.from({ length: strokes }, (_, n) => scribble(n)))
  board.fit()
  const opened = performance.now()
  board.paint()
  const first = performance.now() - opened

  const path = (n: number): Dot[] => Array.from({ length: DOTS_A_FRAME }, (_, k) => board.toDot({ x: 200 + (n * DOTS_A_FRAME + k) * 1.2, y: 380 + 150 * Math.sin((n * DOTS_A_FRAME + k) / 40) }, 0.6))
  const draw = async (rubber: boolean): Promise<Figures> => {
    board.begin(path(0), KEYS, { ...MOUSE, rubber })
    const found = await measure((n) => board.move(path(n), KEYS))
    board.end()
    await frame()
    return found
  }
  const drawing = await draw(false)
  const moving = await measure((n) => board.pan(n % 2 ? 3 : -2, 1))
  const zooming = await measure((n) => board.zoom(n < FRAMES / 2 ? 1.01 : 1 / 1.01))
  board.fit()
  const erasing = await draw(true)
  const cloned = performance.now()
  structuredClone(board.sheet)
  return { 'first painting, ms': first, drawing, erasing, moving, zooming, 'copy for keeping, ms': performance.now() - cloned }
}

Object.assign(globalThis, { run })
