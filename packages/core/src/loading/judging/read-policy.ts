import { isUrl } from '../../any-realm.ts'
import { ModelSealError } from '../../errors.ts'
import { invalidOption } from '../../kinds.ts'
import { checkFresh, isPolicy, type CompiledPolicy, type Policy } from '../../policy/policy.ts'
import { policyForLoad } from '../../policy/load-policy.ts'
import { isWatchedPolicy, type WatchedPolicy } from '../../policy/watching/watch-policy.ts'
import type { Verdict } from '../../results.ts'
import type { OpenOptions } from '../open-options.ts'
import { checking } from './verdict-steps.ts'

/**
 * The first step of every load: the given policy, or the one that the search finds. It may be too old, see
 * {@link checkAge}; its revocations still apply.
 *
 * @throws {@link ModelSealError} `POLICY_NOT_FOUND`, and the other codes of `loadPolicy`
 */
export async function policyOf(given: OpenOptions['policy'], verdict: Verdict): Promise<CompiledPolicy> {
  const policy = await givenPolicy(given)
  verdict.policy = policy.path
  const { file, includes } = policy.texts
  verdict.policyDigests = includes.length > 0 ? { file, includes } : { file }
  return policy
}

/**
 * The policy by which the caller wants something to be judged.
 *
 * @throws {@link ModelSealError} `POLICY_NOT_FOUND`, and the other codes of `loadPolicy`
 */
export async function givenPolicy(given: OpenOptions['policy']): Promise<CompiledPolicy> {
  return typeof given === 'object' && !isUrl(given) ? currentOf(given) : policyForLoad(given)
}

/**
 * @param now milliseconds since 1970
 * @throws {@link ModelSealError} `POLICY_STALE`
 */
export function checkAge(policy: CompiledPolicy, now: number, verdict: Verdict): Promise<void> {
  return checking(verdict, 'policy-age', (tell) => {
    checkFresh(policy, now)
    const limited = policy.ages.length > 0
    tell(limited ? 'The policy is not older than its maximum age.' : 'The policy sets no maximum age.')
  })
}

/** An object that poses as a watched policy may return or throw anything. */
async function currentOf(given: Policy | WatchedPolicy): Promise<CompiledPolicy> {
  if (isPolicy(given)) return given
  if (!isWatchedPolicy(given)) throw invalidOption('policy', 'the result of loadPolicy() or watchPolicy()', given)
  const policy = await (async () => given.current())().catch((cause: unknown) => {
    throw cause instanceof ModelSealError
      ? cause
      : new ModelSealError(
          'INVALID_ARGUMENT',
          'Invalid value for option "policy": it failed to return the current policy.',
          { cause },
        )
  })
  if (isPolicy(policy)) return policy
  throw invalidOption('policy', 'the result of watchPolicy()', policy)
}
