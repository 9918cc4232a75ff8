import { defineConfig } from 'vitest/config'

// A process for each file: the native addon belongs to no worker thread.
export default defineConfig({
  test: { name: 'tfjs-node', include: ['test/tfjs-node/*.test.ts'], testTimeout: 120_000, pool: 'forks' },
})
