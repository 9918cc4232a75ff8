import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: { name: 'install', include: ['test/install/**/*.test.ts'], testTimeout: 180_000, hookTimeout: 180_000 },
})
