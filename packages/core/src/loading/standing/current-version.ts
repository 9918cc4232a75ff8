import { isPolicy, withRevocations, type CompiledPolicy } from '../../policy/policy.ts'
import type { WatchedPolicy } from '../../policy/watch-policy.ts'
import type { JudgedBy } from '../judging/judged-by.ts'
import { settledPolicy } from './settled-policy.ts'

/** How long reading a policy may take before models are judged without it, in milliseconds. */
const PATIENCE = 100

/** A version of a policy, and what its feeds deny. */
export interface CurrentVersion extends JudgedBy {
  policy: CompiledPolicy
}

/** What a look at a policy and its feeds found. */
export interface Look {
  /** Undefined if there is none: the policy cannot be read, or has just changed. */
  version: CurrentVersion | undefined
  /** Resolves when a later look may find more; undefined if this one found everything. */
  later: Promise<unknown> | undefined
}

/** The version of a policy and of its feeds that a load would be judged by now, as far as it is known at once. */
export async function currentVersion(given: WatchedPolicy | CompiledPolicy): Promise<Look> {
  const { policy: read, later } = isPolicy(given)
    ? { policy: given, later: undefined }
    : await settledPolicy(given, PATIENCE)
  if (!read) return { version: undefined, later }
  if (read.advisories.length === 0) return { version: { given, read, versions: '', policy: read }, later }
  const { advisedSoFar } = await import('../../policy/advisories/following/advised.ts')
  const { revocations, versions } = await advisedSoFar(read)
  return { version: { given, read, versions, policy: withRevocations(read, revocations) }, later }
}
