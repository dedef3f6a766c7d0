/**
 * Mouse, pen and fingers on the board. A pen draws, with its pressure; where there is a pen, a finger moves the paper. Without
 * one a finger draws. Two fingers always move and zoom: what the first had begun to draw was not meant.
 */
import type { Board } from './board'
import { distance, type Point } from './geometry'

const WHEEL = 0.0015 // of a zoom for each pixel that a wheel turns
const LINE_PX = 16
const [MIDDLE, ERASER_END] = [1, 5]
// MouseEvent.button; 5 is the other end of a pen (Pointer Events, 5.1.1.3).

export function listen(stage: HTMLElement, board: Board): () => void {
  const fingers = new Map<number, Point>()
  let drawing: number | undefined
  let panning: number | undefined
  let hasPen = false
  let isSpaceDown = false
  // After two fingers the last one on the glass draws nothing.
  let wasMoved = false

  const at = (event: MouseEvent): Point => {
    const { left, top } = stage.getBoundingClientRect()
    return { x: event.clientX - left, y: event.clientY - top }
  }
  const dots = (event: PointerEvent): ReturnType<Board['toDot']>[] => {
    // All points since the last frame: without them quick curves have corners.
    const all = event.getCoalescedEvents?.() ?? []
    return (all.length ? all : [event]).map((one) => board.toDot(at(one), one.pointerType === 'pen' ? one.pressure : undefined))
  }

  function down(event: PointerEvent): void {
    event.preventDefault()
    stage.focus({ preventScroll: true })
    // Who draws sees where; the ring is for who comes by keyboard.
    stage.dataset.byHand = ''
    if (event.pointerType === 'touch') return touched(event)
    if (event.pointerType === 'pen') hasPen = true
    if (drawing !== undefined || panning !== undefined) return
    capture(event)
    if (event.button === MIDDLE || isSpaceDown) return void ((panning = event.pointerId), fingers.set(event.pointerId, at(event)))
    if (event.button !== 0 && event.button !== ERASER_END) return
    draw(event)
  }

  function touched(event: PointerEvent): void {
    // A hand that rests on the glass while the pen draws.
    if (drawing !== undefined && !fingers.has(drawing)) return
    capture(event)
    fingers.set(event.pointerId, at(event))
    if (fingers.size === 1) wasMoved = hasPen
    if (fingers.size === 1 && !hasPen) return draw(event)
    if (drawing !== undefined) board.cancel()
    drawing = undefined
    wasMoved = true
  }

  function draw(event: PointerEvent): void {
    drawing = event.pointerId
    board.begin(dots(event), { shift: event.shiftKey }, { pressed: event.pointerType === 'pen', rubber: event.button === ERASER_END })
  }

  function move(event: PointerEvent): void {
    if (event.pointerId === drawing) {
      // Where it is when a second one comes.
      if (fingers.has(event.pointerId)) fingers.set(event.pointerId, at(event))
      return board.move(dots(event), { shift: event.shiftKey })
    }
    if (fingers.has(event.pointerId) && (wasMoved || event.pointerId === panning)) return moveFinger(event)
    if (event.pointerType !== 'touch') board.hoverAt(board.toDot(at(event)))
  }

  function moveFinger(event: PointerEvent): void {
    const before = [...fingers.values()].slice(0, 2)
    fingers.set(event.pointerId, at(event))
    const after = [...fingers.values()].slice(0, 2)
    const [from, to] = [middle(before), middle(after)]
    board.pan(to.x - from.x, to.y - from.y)
    if (after.length === 2) board.zoom(distance(after[0]!, after[1]!) / Math.max(1, distance(before[0]!, before[1]!)), to)
  }

  function up(event: PointerEvent): void {
    fingers.delete(event.pointerId)
    if (event.pointerId === panning) panning = undefined
    if (event.pointerId !== drawing) return
    drawing = undefined
    if (event.type === 'pointercancel') board.cancel()
    else board.end()
  }

  /** The wheel zooms where it points; with Shift it moves the paper sideways. */
  function wheel(event: WheelEvent): void {
    event.preventDefault()
    const unit = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? LINE_PX : 1
    if (event.shiftKey) return board.pan(-(event.deltaX || event.deltaY) * unit, 0)
    // Two fingers on a touchpad come as a wheel with Ctrl, in much smaller steps.
    board.zoom(Math.exp(-event.deltaY * unit * WHEEL * (event.ctrlKey ? 6 : 1)), at(event))
  }

  const space = (event: KeyboardEvent): void => {
    if (event.key === ' ') isSpaceDown = event.type === 'keydown' && event.target === stage
    if (isSpaceDown && event.key === ' ') event.preventDefault()
  }
  const blur = (): void => void delete stage.dataset.byHand
  const leave = (): void => board.hoverAt(undefined)
  const never = (event: Event): void => event.preventDefault()

  function capture(event: PointerEvent): void {
    // A pointer that is gone already cannot be held.
    if (event.isTrusted) stage.setPointerCapture(event.pointerId)
  }

  const all: [string, (event: never) => void, AddEventListenerOptions?][] = [
    ['pointerdown', down],
    ['pointermove', move],
    ['pointerup', up],
    ['pointercancel', up],
    ['pointerleave', leave],
    ['wheel', wheel, { passive: false }],
    ['contextmenu', never],
    ['blur', blur],
  ]
  for (const [name, on, options] of all) stage.addEventListener(name, on as EventListener, options)
  addEventListener('keydown', space)
  addEventListener('keyup', space)
  return () => {
    for (const [name, on] of all) stage.removeEventListener(name, on as EventListener)
    removeEventListener('keydown', space)
    removeEventListener('keyup', space)
  }
}

const middle = (points: readonly Point[]): Point => ({
  x: points.reduce((sum, { x }) => sum + x, 0) / points.length,
  y: points.reduce((sum, { y }) => sum + y, 0) / points.length,
})
