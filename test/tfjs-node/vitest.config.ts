import { defineConfig } from 'vitest/config'

// One process for each file, because the native addon does not work in worker threads.
export default defineConfig({
  test: { name: 'tfjs-node', include: ['test/tfjs-node/*.test.ts'], testTimeout: 120_000, pool: 'forks' },
})
