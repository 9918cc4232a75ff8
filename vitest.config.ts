import { availableParallelism } from 'node:os'
import { defineConfig } from 'vitest/config'
import { LONG_TESTS } from './test/attacks/long.ts'

// npm run test:attacks sets it. That run takes as long as it takes.
const unlimited = process.env.ATTACK_RUNS !== undefined

export default defineConfig({
  test: {
    // No test writes to the cache of the user. Those of the cache set another one.
    env: { HF_HUB_CACHE: '/dev/null/no-cache', ORAS_CACHE: '' },
    // Twice as many as there are processors, and one more: the files that take longest mostly wait, for a clock or for another
    // process. (By default one processor is left idle: on a machine with two that is half of them.)
    maxWorkers: 2 * availableParallelism() + 1,
    projects: [
      {
        test: {
          name: 'packages',
          include: ['packages/*/src/**/*.test.ts'],
          testTimeout: unlimited ? 0 : 60_000,
          hookTimeout: unlimited ? 0 : 60_000,
        },
      },
      {
        test: {
          name: 'across packages',
          include: ['test/**/*.test.ts'],
          exclude: [
            '**/node_modules/**',
            'test/documents/**',
            'test/docs/**',
            'test/drill/**',
            'test/fleet/**',
            'test/hubs/**',
            'test/s3/**',
            'test/interop/**',
            'test/journal/**',
            'test/bundlers/**',
            'test/container/**',
            'test/install/**',
            'test/pages/**',
            'test/release/**',
            'test/sigstore/**',
            'test/tfjs-node/**',
            'test/vitest-pools/**',
            ...(unlimited ? [] : LONG_TESTS),
          ],
          testTimeout: unlimited ? 0 : 120_000,
          hookTimeout: unlimited ? 0 : 120_000,
        },
      },
    ],
  },
})
