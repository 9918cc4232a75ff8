import { at } from '../../../at.ts'
import { ModelSealError, sentenceOf, shown } from '../../../errors.ts'
import type { AdvisoryVerdict, VerdictWarning } from '../../../results.ts'
import { abortedError, throwIfAborted } from '../../../source/aborted.ts'
import type { CompiledPolicy } from '../../policy.ts'
import type { Revocations } from '../../revocations/revocations.ts'
import { isoTime } from '../../signature-time.ts'
import type { FollowedFeed } from '../followed-feed.ts'
import { FeedState } from './feed-state.ts'
import type { FeedStanding, KnownVersion } from './version.ts'

/** What a policy and the feeds that it follows say at the time of a load. */
export interface Advised {
  /** Those of the policy, and everything that its feeds deny. */
  revocations: Revocations
  advisories: AdvisoryVerdict[]
  /** The same as long as every feed has the same version. */
  versions: string
  warnings: VerdictWarning[]
  /** Why the policy accepts nothing: a feed that it must be able to rely on is stale. */
  refusal: ModelSealError | undefined
}

/**
 * Asks for the current versions of the feeds that a policy follows. Waits for the network only if there is no version that may be
 * relied on, for 10 seconds at most.
 *
 * @throws {@link ModelSealError} `ABORTED`
 */
export async function advised(policy: CompiledPolicy, signal: AbortSignal | undefined): Promise<Advised> {
  return unlessAborted(adviceOf(policy, true), signal)
}

/** Like {@link advised}, without waiting for the network: what is not known yet is looked for in the background. */
export async function advisedSoFar(policy: CompiledPolicy): Promise<Advised> {
  return adviceOf(policy, false)
}

async function adviceOf(policy: CompiledPolicy, waits: boolean): Promise<Advised> {
  const standings = await Promise.all(policy.advisories.map(async (feed) => standingOf(feed, policy, waits)))
  const feeds = policy.advisories.map((feed, index) => judged(feed, at(standings, index)))
  return {
    revocations: policy.revocations.with(feeds.flatMap(({ standing: { version } }) => version?.denied ?? [])),
    advisories: feeds.map(({ verdict }) => verdict),
    versions: feeds.map(({ standing: { version } }) => version?.digest ?? '').join(),
    warnings: feeds.flatMap(({ warnings }) => warnings),
    refusal: feeds.find(({ refusal }) => refusal)?.refusal,
  }
}

/** More feeds than all policies of a process follow. */
const MAX_FEEDS = 256

/** What this process knows of each feed, least recently used first. */
const states = new Map<string, FeedState>()

function standingOf(feed: FollowedFeed, policy: CompiledPolicy, waits: boolean): FeedStanding | Promise<FeedStanding> {
  const state = states.get(feed.id) ?? new FeedState(feed, policy)
  states.delete(feed.id)
  states.set(feed.id, state)
  for (const [id, unused] of states) {
    if (states.size <= MAX_FEEDS) break
    unused.stop()
    states.delete(id)
  }
  return state.standing(feed, policy, waits)
}

interface JudgedFeed extends Pick<Advised, 'warnings' | 'refusal'> {
  standing: FeedStanding
  verdict: AdvisoryVerdict
}

function judged(followed: FollowedFeed, standing: FeedStanding): JudgedFeed {
  const { source, ifStale } = followed
  const { version, stale, failure } = standing
  const error = stale === undefined ? undefined : staleError(followed, stale, failure)
  return {
    standing,
    refusal: ifStale === 'refuse' ? error : undefined,
    warnings: warningsOf(standing, error && ifStale === 'warn' ? error : undefined),
    verdict: {
      source,
      ...(version ? factsOf(version) : {}),
      stale: stale !== undefined,
      ...(failure ? { error: failure.toJSON() } : {}),
    },
  }
}

/** Loads ask far more often than a version is confirmed, which makes a new object. */
const facts = new WeakMap<KnownVersion, Partial<AdvisoryVerdict>>()

function factsOf(version: KnownVersion): Partial<AdvisoryVerdict> {
  const known = facts.get(version)
  if (known) return known
  const { feed, sequence, issued, expires, confirmedAt } = version
  const read = { feed, sequence, issued, expires, confirmedAt: isoTime(confirmedAt) }
  facts.set(version, read)
  return read
}

function staleError({ source, maxAge, kind }: FollowedFeed, stale: string, failure: ModelSealError | undefined) {
  const check =
    kind === 'file'
      ? 'Check that the file is the latest version of the feed, and the clock.'
      : 'Check that this machine can reach the feed, that its publisher has renewed it, and the clock.'
  return new ModelSealError('ADVISORY_STALE', `Cannot rely on the advisory feed ${shown(source)}: ${stale}.`, {
    file: source,
    expected: `a valid version of it that was the current one at most ${maxAge.written} ago`,
    hint: failure ? `The last attempt to get it failed: ${sentenceOf(failure)} ${check}` : check,
    cause: failure,
  })
}

/** A source that cannot be reached is not worth a warning as long as its last version may be relied on. */
function warningsOf({ failure, notKept }: FeedStanding, stale: ModelSealError | undefined): VerdictWarning[] {
  const warnings: VerdictWarning[] = []
  if (stale) warnings.push({ code: 'MODELSEAL_ADVISORY_STALE', message: stale.message })
  else if (failure && !OF_THE_WAY.test(failure.code))
    warnings.push({ code: 'MODELSEAL_ADVISORY_REFUSED', message: failure.message })
  if (notKept)
    warnings.push({
      code: 'MODELSEAL_ADVISORY_NOT_KEPT',
      message: `Cannot keep the advisory feed for later processes: ${notKept.message}`,
    })
  return warnings
}

/** Codes that say nothing about the feed itself. */
const OF_THE_WAY = /^(?:HTTP|FILE|COPY)_/

async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  throwIfAborted(signal)
  if (!signal) return work
  let stop = () => {}
  const aborted = new Promise<never>((_, reject) => {
    stop = () => {
      reject(abortedError(signal))
    }
    signal.addEventListener('abort', stop)
  })
  try {
    return await Promise.race([work, aborted])
  } finally {
    signal.removeEventListener('abort', stop)
  }
}
