import { isUrl } from '../../any-realm.ts'
import { ModelSealError } from '../../errors.ts'
import { invalidOption } from '../../kinds.ts'
import { checkFresh, isPolicy, type Policy } from '../../policy/policy.ts'
import { loadPolicy } from '../../policy/load-policy.ts'
import { isWatchedPolicy, type WatchedPolicy } from '../../policy/watch-policy.ts'
import type { Verdict } from '../../results.ts'
import type { OpenOptions } from '../open-options.ts'
import { checking } from './verdict-steps.ts'

/**
 * The first step of every load.
 *
 * @param now milliseconds since 1970
 * @param reading gets the policy as soon as it is read, also where it is then found too old: its revocations
 * hold all the same
 * @throws {@link ModelSealError} `POLICY_NOT_FOUND`, `POLICY_STALE`, and the others of `loadPolicy`
 */
export async function readPolicy(
  given: OpenOptions['policy'],
  now: number,
  verdict: Verdict,
  reading: { policy: Policy | undefined },
): Promise<Policy> {
  const policy = typeof given === 'object' && !isUrl(given) ? await currentOf(given) : await loadPolicy(given)
  reading.policy = policy
  verdict.policy = policy.path
  await checking(verdict, 'policy-age', (tell) => {
    checkFresh(policy, now)
    const limited = policy.ages.length > 0
    tell(limited ? 'The policy is as fresh as it asks to be.' : 'The policy does not limit its own age.')
  })
  return policy
}

/** What passes itself off as a watched policy may give, or throw, anything. */
async function currentOf(given: Policy | WatchedPolicy): Promise<Policy> {
  if (!isWatchedPolicy(given)) return given
  const policy = await (async () => given.current())().catch((cause: unknown) => {
    throw cause instanceof ModelSealError
      ? cause
      : new ModelSealError('INVALID_ARGUMENT', 'The option "policy" is not a policy that is watched.', { cause })
  })
  if (isPolicy(policy)) return policy
  throw invalidOption('policy', 'a policy that watchPolicy() gave', policy)
}
