import { svelte } from '@sveltejs/vite-plugin-svelte'
import { defineConfig } from 'vitest/config'

export default defineConfig(({ mode }) => ({
  plugins: [svelte()],
  // Small files stay files: the Content-Security-Policy allows fonts from the page's own address only.
  build: { target: 'es2022', assetsInlineLimit: 0, reportCompressedSize: false },
  server: { port: 5173, strictPort: true, host: '127.0.0.1' },
  // Tests mount components: Svelte's browser build, not the server's.
  resolve: mode === 'test' ? { conditions: ['browser'] } : {},
  test: { environment: 'jsdom', include: ['test/**/*.test.ts'], setupFiles: ['test/setup.ts'] },
}))
