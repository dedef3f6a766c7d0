/** Measures the drawing board in Chromium: node bench/board.js [strokes …]. Prints a table. */
import { execFileSync } from 'node:child_process'
import { chromium } from 'playwright-core'
import { createServer } from 'vite'

const counts = process.argv.slice(2).map(Number)
const server = await createServer({ root: `${import.meta.dirname}/..`, server: { port: 0, strictPort: false, host: '127.0.0.1' }, logLevel: 'error' })
await server.listen()
const executablePath = process.env.CHROMIUM ?? execFileSync('sh', ['-c', 'command -v chromium || command -v chromium-browser'], { encoding: 'utf8' }).trim()
const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] })
try {
  for (const strokes of counts.length ? counts : [0, 500, 2000]) {
    const page = await browser.newPage({ viewport: { width: 1200, height: 760 } })
    page.on('pageerror', (error) => console.error(error))
    await page.goto(`http://127.0.0.1:${server.httpServer.address().port}/bench/board.html`)
    await page.waitForFunction(() => 'run' in globalThis)
    const found = await page.evaluate((count) => globalThis.run(count), strokes)
    console.log(`${strokes} strokes`)
    for (const [what, value] of Object.entries(found)) {
      const told = typeof value === 'number' ? value.toFixed(1) : `${value.fps.toFixed(0)} frames a second, own work ${value.work.map((ms) => ms.toFixed(1)).join(' ms, at most ')} ms (95 %)`
      console.log(`  ${what}: ${told}`)
    }
    await page.close()
  }
} finally {
  await browser.close()
  await server.close()
}
