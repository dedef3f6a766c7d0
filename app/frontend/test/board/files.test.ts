import { describe, expect, it } from 'vitest'
import { MOST_MEGABYTES, NotTaken, readPhoto } from '../../src/board/photo'
import { readSettings, SETTINGS } from '../../src/board/settings'
import { nearestPaper, onPaper, photoBox, readSheet, type Sheet } from '../../src/board/sheet'
import { line, type Stroke } from '../../src/board/strokes'
import { fromSvg, toSvg } from '../../src/board/svg'

const pen: Stroke = { kind: 'pen', width: 4, pressed: true, dots: [{ x: 1.5, y: 2, pressure: 0.25 }, { x: 30, y: 40.125, pressure: 1 }, { x: 60, y: 41, pressure: 0.5 }] }
const sheet: Sheet = { paper: { form: '3:2', width: 768, height: 512 }, strokes: [pen, line([{ x: 0, y: 0 }, { x: 10, y: 10 }], 2)] }

describe('a drawing as SVG', () => {
  it('is opened again as it was drawn', () => expect(fromSvg(toSvg(sheet))).toEqual({ paper: sheet.paper, strokes: sheet.strokes }))

  it('is what other programs know: size, white paper, black shapes', () => {
    const root = new DOMParser().parseFromString(toSvg(sheet), 'image/svg+xml').documentElement
    expect([root.nodeName, root.getAttribute('viewBox'), root.getAttribute('width')]).toEqual(['svg', '0 0 768 512', '768'])
    expect(root.querySelector('rect')!.getAttribute('fill')).toBe('#fff')
    expect([...root.querySelectorAll('path')].map((path) => [path.getAttribute('fill'), path.getAttribute('stroke')])).toEqual([
      ['#000', null],
      ['none', '#000'],
    ])
  })

  it.each([
    ['one of another program', '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><path d="M0 0L9 9"/></svg>'],
    ['no XML', 'GIF89a'],
    ['one with something else for a stroke', toSvg(sheet).replace('"kind":"pen"', '"kind":"script"')],
    ['one that is cut off', toSvg(sheet).slice(0, 300)],
    ['one whose points are not numbers', toSvg(sheet).replace('1.5,2,', 'null,2,')],
  ])('is not opened when it is %s', (_, text) => expect(fromSvg(text)).toBeUndefined())
})

describe('a sheet that was kept', () => {
  it('is read as it was', () => {
    const kept = structuredClone({ ...sheet, photo: { id: 'a', width: 4, height: 3 } })
    expect(readSheet(kept)).toEqual(kept)
  })

  it.each([undefined, null, 7, {}, { ...sheet, paper: { form: '1:1', width: 0, height: 5 } }, { ...sheet, strokes: [{ ...pen, dots: [] }] }, { ...sheet, strokes: [{ ...pen, dots: [{ x: 1, y: 1, pressure: 2 }] }] }, { ...sheet, strokes: [{ ...pen, dots: [{ x: NaN, y: 0, pressure: 1 }] }] }])(
    'is left alone when it cannot be used: %o',
    (kept) => expect(readSheet(kept)).toBeUndefined(),
  )

  it('is used without a photograph that is not whole', () => expect(readSheet({ ...sheet, photo: { id: 3 } })).toEqual(sheet))

  it('brings its settings, as far as they still exist', () => {
    const kept = { ...SETTINGS, tool: 'airbrush', smooth: false, opacity: '1', grid: { ...SETTINGS.grid, points: 3, horizon: 0.2 } }
    expect(readSettings(kept)).toEqual({ ...SETTINGS, smooth: false, grid: { ...SETTINGS.grid, horizon: 0.2 } })
    expect(readSettings(undefined)).toEqual(SETTINGS)
  })
})

describe('paper', () => {
  const papers = [{ form: '1:1', width: 512, height: 512 }, sheet.paper, { form: '2:3', width: 512, height: 768 }]

  it('of another form has the drawing in the same place of its middle', () => {
    const moved = onPaper(sheet, papers[2]!)
    expect(moved.paper.form).toBe('2:3')
    expect(moved.strokes[0]!.dots[0]).toEqual({ x: 1.5 - 128, y: 2 + 128, pressure: 0.25 })
    expect(onPaper(moved, sheet.paper).strokes).toEqual(sheet.strokes)
  })

  it.each([[{ width: 4000, height: 3000 }, '3:2'], [{ width: 900, height: 1000 }, '1:1'], [{ width: 10, height: 100 }, '2:3']])('for a photograph of %o is %s', (size, form) =>
    expect(nearestPaper(papers, size).form).toBe(form),
  )

  it('holds the whole photograph, in its middle', () => {
    expect(photoBox({ width: 400, height: 100 }, sheet.paper)).toEqual({ x: 0, y: 160, width: 768, height: 192 })
  })
})

describe('a photograph', () => {
  it('that is too large is refused before it is opened', async () => {
    const huge = Object.defineProperty(new Blob(['x']), 'size', { value: MOST_MEGABYTES * 1_000_000 + 1 })
    await expect(readPhoto(huge)).rejects.toThrow(new NotTaken('too-large'))
  })
})
