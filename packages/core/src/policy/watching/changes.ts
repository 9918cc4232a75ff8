import type { ModelSealError } from '../../errors.ts'
import { publishAdvisory, type AdvisoryChange } from '../../events.ts'

/** Called when a watched policy, or an advisory feed that a policy follows, has a new version. */
type Listener = () => void

const listeners = new Set<Listener>()

/** From now on, calls a function after each change of a watched policy or a followed feed in this process. Adding it again has no effect. */
export function onPolicyChange(listener: Listener): void {
  listeners.add(listener)
}

/** Reports that judgements may have a different outcome from now on. */
export function policyChanged(): void {
  for (const listener of listeners) listener()
}

/** Reports a new version of a feed. */
export function feedChanged(source: string, { feed, sequence, digest }: Omit<AdvisoryChange, 'source'>): void {
  publishAdvisory({ source, feed, sequence, digest })
  policyChanged()
}

/**
 * Reports that looking for a new version of a feed failed.
 *
 * @param inUse the version that stays in use, if there is one
 */
export function feedFailed(
  source: string,
  inUse: Pick<AdvisoryChange, 'feed' | 'sequence'> | undefined,
  error: ModelSealError,
): void {
  const version = inUse && { feed: inUse.feed, sequence: inUse.sequence }
  publishAdvisory({ source, ...version, error: error.toJSON() })
}
