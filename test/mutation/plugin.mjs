// What Stryker loads: the rule of which texts are not mutated, and a reporter of progress.
import { writeFileSync } from 'node:fs'
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

/** Writes how many mutants are to be tried to the file in MUTATION_PLAN, for runs that are stopped before their end. */
class Plan {
  onMutationTestingPlanReady({ mutantPlans }) {
    const ignored = mutantPlans.filter(({ mutant }) => mutant.status === 'Ignored').length
    writeFileSync(process.env.MUTATION_PLAN, String(mutantPlans.length - ignored))
  }
}

export const strykerPlugins = [
  { kind: 'Ignore', name: 'sentences', value: sentences },
  { kind: 'Reporter', name: 'plan', injectableClass: Plan },
]
