import { defineConfig } from 'vitest/config'

// As in a user's node_modules: vitest leaves them to Node.js, which evaluates them in the realm of the pool.
const server = { deps: { external: [/\/packages\/\w+\/dist\//] } }

export default defineConfig({
  test: {
    projects: (['vmThreads', 'vmForks'] as const).map((pool) => ({
      test: {
        name: pool,
        pool,
        include: ['test/vitest-pools/*.test.ts'],
        globalSetup: 'test/vitest-pools/setup.ts',
        testTimeout: 60_000,
        server,
      },
    })),
  },
})
