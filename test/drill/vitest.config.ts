import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: { name: 'drill', include: ['test/drill/**/*.test.ts'], testTimeout: 300_000 },
})
