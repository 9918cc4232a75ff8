import { ModelFacts, type ClaimedName } from '../../policy/matching/match.ts'
import type { CompiledPolicy } from '../../policy/policy.ts'
import type { WatchedPolicy } from '../../policy/watch-policy.ts'
import type { ModelPlace } from '../../source/model-source.ts'
import type { OpenOptions } from '../open-options.ts'

/** The version of a policy, and of the feeds that it follows, by which a load was judged. */
export interface JudgedBy {
  /** Where newer versions come from. */
  given: WatchedPolicy | CompiledPolicy
  /** The policy as it was read. */
  read: CompiledPolicy
  /** The same as long as every feed has the same version. */
  versions: string
}

/** What is known about a model before its signature is checked. */
export function factsOf(
  { path, url: own }: ModelPlace,
  { url, format }: Pick<OpenOptions, 'url' | 'format'>,
  claimedNames: () => Promise<readonly ClaimedName[]>,
): ModelFacts {
  return new ModelFacts({ path, url: own ?? url, source: own, format }, claimedNames)
}
