import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { withText } from '../src/lib/png'

it('the recipe is in the file, and a decoder that is not ours reads both', async () => {
  const png = readFileSync(join(import.meta.dirname, '../../../docs/first-pictures.png'))
  const bytes = new Uint8Array(png.length)
  bytes.set(png)
  const blob = withText(bytes.buffer, 'recipe', JSON.stringify({ prompt: 'một căn phòng' }))
  const file = join(mkdtempSync(join(tmpdir(), 'png-')), 'picture.png')
  const read = await new Promise<ArrayBuffer>((resolve) => {
    const reader = new FileReader()
    reader.onload = () => resolve(reader.result as ArrayBuffer)
    reader.readAsArrayBuffer(blob)
  })
  writeFileSync(file, new Uint8Array(read))
  const python = join(import.meta.dirname, '../../../.venv/bin/python')
  const code = 'import sys; from PIL import Image; i = Image.open(sys.argv[1]); i.load(); print(i.size[0] > 0, i.text["recipe"])'
  expect(String(execFileSync(python, ['-c', code, file], { env: { ...process.env, PYTHONIOENCODING: 'utf8' } })).trim()).toBe('True {"prompt":"một căn phòng"}')
})
