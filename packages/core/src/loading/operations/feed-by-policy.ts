import { ModelSealError, sentenceOf, shown, type SerializedError } from '../../errors.ts'
import type { FoundFeed } from '../../policy/advisories/feed-file.ts'
import type { AdvisoryFeed } from '../../policy/advisories/feed-statement.ts'
import type { FollowedFeed } from '../../policy/advisories/followed-feed.ts'
import { acceptedSigners } from '../../policy/advisories/verify-feed.ts'
import type { CompiledPolicy } from '../../policy/policy.ts'
import type { VerifiedIdentity } from '../../results.ts'
import { passAbort } from '../../verification/effort.ts'

/** What one entry of `advisories` in a policy says about a feed. */
export interface FeedEntryVerdict {
  /** Where a service with the policy gets the feed: a URL, or the absolute path of a file. */
  source: string
  /** Number of distinct signers that must have signed. */
  threshold: number
  accepted: boolean
  /** Those that count. Empty if the entry refuses the feed. */
  signers: readonly VerifiedIdentity[]
  /** Why the entry refuses the feed. */
  error?: SerializedError
}

/** A feed that at least one entry of a policy accepts. */
export interface FeedVerifiedByPolicy {
  feed: AdvisoryFeed
  /** Absolute path of the policy. */
  policy: string
  /** One for each entry of `advisories`, in the order of the policy. */
  entries: readonly FeedEntryVerdict[]
  /** Number of signatures, including those that no entry counts. */
  signatures: number
}

/**
 * Verifies the signatures of a feed as a service does that follows it by this policy.
 *
 * @param file for messages
 * @throws {@link ModelSealError} why no entry accepts it; `ABORTED`
 */
export async function verifyFeedByPolicy(
  { feed, bundles }: FoundFeed,
  policy: CompiledPolicy,
  { file, signal }: { file: string; signal: AbortSignal | undefined },
): Promise<FeedVerifiedByPolicy> {
  const refusals: [FollowedFeed, ModelSealError][] = []
  const entries: FeedEntryVerdict[] = []
  for (const followed of policy.advisories) {
    const { source, threshold } = followed
    try {
      const signers = await acceptedSigners(bundles, { ...followed, source: file }, policy, signal)
      entries.push({ source, threshold, accepted: true, signers })
    } catch (error) {
      passAbort(error)
      if (!(error instanceof ModelSealError)) throw error
      refusals.push([followed, error])
      entries.push({ source, threshold, accepted: false, signers: [], error: error.toJSON() })
    }
  }
  if (!entries.some(({ accepted }) => accepted)) throw noneAccepts(refusals, policy, file)
  return { feed, policy: policy.path, entries, signatures: bundles.length }
}

function noneAccepts(
  refusals: readonly (readonly [FollowedFeed, ModelSealError])[],
  { path }: CompiledPolicy,
  file: string,
): ModelSealError {
  const [first, second] = refusals
  if (!first) {
    return new ModelSealError(
      'SIGNER_NOT_TRUSTED',
      `Cannot use the advisory feed: the policy ${shown(path)} follows no feed.`,
      {
        file,
        expected: 'an entry of "advisories" that names who may sign it',
      },
    )
  }
  const [, only] = first
  if (!second) return only
  // A feed that somebody else signed is probably not the one that the entry means.
  const errors = refusals.map(([, error]) => error)
  const { code } = errors.find((error) => error.code !== 'SIGNER_NOT_TRUSTED') ?? only
  const reasons = refusals.map(([{ source }, error]) => `For ${shown(source)}: ${sentenceOf(error)}`)
  return new ModelSealError(
    code,
    `Cannot use the advisory feed: no entry of "advisories" in the policy ${shown(path)} accepts it.`,
    {
      file,
      hint: reasons.join(' '),
    },
  )
}
