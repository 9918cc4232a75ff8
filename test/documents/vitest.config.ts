import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    name: 'documents',
    include: ['test/documents/**/*.test.ts'],
    testTimeout: 180_000,
    hookTimeout: 180_000,
    maxConcurrency: 2,
    // It imports JSON without saying so.
    server: { deps: { inline: [/@actions/] } },
  },
})
