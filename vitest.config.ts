import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'packages',
          include: ['packages/*/src/**/*.test.ts'],
          testTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'across packages',
          include: ['test/**/*.test.ts'],
          exclude: ['**/node_modules/**', 'test/interop/**', 'test/sigstore/**', 'test/tfjs-node/**'],
          testTimeout: 120_000,
        },
      },
    ],
  },
})
