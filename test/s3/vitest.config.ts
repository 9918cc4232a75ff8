import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: { name: 's3', include: ['test/s3/**/*.test.ts'], testTimeout: 120_000, hookTimeout: 120_000 },
})
