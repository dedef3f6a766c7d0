/** Drawings of the same room in many hands: the lines are known, so what is found can be held against them. */
import sharp from 'sharp'

export const SIZE = { width: 640, height: 480 }

/** A room in perspective with a sofa, a window and a lamp. `ink`, `width` of the strokes, `ground` (or none). */
export function roomSvg({ ink = 'black', stroke = 4, ground = 'white', more = '', width = SIZE.width, height = SIZE.height } = {}) {
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 640 480">
    ${ground ? `<rect width="640" height="480" fill="${ground}"/>` : ''}
    <g fill="none" stroke="${ink}" stroke-width="${stroke}" stroke-linecap="round" stroke-linejoin="round">
      <rect x="160" y="110" width="320" height="210"/>
      <path d="M20 20L160 110M620 20L480 110M20 460L160 320M620 460L480 320"/>
      <rect x="270" y="140" width="100" height="90"/><path d="M320 140V230M270 185H370"/>
      <path d="M190 380q0-50 40-50h150q40 0 40 50v40h-230z"/><path d="M305 330v90"/>
      <circle cx="520" cy="250" r="24"/><path d="M520 274V400M495 400H545"/>
    </g>${more}</svg>`
}

export const drawn = (options) => sharp(Buffer.from(roomSvg(options)))

/** Where the lines are: white on black. */
export const truth = async (options = {}) => pixelsOf(await drawn({ ...options, ink: 'white', ground: 'black' }).png().toBuffer())

/** Grey bytes of a picture. */
export async function pixelsOf(bytes) {
  const { data, info } = await sharp(bytes).toColourspace('b-w').removeAlpha().raw().toBuffer({ resolveWithObject: true })
  return { data, width: info.width, height: info.height }
}

/** Add grain of this many greys to an opaque picture, the same each time. */
export async function grained(picture, amount, shade = () => 0) {
  const { data, info } = await picture.removeAlpha().raw().toBuffer({ resolveWithObject: true })
  let seed = 1
  const random = () => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647
  for (let at = 0, pixel = 0; at < data.length; pixel++) {
    const bell = (random() + random() + random() + random() - 2) * 1.73 * amount
    const shadow = shade((pixel % info.width) / info.width, Math.floor(pixel / info.width) / info.height)
    for (let channel = 0; channel < info.channels; channel++, at++) {
      data[at] = Math.min(255, Math.max(0, data[at] + bell + (random() - 0.5) * amount + shadow))
    }
  }
  return sharp(data, { raw: { width: info.width, height: info.height, channels: info.channels } })
}

/** Hands that draw: each a promise of bytes whose lines are those of `truth`. */
export function hands() {
  const png = (options) => drawn(options).png().toBuffer()
  return {
    'black on white': png(),
    'white on black': png({ ink: 'white', ground: 'black' }),
    'blue on yellow paper': png({ ink: '#2040c0', ground: '#f4e8a0' }),
    'red on grey paper': png({ ink: '#c02020', ground: '#9a9a9a' }),
    'orange on grey paper as light as it': png({ ink: '#f08010', ground: '#989898' }),
    'faint pencil': png({ ink: '#d8d8d8' }),
    'chalk on green': png({ ink: '#e8e8e0', ground: '#2c5040' }),
    'dark strokes on a transparent canvas': png({ ink: '#202020', ground: null }),
    'light strokes on a transparent canvas': png({ ink: '#f4f4f4', ground: null }),
    'a JPEG of low quality': drawn().jpeg({ quality: 25 }).toBuffer(),
    'grainy paper': grained(drawn({ ink: '#303030', ground: '#e4e0d4' }), 9).then((one) => one.jpeg({ quality: 70 }).toBuffer()),
    'a photograph with a shadow': grained(drawn({ ink: '#303030', ground: '#f0eee8' }), 5, (x, y) => -110 * x - 40 * y * y).then((one) => one.jpeg({ quality: 80 }).toBuffer()),
    'pencil under a lamp': grained(drawn({ ink: '#909090', ground: '#d0ccc4' }), 4, (x, y) => 40 - 120 * ((x - 0.4) ** 2 + (y - 0.4) ** 2)).then((one) => one.jpeg({ quality: 80 }).toBuffer()),
    'sixteen bits': drawn().toColourspace('rgb16').png().toBuffer(),
    'sixteen bits of grey': drawn().toColourspace('grey16').png().toBuffer(),
    'a palette': drawn().png({ palette: true, colours: 4 }).toBuffer(),
    'CMYK': drawn().flatten().toColourspace('cmyk').jpeg().toBuffer(),
    'WebP': drawn().webp({ quality: 60 }).toBuffer(),
  }
}
