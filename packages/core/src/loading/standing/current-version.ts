import { isPolicy, withRevocations, type CompiledPolicy } from '../../policy/policy.ts'
import type { WatchedPolicy } from '../../policy/watch-policy.ts'
import type { JudgedBy } from '../judging/judged-by.ts'

/** A version of a policy, and what its feeds deny. */
export interface CurrentVersion extends JudgedBy {
  policy: CompiledPolicy
}

/**
 * The version of a policy and of its feeds that a load would be judged by now.
 *
 * @returns undefined if there is none: an object that poses as a watched policy may fail
 */
export async function currentVersion(given: WatchedPolicy | CompiledPolicy): Promise<CurrentVersion | undefined> {
  const read = isPolicy(given) ? given : await currentOf(given)
  if (!read) return undefined
  if (read.advisories.length === 0) return { given, read, versions: '', policy: read }
  const { advisedSoFar } = await import('../../policy/advisories/following/advised.ts')
  const { revocations, versions } = await advisedSoFar(read)
  return { given, read, versions, policy: withRevocations(read, revocations) }
}

async function currentOf(given: WatchedPolicy): Promise<CompiledPolicy | undefined> {
  try {
    const policy: unknown = await given.current()
    return isPolicy(policy) ? policy : undefined
  } catch {
    return undefined
  }
}
