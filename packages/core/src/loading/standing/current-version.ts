import { isPolicy, withRevocations, type CompiledPolicy } from '../../policy/policy.ts'
import type { JudgedBy } from '../judging/judged-by.ts'
import { settledPolicy } from './settled-policy.ts'

/** How long reading a policy may take before models are judged without it, in milliseconds. */
const PATIENCE = 100

/** A version of a policy, and what its feeds deny. */
export interface CurrentVersion extends JudgedBy {
  policy: CompiledPolicy
}

/** What a look at a policy and its feeds found. */
interface Look {
  version: CurrentVersion
  /** Resolves when a later look may find more; undefined if this one found everything. */
  later: Promise<unknown> | undefined
}

/**
 * The version of a policy and of its feeds by which a model is judged now, as far as it is known at once.
 *
 * @param by the version that the model was judged by last: it is never judged by an older one, as long as a later one has not settled
 */
export async function currentVersion(by: JudgedBy): Promise<Look> {
  const { given } = by
  const { version, later } = isPolicy(given) ? { version: by, later: undefined } : await settledPolicy(given, PATIENCE)
  const { read, number } = version && version.number >= by.number ? version : by
  const found = { given, read, number }
  if (read.advisories.length === 0) return { version: { ...found, versions: '', policy: read }, later }
  const { advisedSoFar } = await import('../../policy/advisories/following/advised.ts')
  const { revocations, versions } = await advisedSoFar(read)
  return { version: { ...found, versions, policy: withRevocations(read, revocations) }, later }
}
