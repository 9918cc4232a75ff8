import { ModelSealError, shown } from '../../../errors.ts'
import { clearTimeout, setTimeout } from '../../../real-time.ts'
import { inTurns } from '../../../source/turns.ts'
import type { PolicyFacts } from '../../policy-facts.ts'
import { policyChanged } from '../../changes.ts'
import { fileState } from '../../reading/file-state.ts'
import { readPolicyFile } from '../../reading/policy-file.ts'
import { RevocationList } from '../../revocations/revocation-list.ts'
import { readFeed } from '../feed-file.ts'
import { digestSteps, MAX_FEED_BYTES } from '../feed-statement.ts'
import type { FollowedFeed } from '../followed-feed.ts'
import { verifiedPayload } from '../verify-feed.ts'
import { fetchFeed } from './fetch-feed.ts'
import { keepCopy, keptState, readKeptCopy } from './kept-copy.ts'
import { Queue } from './queue.ts'
import { advisorySettings } from './settings.ts'
import { checkFollows, staleness, type FeedVersion, type KnownVersion } from './version.ts'

/** How long a load waits for a feed that it cannot do without, in milliseconds. */
const LONGEST_WAIT = 10_000
/** How long the command line waits for a feed that it could do without. */
const WAIT_FOR_NEWER = 3_000
/** After a failure, loads do not wait again for so long, in milliseconds. */
const REST = 5_000
/** A feed is tried again after this long at the latest, in milliseconds, unless the policy asks for it less often. */
const LONGEST_BACKOFF = 60_000
/** A confirmation is written to the disk when it is later than the last one by as much, in milliseconds, and by this part of `maxAge`. */
const WRITTEN_EVERY = 60_000
const PART_OF_MAX_AGE = 1 / 24

/** While a feed is read, it takes several times its size. One that is known is hardly ever fetched again at the same time as others. */
const firstFetches = new Queue(4, 2_000)
/** More at the same time would not be faster, and would hold up the event loop for longer. */
const readings = new Queue(1)

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
 * What this process knows of one feed. The last good version stays in use until there is a newer one; nothing that fails takes it away.
 * Whatever was verified for one policy is verified again for another.
 */
export class FeedState {
  #followed: FollowedFeed
  #policy: PolicyFacts
  /** As each policy says: the files of its keys may have changed since another one was read. */
  readonly #followedBy = new WeakMap<PolicyFacts, FollowedFeed>()
  #known: KnownVersion | undefined
  /** The policies by whose signers the version in use was verified. */
  #trustedBy = new WeakSet<PolicyFacts>()
  /** Digest of the version that was last reported as new. Policies with different signers may take turns in forgetting it. */
  #announced: string | undefined
  #recalling: Promise<void> | undefined
  #attempt: Promise<void> | undefined
  #failure: ModelSealError | undefined
  #failures = 0
  #failedAt = -Infinity
  #notKept: ModelSealError | undefined
  #keptAt = -Infinity
  #keptState: string | undefined
  #fileState: string | undefined
  #poll: ReturnType<typeof setTimeout> | undefined

  constructor(followed: FollowedFeed, policy: PolicyFacts) {
    this.#followed = followed
    this.#policy = policy
  }

  /**
   * Waits for the network only if no version may be relied on.
   *
   * @returns what a load by this policy may rely on
   */
  async standing(followed: FollowedFeed, policy: PolicyFacts): Promise<FeedStanding> {
    this.#followed = followed
    this.#policy = policy
    this.#followedBy.set(policy, followed)
    await this.#recall(policy)
    if (this.#followed.kind === 'file') await this.#refresh(LONGEST_WAIT)
    else if (staleness(this.#known, followed, Date.now()) !== undefined) await this.#refreshUnlessJustFailed()
    else if (this.#isDue()) await this.#refreshSoon()
    // Meanwhile, another policy may have found a version.
    await this.#recall(policy)
    this.#keepPolling()
    const version = this.#trustedBy.has(policy) ? this.#known : undefined
    const stale = staleness(version, followed, Date.now())
    return { version, stale, failure: this.#failure, notKept: this.#notKept }
  }

  /** Ends polling, for a feed that nobody asks for any more. */
  stop(): void {
    clearTimeout(this.#poll)
    this.#poll = undefined
  }

  /** Makes the version in use one that this policy trusts: the one that is known, or else the kept copy. */
  async #recall(policy: PolicyFacts): Promise<void> {
    while (this.#recalling) await this.#recalling
    if (this.#known && this.#trustedBy.has(policy)) return
    this.#recalling = this.#recallFor(policy).finally(() => (this.#recalling = undefined))
    await this.#recalling
  }

  async #recallFor(policy: PolicyFacts): Promise<void> {
    const known = this.#known
    if (known?.bytes && (await this.#verified(known.bytes, policy).catch(ignored))) {
      this.#trustedBy.add(policy)
      return
    }
    // What the signers of this policy did not sign cannot keep a version of theirs away.
    const kept = await this.#kept(policy)
    if (known && known === this.#known && known.fileDigest === kept?.fileDigest) this.#trustedBy.add(policy)
    else if (kept || known === this.#known) this.#use(kept, policy)
    if (kept && this.#known === kept) this.#keptAt = kept.confirmedAt
  }

  /** The kept copy, if it is valid. */
  #kept(policy: PolicyFacts): Promise<KnownVersion | undefined> {
    return readings.run(async () => {
      const copy = await readKeptCopy(this.#followed.id)
      if (!copy) return undefined
      const version = await this.#read(copy.bytes, policy).catch(ignored)
      return version && { ...version, bytes: undefined, confirmedAt: copy.confirmedAt, etag: copy.etag }
    })
  }

  #use(version: KnownVersion | undefined, policy: PolicyFacts): void {
    this.#known = version
    this.#trustedBy = new WeakSet(version ? [policy] : [])
    if (!version || version.digest === this.#announced) return
    this.#announced = version.digest
    policyChanged()
  }

  #isDue(): boolean {
    return Date.now() - (this.#known?.confirmedAt ?? -Infinity) >= this.#followed.refresh
  }

  async #refreshUnlessJustFailed(): Promise<void> {
    const since = Date.now() - this.#failedAt
    if (this.#attempt || since < 0 || since >= REST) await this.#refresh(LONGEST_WAIT)
  }

  /** The version in use will do, but there may be a newer one. */
  async #refreshSoon(): Promise<void> {
    if (advisorySettings.refreshFirst) await this.#refresh(WAIT_FOR_NEWER)
    else if (Date.now() >= this.#failedAt + this.#pause() || this.#failures === 0) void this.#refresh(LONGEST_WAIT)
  }

  /** Looks for a new version, once for all that wait for it. Does not throw. */
  #refresh(milliseconds: number): Promise<void> {
    this.#attempt ??= this.#tried(milliseconds).finally(() => (this.#attempt = undefined))
    return this.#attempt
  }

  async #tried(milliseconds: number): Promise<void> {
    const policy = this.#policy
    try {
      if (this.#followed.kind === 'file') await this.#readAgain(policy)
      else if (this.#known) await this.#fetchAgain(policy, milliseconds)
      else await firstFetches.run(() => this.#fetchAgain(policy, milliseconds))
      this.#failure = undefined
      this.#failures = 0
    } catch (error) {
      this.#failure = error instanceof ModelSealError ? error : unexpected(error, this.#followed.source)
      this.#failures += 1
      this.#failedAt = Date.now()
    }
  }

  async #fetchAgain(policy: PolicyFacts, milliseconds: number): Promise<void> {
    const known = this.#trustedBy.has(policy) ? this.#known : undefined
    const asked = Date.now()
    const fetched = await fetchFeed(this.#followed.source, known?.etag, milliseconds)
    if (fetched) await this.#consider(fetched.bytes, policy, { confirmedAt: asked, etag: fetched.etag })
    else if (known) await this.#confirm(known, policy, { confirmedAt: asked, etag: known.etag })
  }

  async #readAgain(policy: PolicyFacts): Promise<void> {
    const { source } = this.#followed
    const asked = Date.now()
    const state = await fileState(source)
    const known = this.#trustedBy.has(policy) ? this.#known : undefined
    if (known && state === this.#fileState) return this.#confirm(known, policy, { confirmedAt: asked, etag: undefined })
    this.#fileState = undefined
    const bytes = await readPolicyFile(source, { what: 'advisory feed', maxBytes: MAX_FEED_BYTES })
    await this.#consider(bytes, policy, { confirmedAt: asked, etag: undefined })
    this.#fileState = state
    return undefined
  }

  /** @throws {@link ModelSealError} why it cannot be the version in use */
  async #consider(bytes: Buffer, policy: PolicyFacts, record: Recorded): Promise<void> {
    const known = this.#trustedBy.has(policy) ? this.#known : undefined
    if (known && known.fileDigest === (await digestOf(bytes))) {
      if (this.#keptAt === -Infinity) known.bytes = bytes
      return this.#confirm(known, policy, record)
    }
    const version = await this.#verified(bytes, policy)
    // Another process may have seen a later version.
    const kept = await this.#kept(policy)
    if (kept && isLater(kept, this.#known)) this.#use(kept, policy)
    if (this.#known && this.#trustedBy.has(policy)) checkFollows(version, this.#known, this.#followed.source)
    this.#use({ ...version, ...record }, policy)
    return this.#keep()
  }

  /** The source still serves the version in use. */
  async #confirm(known: KnownVersion, policy: PolicyFacts, record: Recorded): Promise<void> {
    if (this.#known !== known) return
    this.#known = { ...known, ...record }
    const sinceKept = record.confirmedAt - this.#keptAt
    if (sinceKept >= 0 && sinceKept < WRITTEN_EVERY) return
    const isRecent = sinceKept >= 0 && sinceKept < this.#followed.maxAge.milliseconds * PART_OF_MAX_AGE
    if (isRecent && this.#keptState === (await keptState(this.#followed.id))) return
    // Another process may have kept a later version, which must not be overwritten.
    const kept = await this.#kept(policy)
    if (kept && isLater(kept, this.#known)) this.#use(kept, policy)
    else await this.#keep()
  }

  async #keep(): Promise<void> {
    const known = this.#known
    if (!known) return
    try {
      const bytes = known.bytes ?? (await this.#keptBytes(known))
      if (!bytes) {
        this.#readWhole()
        return
      }
      await keepCopy(this.#followed.id, { ...known, bytes })
      known.bytes = undefined
      this.#keptAt = known.confirmedAt
      this.#keptState = await keptState(this.#followed.id)
      this.#notKept = undefined
    } catch (error) {
      if (!(error instanceof ModelSealError)) throw error
      this.#notKept = error
    }
  }

  /** The feed file of the version in use; undefined if it is not kept any more. */
  async #keptBytes({ fileDigest }: KnownVersion): Promise<Buffer | undefined> {
    const copy = await readKeptCopy(this.#followed.id)
    return copy && (await digestOf(copy.bytes)) === fileDigest ? copy.bytes : undefined
  }

  /** Next time, the whole file is read, so that it can be kept again. */
  #readWhole(): void {
    this.#keptAt = -Infinity
    this.#fileState = undefined
    if (this.#known) this.#known.etag = undefined
  }

  /** @throws {@link ModelSealError} why a feed file is not valid */
  #verified(bytes: Buffer, policy: PolicyFacts): Promise<FeedVersion> {
    return readings.run(() => this.#read(bytes, policy))
  }

  async #read(bytes: Buffer, policy: PolicyFacts): Promise<FeedVersion> {
    const { source } = this.#followed
    const fileDigest = await digestOf(bytes)
    if (this.#known?.fileDigest === fileDigest && this.#trustedBy.has(policy)) return { ...this.#known, bytes }
    const payload = await verifiedPayload(bytes, this.#followedBy.get(policy) ?? this.#followed, policy)
    const digest = await digestOf(payload)
    if (this.#known?.digest === digest) return { ...this.#known, bytes, fileDigest }
    const { feed, sequence, issued, expires, denied } = await readFeed(payload, { file: source })
    const list = new RevocationList(`the advisory feed ${shown(feed)}`)
    await inTurns(list.addSteps(denied))
    return { bytes, fileDigest, digest, feed, sequence, issued, expires, denied: list }
  }

  /** A file is read whenever it changes. */
  #keepPolling(): void {
    if (this.#followed.kind === 'file' || this.#poll || advisorySettings.refreshFirst) return
    this.#poll = setTimeout(() => {
      void this.#refresh(LONGEST_WAIT).finally(() => {
        // Unless it was stopped meanwhile.
        if (!this.#poll) return
        this.#poll = undefined
        this.#keepPolling()
      })
    }, this.#pause())
    this.#poll.unref()
  }

  /** Not all processes ask at once, and those that get no answer ask less often. */
  #pause(): number {
    const { refresh } = this.#followed
    const backoff = Math.min(refresh * 2 ** Math.min(this.#failures, 16), Math.max(refresh, LONGEST_BACKOFF))
    return backoff * (0.9 + Math.random() * 0.2)
  }
}

function digestOf(bytes: Uint8Array): Promise<string> {
  return inTurns(digestSteps(bytes))
}

type Recorded = Pick<KnownVersion, 'confirmedAt' | 'etag'>

function isLater(version: FeedVersion, known: FeedVersion | undefined): boolean {
  return known === undefined || version.sequence > known.sequence
}

function ignored(error: unknown): undefined {
  if (!(error instanceof ModelSealError)) throw error
}

function unexpected(cause: unknown, source: string): ModelSealError {
  return new ModelSealError('INTERNAL', 'Cannot follow the advisory feed: it failed unexpectedly.', {
    file: source,
    hint: 'Please report this.',
    cause,
  })
}
