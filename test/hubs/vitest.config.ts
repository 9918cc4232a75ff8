import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: { name: 'hubs', include: ['test/hubs/**/*.test.ts'], testTimeout: 120_000, hookTimeout: 120_000 },
})
