/**
 * What a drawing was made on: its colour at every place, since a photographed sheet is lighter on one side than on the
 * other. A surface of the second degree is laid through the commonest colours of a grid of cells; cells that are filled
 * with something else don't pull at it.
 */
const CELLS = 24
// Along the longer side.
const MIN_CELL = 8
export const NEAR = 6
// Greys so far apart count as one: paper is never of one grey.
const STEPS = 8
const FIRST_REACH = 70
// At first, cells of about the commonest grey count: so much darker or lighter may a shadow be.
const REACH = 10
const EXPLAINED = 0.5

/**
 * @param {Uint8Array} rgb three bytes a pixel
 * @returns {(y: number) => Float32Array[]} the ground along a row, by channel; the next call overwrites it
 */
export function groundOf(rgb, { width, height }) {
  const side = Math.max(MIN_CELL, Math.ceil(Math.max(width, height) / CELLS))
  const cells = []
  for (let y = 0; y < height; y += side) {
    for (let x = 0; x < width; x += side) {
      cells.push(cellOf(rgb, width, { left: x, top: y, right: Math.min(x + side, width), bottom: Math.min(y + side, height) }))
    }
  }
  const all = new Float64Array(256)
  for (const cell of cells) for (let grey = 0; grey < 256; grey++) all[grey] += cell.histogram[grey]
  const most = commonest(all)
  for (const cell of cells) {
    cell.weight = cell.count / (1 + ((cell.grey - most) / FIRST_REACH) ** 4)
    cell.terms = terms((cell.x / width) * 2 - 1, (cell.y / height) * 2 - 1)
  }
  const surfaces = fit(cells) ?? even(cells, most)
  const rows = surfaces.map(() => new Float32Array(width))
  return (y) => {
    const v = (y * 2) / height - 1
    surfaces.forEach((s, channel) => {
      const [even, rise, bend] = [s[0] + v * (s[2] + s[5] * v), s[1] + s[4] * v, s[3]]
      const row = rows[channel]
      for (let x = 0; x < width; x++) {
        const u = (x * 2) / width - 1
        const value = even + u * (rise + bend * u)
        row[x] = value < 0 ? 0 : value > 255 ? 255 : value
      }
    })
    return rows
  }
}

const terms = (u, v) => [1, u, v, u * u, u * v, v * v]

/** A cell's commonest grey, and the mean colour of the pixels near it. */
function cellOf(rgb, width, { left, top, right, bottom }) {
  const histogram = new Uint32Array(256)
  for (let y = top; y < bottom; y++) {
    for (let at = 3 * (y * width + left), end = at + 3 * (right - left); at < end; at += 3) histogram[greyAt(rgb, at)]++
  }
  const grey = commonest(histogram)
  const colour = [0, 0, 0]
  let near = 0
  for (let y = top; y < bottom; y++) {
    for (let at = 3 * (y * width + left), end = at + 3 * (right - left); at < end; at += 3) {
      if (Math.abs(greyAt(rgb, at) - grey) > NEAR) continue
      near++
      for (let channel = 0; channel < 3; channel++) colour[channel] += rgb[at + channel]
    }
  }
  const count = (right - left) * (bottom - top)
  return { histogram, grey, count, colour: colour.map((sum) => sum / near), x: (left + right) / 2, y: (top + bottom) / 2 }
}

/** Grey of the pixel whose bytes begin there. */
export const greyAt = (rgb, at) => (77 * rgb[at] + 150 * rgb[at + 1] + 29 * rgb[at + 2] + 128) >> 8

/** The commonest grey, neighbours counted together. */
export function commonest(histogram) {
  let best = 0
  let most = -1
  for (let value = 0; value < 256; value++) {
    let sum = 0
    for (let near = Math.max(0, value - NEAR); near <= Math.min(255, value + NEAR); near++) {
      sum += histogram[near] * (NEAR + 1 - Math.abs(near - value))
    }
    if (sum > most) [best, most] = [value, sum]
  }
  return best
}

/** Surfaces of the three channels by least squares, cells that lie off weighing ever less; null when they explain too little. */
function fit(cells) {
  let surfaces = null
  let explained = 0
  for (let step = 0; step < STEPS; step++) {
    surfaces = [0, 1, 2].map((channel) => solve(cells, channel))
    if (surfaces.includes(null)) return null
    explained = 0
    let all = 0
    for (const cell of cells) {
      const off = Math.max(...surfaces.map((s, channel) => Math.abs(dot(s, cell.terms) - cell.colour[channel])))
      cell.weight = cell.count / (1 + (off / REACH) ** 4)
      all += cell.count
      if (off <= 2 * REACH) explained += cell.count
    }
    explained /= all
  }
  return explained >= EXPLAINED ? surfaces : null
}

/** The commonest colour everywhere. */
function even(cells, most) {
  const near = cells.filter((cell) => Math.abs(cell.grey - most) <= NEAR)
  const mean = (channel) => near.reduce((sum, cell) => sum + cell.colour[channel], 0) / near.length
  return [0, 1, 2].map((channel) => [near.length > 0 ? mean(channel) : most, 0, 0, 0, 0, 0])
}

const dot = (a, b) => a.reduce((sum, value, at) => sum + value * b[at], 0)

/** Weighted least squares by its normal equations (Gauss); null when the cells don't settle it. */
function solve(cells, channel) {
  const n = 6
  const rows = Array.from({ length: n }, () => new Float64Array(n + 1))
  for (const { terms: t, weight, colour } of cells) {
    for (let row = 0; row < n; row++) {
      for (let column = 0; column < n; column++) rows[row][column] += weight * t[row] * t[column]
      rows[row][n] += weight * t[row] * colour[channel]
    }
  }
  for (let pivot = 0; pivot < n; pivot++) {
    let best = pivot
    for (let row = pivot + 1; row < n; row++) if (Math.abs(rows[row][pivot]) > Math.abs(rows[best][pivot])) best = row
    if (Math.abs(rows[best][pivot]) < 1e-6) return null
    ;[rows[pivot], rows[best]] = [rows[best], rows[pivot]]
    for (let row = 0; row < n; row++) {
      if (row === pivot) continue
      const factor = rows[row][pivot] / rows[pivot][pivot]
      for (let column = pivot; column <= n; column++) rows[row][column] -= factor * rows[pivot][column]
    }
  }
  return rows.map((row, at) => row[n] / row[at])
}
