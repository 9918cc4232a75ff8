import type { HashType } from '../../hashing/algorithms.ts'
import type { RecordedLoad } from '../../journal/recording/recorded-load.ts'
import type { UnverifiedVerdict, Verdict } from '../../results.ts'
import type { JudgedBy } from '../judging/judged-by.ts'
import type { OpenOptions } from '../open-options.ts'
import type { JudgedLoad } from '../standing/judged-load.ts'
import { follow } from '../standing/live-models.ts'
import { LoadedContent } from '../standing/loaded-content.ts'
import { wantedReactions } from '../standing/reactions.ts'
import { Standing } from '../standing/standing.ts'

/** What is remembered of bytes so that they can be judged again. */
export interface KnownBytes {
  /** Undefined if neither the policy nor a feed can change. */
  by: JudgedBy | undefined
  /** Undefined for an object that is not a sequence of bytes. */
  digests: Map<HashType, string> | undefined
}

/** A model in memory that a policy allows. Only `judgeMemory` creates one. */
export class JudgedMemory {
  readonly verdict: UnverifiedVerdict
  /** @internal */
  readonly standing: Standing

  /** @internal */
  constructor(
    verdict: Verdict,
    { recorded, ...known }: KnownBytes & { recorded: RecordedLoad | undefined },
    onRevoked: OpenOptions['onRevoked'],
  ) {
    // Whoever judges it completes the verdict before anyone else gets it.
    this.verdict = verdict as UnverifiedVerdict
    this.standing = new Standing(verdict, wantedReactions(onRevoked))
    this.standing.remember(judgedLoads(verdict, known))
    if (recorded) this.standing.recordedAs(recorded)
    follow(this.standing)
  }

  /** `skipped`, or `tolerated` in an audit. */
  get decision(): 'tolerated' | 'skipped' {
    return this.verdict.decision === 'skipped' ? 'skipped' : 'tolerated'
  }

  /** Is aborted if the bytes are revoked after they were judged, like `revoked` of an opened model. */
  get revoked(): AbortSignal {
    return this.standing.revoked
  }

  /** @internal Like `keepWatching` of an opened model. */
  keepWatching(created: object): void {
    this.standing.heldBy(created)
    follow(this.standing)
  }

  /** Ends watching, except for what a runtime created, which `keepRevocable` was told of. */
  close(): void {
    this.standing.close()
  }
}

/** Only revocations hold, and an object has no digest by which it could be revoked. */
function judgedLoads(verdict: Verdict, { by, digests }: KnownBytes): JudgedLoad[] {
  if (!by || !digests) return []
  return [
    {
      by,
      place: { path: '/' },
      stated: {},
      revision: { revision: undefined, requested: undefined, packageUrl: undefined },
      found: undefined,
      isAccepted: false,
      verified: undefined,
      mayBeUnsigned: undefined,
      signature: undefined,
      content: LoadedContent.ofBytes(verdict.model.path, digests),
      reopen: () => Promise.reject(new RangeError('It has no source.')),
    },
  ]
}
