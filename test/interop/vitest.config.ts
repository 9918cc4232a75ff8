import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: { name: 'interop', include: ['test/interop/**/*.test.ts'], testTimeout: 120_000, hookTimeout: 120_000 },
})
