import { ModelSealError, shown } from '../../errors.ts'
import type { ModelFormat } from '../../results.ts'
import type { CompiledPolicy } from '../policy.ts'
import type { Rule } from '../rule.ts'

/** What is known of a model that has neither path nor URL. */
export interface MemoryFacts {
  /** `sha256:` and the digest of the bytes in lowercase hex; undefined for what is not one run of bytes. */
  digest: string | undefined
  format: ModelFormat | undefined
}

/**
 * The first rule about memory that matches decides; rules about places never do.
 *
 * @throws {@link ModelSealError} `SOURCE_UNKNOWN` where there is none
 */
export function ruleForMemory(policy: CompiledPolicy, { digest, format }: MemoryFacts): Rule {
  const found = policy.rules.find(({ match: { memory, formats } }) => {
    if (memory === undefined || (formats && (format === undefined || !formats.includes(format)))) return false
    return memory === 'any' || (digest !== undefined && memory.includes(digest))
  })
  if (found) return found
  throw new ModelSealError(
    'SOURCE_UNKNOWN',
    'The model is given from memory, without a path, so no signature can be found for it.',
    {
      expected: 'a model that is loaded by its path',
      found: digest === undefined ? 'an object in memory' : `bytes with the digest ${digest}`,
      hint:
        digest === undefined
          ? 'Load it by its path.'
          : `Load it by its path, or have a rule of ${shown(policy.path)} match these bytes: "memory: ${digest}".`,
    },
  )
}
