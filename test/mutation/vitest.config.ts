import { basename, dirname } from 'node:path'
import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

/**
 * Runs the test of the mutated file first, then those of its folder, then the shorter ones, because the first test that fails
 * ends a run.
 */
class NearestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const related = this.ctx.config.related ?? []
    const own = new Set(related.map((file) => basename(file).replace(/\.ts$/, '.test.ts')))
    const folders = new Set(related.map((file) => dirname(file)))
    const distance = ({ moduleId }: TestSpecification): number =>
      folders.has(dirname(moduleId)) ? (own.has(basename(moduleId)) ? 0 : 1) : 2
    const longestFirst = await super.sort(files)
    return longestFirst.toReversed().toSorted((a, b) => distance(a) - distance(b))
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
    sequence: { sequencer: NearestFirst },
  },
})
