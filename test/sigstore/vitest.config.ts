import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: { name: 'sigstore', include: ['test/sigstore/**/*.test.ts'], testTimeout: 120_000, hookTimeout: 120_000 },
})
