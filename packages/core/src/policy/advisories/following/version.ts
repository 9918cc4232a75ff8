import { ModelSealError, shown } from '../../../errors.ts'
import { feedFailed } from '../../watching/changes.ts'
import type { RevocationList } from '../../revocations/revocation-list.ts'
import { isoTime } from '../../signature-time.ts'
import type { AdvisoryFeed } from '../feed-statement.ts'
import type { FollowedFeed } from '../followed-feed.ts'

/** A version of a feed whose signatures were verified. */
export interface FeedVersion extends Pick<AdvisoryFeed, 'feed' | 'sequence' | 'issued' | 'expires' | 'digest'> {
  /** SHA-256 of the feed file in lowercase hex. */
  fileDigest: string
  /** The feed file, until it is kept on the disk: it takes much more memory than what it denies. */
  bytes: Buffer | undefined
  /** What it denies. */
  denied: RevocationList
}

/** The version that is in use. */
export interface KnownVersion extends FeedVersion {
  /** When its source last served it, in milliseconds since 1970. */
  confirmedAt: number
  /** Entity tag (RFC 9110 8.8.3) with which its server identified it. */
  etag: string | undefined
}

/** How a source served a version, and the feed file if it has to be kept. */
export type Recorded = Pick<KnownVersion, 'confirmedAt' | 'etag'> & { bytes?: Buffer }

/** What is known of a feed at the time of a load. */
export interface FeedStanding {
  /** The last good version; undefined if there is none. */
  version: KnownVersion | undefined
  /** Why it may not be relied on, as a phrase; undefined if it may. */
  stale: string | undefined
  /** Why looking for a new version failed last time; undefined if it did not. */
  failure: ModelSealError | undefined
  /** Why the feed cannot be kept on this machine. */
  notKept: ModelSealError | undefined
}

/**
 * Refuses a version that cannot follow the one in use: it is older, has the same number and other content, or is of another feed.
 *
 * @throws {@link ModelSealError} `ADVISORY_ROLLBACK`, `ADVISORY_INVALID`
 */
export function checkFollows(
  next: Pick<FeedVersion, 'feed' | 'sequence' | 'digest'>,
  current: Pick<FeedVersion, 'feed' | 'sequence' | 'digest'>,
  source: string,
): void {
  if (next.feed !== current.feed) {
    throw new ModelSealError('ADVISORY_INVALID', 'Cannot use the advisory feed: it is another feed than before.', {
      file: source,
      expected: shown(current.feed),
      found: shown(next.feed),
      hint: 'The previous version stays in use. Name the feed that you mean in the policy.',
    })
  }
  if (next.sequence > current.sequence || (next.sequence === current.sequence && next.digest === current.digest)) return
  const isOlder = next.sequence < current.sequence
  throw new ModelSealError(
    'ADVISORY_ROLLBACK',
    isOlder
      ? 'Cannot use the advisory feed: it is older than the version that is already known.'
      : 'Cannot use the advisory feed: its content changed, but its sequence did not.',
    {
      file: source,
      expected: `a sequence of ${isOlder ? `at least ${current.sequence}` : `more than ${current.sequence}`}`,
      found: `${next.sequence}`,
      hint: 'The version that is already known stays in use. Find out why the source of the feed serves another one.',
    },
  )
}

/** True for a version that may take the place of the known one without another check. */
export function isLater(version: FeedVersion, known: FeedVersion | undefined): boolean {
  return known === undefined || (version.feed === known.feed && version.sequence > known.sequence)
}

/** Clocks of one organisation differ by less, in milliseconds. */
const CLOCK_SKEW = 24 * 3_600_000
/** Clocks are adjusted by less, in milliseconds. */
const ADJUSTED = 60_000

/**
 * Why a version may not be relied on, as a phrase; undefined if it may.
 *
 * @param now milliseconds since 1970
 */
export function staleness(
  version: Pick<KnownVersion, 'issued' | 'expires' | 'confirmedAt'> | undefined,
  { maxAge }: Pick<FollowedFeed, 'maxAge'>,
  now: number,
): string | undefined {
  if (!version) return 'no valid version of it has been seen'
  const { issued, expires, confirmedAt } = version
  if (Date.parse(expires) <= now) return `its latest version expired at ${expires}`
  if (Date.parse(issued) > now + CLOCK_SKEW) return `it was issued at ${issued}, which is in the future`
  // The clock was wrong then, or is wrong now.
  if (confirmedAt > now + ADJUSTED) return 'the time at which it was last confirmed is in the future'
  if (now - confirmedAt <= maxAge.milliseconds) return undefined
  return `it was last confirmed as the current version at ${isoTime(confirmedAt)}`
}

/** Why looking for a new version failed, which is published. @param inUse the version that stays in use */
export function failureOf(
  thrown: unknown,
  { source }: Pick<FollowedFeed, 'source'>,
  inUse: FeedVersion | undefined,
): ModelSealError {
  const failure = thrown instanceof ModelSealError ? thrown : unexpected(thrown, source)
  feedFailed(source, inUse, failure)
  return failure
}

/** A fault of this package, which must not end following the feed. */
function unexpected(cause: unknown, source: string): ModelSealError {
  return new ModelSealError('INTERNAL', 'Cannot follow the advisory feed: it failed unexpectedly.', {
    file: source,
    hint: 'Please report this.',
    cause,
  })
}

/** For attempts whose failure means that there is nothing. */
export function ignored(error: unknown): undefined {
  if (!(error instanceof ModelSealError)) throw error
}
