// What Stryker loads: the rule of which texts are not mutated, and a reporter of progress.
import { writeFileSync } from 'node:fs'
import { relative } from 'node:path'
import { isSampled, sampleOf } from './sample.mjs'
import { isSentence } from './sentence.mjs'

/**
 * Sentences are for people: what an error says, and its hint. Tests of each wording would only repeat it. All other texts
 * are mutated: codes, names of algorithms, OIDs, and what an error found and expected, which tells refusals of one code apart.
 */
const sentences = {
  shouldIgnore({ node }) {
    if (node.type === 'StringLiteral' && isSentence(node.value)) return 'a sentence'
    if (node.type !== 'TemplateLiteral') return undefined
    return isSentence(node.quasis.map(({ value }) => value.cooked).join('X')) ? 'a sentence' : undefined
  },
}

/** Says once a minute how far it is, and writes how many mutants are to be tried to the file in MUTATION_PLAN, for runs that are stopped. */
class Plan {
  #planned = 0
  #tried = 0
  #said = Date.now()

  onMutationTestingPlanReady({ mutantPlans }) {
    const ignored = mutantPlans.filter(({ mutant }) => mutant.status === 'Ignored').length
    this.#planned = mutantPlans.length - ignored
    writeFileSync(process.env.MUTATION_PLAN, String(this.#planned))
  }

  onMutantTested({ status }) {
    if (status !== 'Ignored') this.#tried++
    if (Date.now() - this.#said < 60_000) return
    this.#said = Date.now()
    console.log(`${this.#tried} of ${this.#planned} mutants`)
  }
}

/** Tries only the mutants of a sample: the others count as if they did not compile. */
class Sampling {
  init() {
    return Promise.resolve()
  }

  check(mutants) {
    const sample = sampleOf(process.env.MUTATION_SAMPLE)
    const resultOf = ({ fileName, mutatorName, replacement, location: { start } }) => {
      // Checkers count from 0, reports from 1.
      const place = {
        fileName: relative('', fileName).replaceAll('\\', '/'),
        line: start.line + 1,
        column: start.column + 1,
      }
      const isIn = sample === undefined || isSampled({ ...place, mutatorName, replacement }, sample)
      return isIn ? { status: 'passed' } : { status: 'compileError', reason: 'not in the sample' }
    }
    return Promise.resolve(Object.fromEntries(mutants.map((mutant) => [mutant.id, resultOf(mutant)])))
  }

  group(mutants) {
    return Promise.resolve([mutants.map(({ id }) => id)])
  }
}

export const strykerPlugins = [
  { kind: 'Checker', name: 'sample', injectableClass: Sampling },
  { kind: 'Ignore', name: 'sentences', value: sentences },
  { kind: 'Reporter', name: 'plan', injectableClass: Plan },
]
