import { isUrl } from '../../any-realm.ts'
import { ModelSealError } from '../../errors.ts'
import { invalidOption } from '../../kinds.ts'
import { checkFresh, isPolicy, type CompiledPolicy, type Policy } from '../../policy/policy.ts'
import { loadValidPolicy } from '../../policy/load-policy.ts'
import { isWatchedPolicy, type WatchedPolicy } from '../../policy/watch-policy.ts'
import type { Verdict } from '../../results.ts'
import type { OpenOptions } from '../open-options.ts'
import { checking } from './verdict-steps.ts'

/**
 * The first step of every load: the policy that was given, or the one that is found. It may be too old, see {@link checkAge}; its
 * revocations hold all the same.
 *
 * @throws {@link ModelSealError} `POLICY_NOT_FOUND`, and the others of `loadPolicy`
 */
export async function policyOf(given: OpenOptions['policy'], verdict: Verdict): Promise<CompiledPolicy> {
  const policy = typeof given === 'object' && !isUrl(given) ? await currentOf(given) : await loadValidPolicy(given)
  verdict.policy = policy.path
  return policy
}

/**
 * @param now milliseconds since 1970
 * @throws {@link ModelSealError} `POLICY_STALE`
 */
export function checkAge(policy: CompiledPolicy, now: number, verdict: Verdict): Promise<void> {
  return checking(verdict, 'policy-age', (tell) => {
    checkFresh(policy, now)
    const limited = policy.ages.length > 0
    tell(limited ? 'The policy is as fresh as it asks to be.' : 'The policy does not limit its own age.')
  })
}

/** What passes itself off as a watched policy may give, or throw, anything. */
async function currentOf(given: Policy | WatchedPolicy): Promise<CompiledPolicy> {
  if (isPolicy(given)) return given
  if (!isWatchedPolicy(given)) throw invalidOption('policy', 'what loadPolicy() or watchPolicy() gave', given)
  const policy = await (async () => given.current())().catch((cause: unknown) => {
    throw cause instanceof ModelSealError
      ? cause
      : new ModelSealError('INVALID_ARGUMENT', 'The option "policy" is not a policy that is watched.', { cause })
  })
  if (isPolicy(policy)) return policy
  throw invalidOption('policy', 'a policy that watchPolicy() gave', policy)
}
