import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: { name: 'bundlers', include: ['test/bundlers/**/*.test.ts'], testTimeout: 180_000, hookTimeout: 60_000 },
})
