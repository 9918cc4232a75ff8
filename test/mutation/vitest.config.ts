import { basename } from 'node:path'
import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** Runs the test of the mutated file first, because the first test that fails ends a run. */
class OwnTestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const own = new Set((this.ctx.config.related ?? []).map((file) => basename(file).replace(/\.ts$/, '.test.ts')))
    const sorted = await super.sort(files)
    return sorted.toSorted((a, b) => Number(own.has(basename(b.moduleId))) - Number(own.has(basename(a.moduleId))))
  }
}

// Stryker runs this in a copy of the repository. stryker.ts sets the variable: with the option `testFiles` of Stryker, mutants
// of what runs when a module is loaded would not be active.
export default defineConfig({
  test: {
    env: { HF_HUB_CACHE: '/dev/null/no-cache', ORAS_CACHE: '' },
    include: (process.env.MUTATION_FOLDERS ?? '').split(',').map((folder) => `${folder}/*.test.ts`),
    testTimeout: 60_000,
    hookTimeout: 60_000,
    sequence: { sequencer: OwnTestFirst },
  },
})
