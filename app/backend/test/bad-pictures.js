/** Pictures that must not be taken, small enough to send, and how each is made. */
import { crc32, deflateSync } from 'node:zlib'
import sharp from 'sharp'

const SIDE = 30_000

/** A good drawing: one line on white. */
export function goodDrawing({ width = 200, height = 100 } = {}) {
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}"><rect width="100%" height="100%" fill="white"/><path d="M10 10 L${width - 10} ${height - 10}" stroke="black" stroke-width="4"/></svg>`
  return sharp(Buffer.from(svg))
}

/** All by name; each is bytes. */
export async function badPictures() {
  const [png, jpeg, webp] = await Promise.all([
    goodDrawing().png().toBuffer(),
    goodDrawing().jpeg().toBuffer(),
    goodDrawing().webp({ lossless: true }).toBuffer(),
  ])
  const pages = await Promise.all([goodDrawing().png().toBuffer(), goodDrawing().negate({ alpha: false }).png().toBuffer()])
  return {
    png,
    pngBomb: pngBomb(),
    jpegBomb: jpegOfSize(jpeg, SIDE, SIDE),
    webpBomb: webpOfSize(webp, 16_383, 16_383),
    pngOfManyPixels: await sharp({ create: { width: 5200, height: 5000, channels: 3, background: 'white' } }).png().toBuffer(),
    pngTruncated: png.subarray(0, png.length / 2),
    jpegTruncated: jpeg.subarray(0, jpeg.length / 2),
    webpTruncated: webp.subarray(0, webp.length - 20),
    pngOfWrongSum: broken(png),
    pngOfNoSize: pngOf(0, 0, Buffer.alloc(0)),
    pngHeadAlone: png.subarray(0, 8),
    gif: await goodDrawing().gif().toBuffer(),
    animatedWebp: await sharp(pages, { join: { animated: true } }).webp({ lossless: true }).toBuffer(),
    tiff: await goodDrawing().tiff().toBuffer(),
    avif: await goodDrawing().avif({ effort: 0 }).toBuffer(),
    svg: Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="99" height="99"><path d="M1 1L90 90" stroke="red"/></svg>'),
    svgThatReads: Buffer.from(
      '<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]><svg xmlns="http://www.w3.org/2000/svg" width="99" height="99"><text y="20">&x;</text></svg>',
    ),
    html: Buffer.from('<!doctype html><script>alert(1)</script>'),
    pdfWithJpeg: Buffer.concat([Buffer.from('%PDF-1.4\n'), jpeg]),
    gifWithPng: Buffer.concat([Buffer.from('GIF89a'), png]),
    noise: Buffer.from(Array.from({ length: 999 }, (_, at) => (at * 7919) % 251)),
    tiny: await sharp({ create: { width: 31, height: 400, channels: 3, background: 'white' } }).png().toBuffer(),
    blank: await sharp({ create: { width: 64, height: 64, channels: 3, background: 'white' } }).png().toBuffer(),
    transparent: await sharp({ create: { width: 64, height: 64, channels: 4, background: '#00000000' } }).png().toBuffer(),
  }
}

/** 900 million pixels of one bit in about 110 KB. */
function pngBomb() {
  return pngOf(SIDE, SIDE, deflateSync(Buffer.alloc(SIDE * (1 + SIDE / 8)), { level: 9 }))
}

function pngOf(width, height, data) {
  const header = Buffer.alloc(13)
  header.writeUInt32BE(width, 0)
  header.writeUInt32BE(height, 4)
  header[8] = 1 // bits a pixel, grey
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])
  return Buffer.concat([signature, chunk('IHDR', header), chunk('IDAT', data), chunk('IEND', Buffer.alloc(0))])
}

function chunk(name, data) {
  const body = Buffer.concat([Buffer.from(name), data])
  const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)]
  length.writeUInt32BE(data.length)
  sum.writeUInt32BE(crc32(body))
  return Buffer.concat([length, body, sum])
}

/** The same file that says it were of another size: what a decoder would set memory aside for. */
function jpegOfSize(jpeg, width, height) {
  const bytes = Buffer.from(jpeg)
  for (let at = 2; bytes[at] === 0xff; at += 2 + bytes.readUInt16BE(at + 2)) {
    if (bytes[at + 1] < 0xc0 || bytes[at + 1] > 0xc2) continue
    bytes.writeUInt16BE(height, at + 5)
    bytes.writeUInt16BE(width, at + 7)
    return bytes
  }
  throw new Error('no SOF in the JPEG')
}

function webpOfSize(webp, width, height) {
  const bytes = Buffer.from(webp)
  const at = bytes.indexOf('VP8L') + 9
  const flags = bytes.readUInt32LE(at) & 0xf0000000
  bytes.writeUInt32LE(((width - 1) | ((height - 1) << 14) | flags) >>> 0, at)
  return bytes
}

/** One bit of the pixels turned: the checksums are wrong then. */
function broken(png) {
  const bytes = Buffer.from(png)
  bytes[bytes.indexOf('IDAT') + 20] ^= 0x10
  return bytes
}
