import { ModelSealError, shown } from '../../errors.ts'
import type { ModelFormat } from '../../results.ts'
import type { CompiledPolicy } from '../policy.ts'
import type { Rule } from '../rule.ts'

/** What is known about a model that has neither path nor URL. */
interface MemoryFacts {
  /** `sha256:` and the digest of the bytes in lowercase hex; undefined if the model is not one sequence of bytes. */
  digest: string | undefined
  format: ModelFormat | undefined
}

/**
 * Finds the first rule with `memory` that matches; rules with paths or URLs never do.
 *
 * @throws {@link ModelSealError} `SOURCE_UNKNOWN` if there is none
 */
export function ruleForMemory(policy: CompiledPolicy, { digest, format }: MemoryFacts): Rule {
  const found = policy.rules.find(({ match: { memory, formats } }) => {
    if (memory === undefined || (formats && (format === undefined || !formats.includes(format)))) return false
    return memory === 'any' || (digest !== undefined && memory.includes(digest))
  })
  if (found) return found
  throw new ModelSealError(
    'SOURCE_UNKNOWN',
    'Cannot verify a model from memory: without a path, no signature can be found for it.',
    {
      expected: 'a model that is loaded by its path',
      found: digest === undefined ? 'an object in memory' : `bytes with the digest ${digest}`,
      hint:
        digest === undefined
          ? 'Load it by its path.'
          : `Load it by its path, or add a rule to ${shown(policy.path)} that matches these bytes: "memory: ${digest}".`,
    },
  )
}
