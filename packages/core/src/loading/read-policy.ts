import { checkFresh, loadPolicy, type Policy } from '../policy/policy.ts'
import type { Verdict } from '../policy/verdict.ts'
import type { OpenOptions } from './open-options.ts'
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
  const policy =
    typeof given === 'object' ? await ('current' in given ? given.current() : given) : await loadPolicy(given)
  reading.policy = policy
  verdict.policy = policy.path
  await checking(verdict, 'policy-age', (tell) => {
    checkFresh(policy, now)
    const limited = policy.ages.length > 0
    tell(limited ? 'The policy is as fresh as it asks to be.' : 'The policy does not limit its own age.')
  })
  return policy
}
