import { ModelFacts, type ClaimedName } from '../../policy/matching/match.ts'
import type { CompiledPolicy } from '../../policy/policy.ts'
import { versionNumber } from '../../policy/watching/version-number.ts'
import type { WatchedPolicy } from '../../policy/watching/watch-policy.ts'
import type { ModelPlace } from '../../source/model-source.ts'
import type { OpenOptions } from '../open-options.ts'

/** The version of a policy, and of the feeds that it follows, by which a load was judged. */
export interface JudgedBy {
  /** Where newer versions come from. */
  given: WatchedPolicy | CompiledPolicy
  /** The policy as it was read. */
  read: CompiledPolicy
  /** Later versions of the policy have a higher number. */
  number: number
  /** The same as long as every feed has the same version. */
  versions: string
}

/** A version that a policy has just returned. */
export function versionOf(given: JudgedBy['given'], read: CompiledPolicy): Omit<JudgedBy, 'versions'> {
  return { given, read, number: versionNumber(given, read) }
}

/** What is known about a model before its signature is checked. */
export function factsOf(
  { path, url: own }: ModelPlace,
  { url, format }: Pick<OpenOptions, 'url' | 'format'>,
  claimedNames: () => Promise<readonly ClaimedName[]>,
): ModelFacts {
  return new ModelFacts({ path, url: own ?? url, source: own, format }, claimedNames)
}
