import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: { name: 'release', include: ['test/release/**/*.test.ts'], testTimeout: 300_000, hookTimeout: 600_000 },
})
