/** Text in PNG files: the recipe goes with the picture. An iTXt chunk, as prompts are Unicode (PNG specification, 11.3.3.4). */

const HEAD_BYTES = 8 + 4 + 4 + 13 + 4
// Signature, and the first chunk, which must stay the first.

export function withText(png: ArrayBuffer, keyword: string, text: string): Blob {
  const encode = new TextEncoder()
  const data = [...encode.encode(keyword), 0, 0, 0, 0, 0, ...encode.encode(text)]
  const body = new Uint8Array([...encode.encode('iTXt'), ...data])
  const chunk = new DataView(new ArrayBuffer(body.length + 8))
  chunk.setUint32(0, data.length)
  new Uint8Array(chunk.buffer).set(body, 4)
  chunk.setUint32(body.length + 4, crc32(body))
  return new Blob([png.slice(0, HEAD_BYTES), chunk.buffer, png.slice(HEAD_BYTES)], { type: 'image/png' })
}

function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1
  }
  return (crc ^ 0xffffffff) >>> 0
}
