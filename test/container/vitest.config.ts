import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: { name: 'container', include: ['test/container/**/*.test.ts'], testTimeout: 120_000, hookTimeout: 300_000 },
})
