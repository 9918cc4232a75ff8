import { withRevocations, type CompiledPolicy } from '../../policy/policy.ts'
import type { Verdict } from '../../results.ts'
import { checking, warnInto } from './verdict-steps.ts'

/** What the feeds that a policy follows contribute to a load. */
interface Advice {
  /** The policy, with everything that its feeds deny among its revocations. */
  policy: CompiledPolicy
  /** The same as long as every feed has the same version. */
  versions: string
  /** @throws {@link ModelSealError} `ADVISORY_STALE` */
  check: () => Promise<void>
}

/**
 * Asks for the current versions of the feeds that a policy follows, and records them in the verdict. Imported lazily: few policies
 * follow any.
 *
 * @param policy follows at least one
 * @throws {@link ModelSealError} `ABORTED`
 */
export async function adviceFor(
  policy: CompiledPolicy,
  verdict: Verdict,
  signal: AbortSignal | undefined,
): Promise<Advice> {
  const { advised } = await import('../../policy/advisories/following/advised.ts')
  const { revocations, advisories, versions, warnings, refusal } = await advised(policy, signal)
  verdict.advisories = advisories
  for (const warning of warnings) warnInto([verdict])(warning)
  const check = () =>
    checking(verdict, 'advisories', (tell) => {
      if (refusal) throw refusal
      const stale = advisories.filter((feed) => feed.stale).length
      const count = advisories.length === 1 ? 'one advisory feed' : `${advisories.length} advisory feeds`
      const some = stale === advisories.length ? 'None' : `${advisories.length - stale}`
      tell(`The policy follows ${count}.${stale === 0 ? '' : ` ${some} of them may be relied on.`}`)
    })
  return { policy: withRevocations(policy, revocations), versions, check }
}
