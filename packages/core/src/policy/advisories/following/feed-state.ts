import { ModelSealError } from '../../../errors.ts'
import { monotonic } from '../../../real-time.ts'
import type { PolicyFacts } from '../../policy-facts.ts'
import { feedChanged } from '../../watching/changes.ts'
import { fileState } from '../../reading/file-state.ts'
import { readPolicyFile } from '../../reading/policy-file.ts'
import { MAX_FEED_BYTES } from '../feed-statement.ts'
import type { FollowedFeed } from '../followed-feed.ts'
import { FeedPlace } from './feed-place.ts'
import type { Asking, Looked } from './fetch-feed.ts'
import { FewAtOnce } from './few-at-once.ts'
import { Keeping } from './keeping.ts'
import { LONGEST_WAIT, MOST_TRIES, REST, WAIT_FOR_NEWER } from './limits.ts'
import { Polling } from './polling.ts'
import { firstFetches, readings } from './queue.ts'
import { advisorySettings } from './settings.ts'
import { sha256InTurns, verifiedVersion } from './verified-version.ts'
import {
  checkFollows,
  ignored,
  isLater,
  staleness,
  failureOf,
  type FeedStanding,
  type FeedVersion,
  type KnownVersion,
  type Recorded,
} from './version.ts'

const turns = new FewAtOnce(false)

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
  /** The attempt that loads wait for. */
  #attempt: Promise<void> | undefined
  #failure: ModelSealError | undefined
  /** When an attempt failed that was not a long one; of {@link monotonic}. */
  #failedAt = -Infinity
  readonly #keeping: Keeping
  #fileState: string | undefined
  readonly #place = new FeedPlace()
  readonly #polling = new Polling({
    followed: () => this.#followed,
    etag: () => this.#trusted(this.#policy)?.etag,
    digest: () => this.#known?.digest,
    look: (asking) => this.#tried(asking),
  })

  constructor(followed: FollowedFeed, policy: PolicyFacts) {
    this.#followed = followed
    this.#policy = policy
    this.#keeping = new Keeping(followed.id)
  }

  /**
   * Waits for the network only if no version may be relied on.
   *
   * @param waits false if it never waits for the network. Such a caller may end this process, so that it gets no version that the next process would not begin with.
   * @returns what a load by this policy may rely on
   */
  standing(followed: FollowedFeed, policy: PolicyFacts, waits: boolean): FeedStanding | Promise<FeedStanding> {
    this.#followed = followed
    this.#policy = policy
    this.#followedBy.set(policy, followed)
    const standing = this.#atOnce(followed, policy) ?? this.#lookedFor(followed, policy, waits)
    return waits ? standing : this.#keeping.afterWriting(standing)
  }

  /** Many loads follow many feeds, and nobody has to look for any. */
  #atOnce(followed: FollowedFeed, policy: PolicyFacts): FeedStanding | undefined {
    if (this.#recalling || this.#isDue() || !this.#polling.isOn) return undefined
    const standing = this.#now(followed, policy)
    return standing.stale === undefined ? standing : undefined
  }

  async #lookedFor(followed: FollowedFeed, policy: PolicyFacts, waits: boolean): Promise<FeedStanding> {
    await this.#recall(policy)
    const isStale = staleness(this.#known, followed, Date.now()) !== undefined
    if (followed.kind === 'file') await this.#lookNow(LONGEST_WAIT)
    else if (isStale && waits) await this.#lookUnlessJustFailed()
    else if (isStale || this.#isDue()) await this.#lookSoon(waits)
    // Meanwhile, another policy may have found a version.
    await this.#recall(policy)
    // A file is read whenever it changes.
    if (followed.kind !== 'file' && !advisorySettings.refreshFirst) this.#polling.start()
    return this.#now(followed, policy)
  }

  #now(followed: FollowedFeed, policy: PolicyFacts): FeedStanding {
    const version = this.#trusted(policy)
    const stale = staleness(version, followed, Date.now())
    return { version, stale, failure: this.#failure, notKept: this.#keeping.failure }
  }

  /** Ends polling, for a feed that nobody asks for any more. */
  stop(): void {
    this.#polling.stop()
  }

  /** The version in use, if the signers of a policy signed it. */
  #trusted(policy: PolicyFacts): KnownVersion | undefined {
    return this.#trustedBy.has(policy) ? this.#known : undefined
  }

  /** Makes the version in use one that this policy trusts: the one that is known, or else the kept copy. */
  async #recall(policy: PolicyFacts): Promise<void> {
    while (this.#recalling) await this.#recalling
    if (this.#trusted(policy)) return
    this.#recalling = this.#recallFor(policy).finally(() => (this.#recalling = undefined))
    await this.#recalling
  }

  async #recallFor(policy: PolicyFacts): Promise<void> {
    const known = this.#known
    if (known?.bytes && (await readings.run(this.#read.bind(this, known.bytes, policy)).catch(ignored))) {
      if (known.fileDigest === this.#known?.fileDigest) this.#trustedBy.add(policy)
      return
    }
    // What the signers of this policy did not sign cannot keep a version of theirs away. Meanwhile, one may have been fetched.
    const kept = await this.#kept(policy)
    if (kept && kept.fileDigest === this.#known?.fileDigest) this.#trustedBy.add(policy)
    else if (kept && isLater(kept, this.#trusted(policy))) this.#use(kept, policy)
    else if (!kept && known === this.#known) this.#use(undefined, policy)
    if (kept && this.#known === kept) this.#keeping.keptAt = kept.confirmedAt
  }

  /** The kept copy, if it is valid. */
  #kept(policy: PolicyFacts): Promise<KnownVersion | undefined> {
    return readings.run(() => this.#keeping.read(policy, (bytes) => this.#read(bytes, policy).catch(ignored)))
  }

  /** @returns true if the kept copy is later than the version in use, so that it is used now */
  async #useLaterKept(policy: PolicyFacts): Promise<boolean> {
    if (await this.#keeping.isSeen(policy)) return false
    const kept = await this.#kept(policy)
    if (!kept || !isLater(kept, this.#trusted(policy))) return false
    this.#use(kept, policy)
    return true
  }

  #use(version: KnownVersion | undefined, policy: PolicyFacts): void {
    this.#take(version, policy)
    this.#announce()
  }

  #take(version: KnownVersion | undefined, policy: PolicyFacts): void {
    this.#known = version
    this.#trustedBy = new WeakSet(version ? [policy] : [])
  }

  #announce(known = this.#known): void {
    if (known && this.#announced !== (this.#announced = known.digest)) feedChanged(this.#followed.source, known)
  }

  #isDue(): boolean {
    return Date.now() - (this.#known?.confirmedAt ?? -Infinity) >= this.#followed.refresh
  }

  async #lookUnlessJustFailed(): Promise<void> {
    if (this.#attempt || monotonic() - this.#failedAt >= REST) await this.#lookNow(LONGEST_WAIT)
  }

  /** The version in use will do, or nobody waits for another one. */
  async #lookSoon(waits: boolean): Promise<void> {
    if (waits && advisorySettings.refreshFirst) await this.#lookNow(WAIT_FOR_NEWER)
    else this.#polling.soon()
  }

  /** Looks for a new version, once for all loads that wait for it. Does not throw. */
  #lookNow(milliseconds: number): Promise<void> {
    this.#attempt ??= this.#lookOnce(milliseconds).finally(() => (this.#attempt = undefined))
    return this.#attempt
  }

  async #lookOnce(milliseconds: number): Promise<void> {
    const began = monotonic()
    const look = () =>
      this.#tried({ milliseconds: Math.max(1, Math.ceil(began + milliseconds - monotonic())), isDetached: false })
    const tried = await (this.#followed.kind === 'file' ? look() : (this.#known ? turns : firstFetches).run(look))
    if (tried) this.#polling.pace.answered()
    else this.#polling.pace.failed({ began, wait: undefined }, this.#followed.refresh)
  }

  /** @returns undefined if it failed */
  async #tried(asking: Asking): Promise<Pick<Looked, 'granted'> | undefined> {
    const policy = this.#policy
    try {
      const looked =
        this.#followed.kind === 'file' ? await this.#readAgain(policy) : await this.#fetchAgain(policy, asking)
      this.#failure = undefined
      return looked
    } catch (error) {
      this.#failure = failureOf(error, this.#followed, this.#trusted(policy))
      if (asking.wait === undefined) this.#failedAt = monotonic()
      return undefined
    }
  }

  async #fetchAgain(policy: PolicyFacts, asking: Asking): Promise<Looked> {
    const known = this.#trusted(policy)
    const confirmedAt = Date.now()
    const looked = await this.#place.look(this.#followed, known?.etag, asking)
    const { bytes, etag } = looked
    if (bytes) await this.#consider(bytes, policy, { confirmedAt, etag })
    else if (known) await this.#confirm(known, policy, { confirmedAt, etag })
    return looked
  }

  async #readAgain(policy: PolicyFacts): Promise<object> {
    const { source } = this.#followed
    const record = { confirmedAt: Date.now(), etag: undefined }
    const state = await fileState(source)
    const known = this.#trusted(policy)
    if (known && state === this.#fileState) await this.#confirm(known, policy, record)
    else {
      this.#fileState = undefined
      const bytes = await readPolicyFile(source, { what: 'advisory feed', maxBytes: MAX_FEED_BYTES })
      await this.#consider(bytes, policy, record)
      this.#fileState = state
    }
    return {}
  }

  /** @throws {@link ModelSealError} why it cannot be the version in use */
  async #consider(bytes: Buffer, policy: PolicyFacts, record: Recorded): Promise<void> {
    const known = this.#trusted(policy)
    if (known && known.fileDigest === (await sha256InTurns(bytes)))
      return this.#confirm(known, policy, this.#keeping.keptAt === -Infinity ? { ...record, bytes } : record)
    const version = await readings.run(() => this.#read(bytes, policy))
    // Another process may have seen a later version.
    await this.#useLaterKept(policy)
    const current = this.#trusted(policy)
    if (current) checkFollows(version, current, this.#followed.source)
    this.#take({ ...version, ...record }, policy)
    // A process that this version ends must not begin with the one before.
    await this.#keep(policy)
    this.#announce()
  }

  /** The source still serves the version in use. */
  async #confirm(known: KnownVersion, policy: PolicyFacts, record: Recorded): Promise<void> {
    const current = this.#trusted(policy)
    if (current?.fileDigest !== known.fileDigest) return
    // A request that began later may have been answered before.
    const isConfirmed = current.confirmedAt > record.confirmedAt && current.confirmedAt <= Date.now()
    const { confirmedAt, etag, bytes = current.bytes } = record
    this.#known = { ...current, ...(isConfirmed ? {} : { confirmedAt, etag }), bytes }
    if (await this.#keeping.isRecent(confirmedAt, this.#followed, policy)) return
    await this.#keep(policy)
  }

  /** Keeps the version in use, unless another process has kept a later one, which is used then. */
  #keep(policy: PolicyFacts): Promise<void> {
    return this.#keeping.inTurn(() => this.#keepNow(policy))
  }

  async #keepNow(policy: PolicyFacts): Promise<void> {
    try {
      for (let tries = 0; tries < MOST_TRIES; tries++) {
        if (await this.#useLaterKept(policy)) return
        const known = this.#trusted(policy)
        if (!known) return
        const isKept = await this.#keeping.replace(known, policy)
        if (isKept === undefined) this.#readWhole()
        if (isKept === false) continue
        if (isKept && this.#known?.fileDigest === known.fileDigest) this.#known.bytes = undefined
        return
      }
    } catch (error) {
      if (!(error instanceof ModelSealError)) throw error
      this.#keeping.failure = error
    }
  }

  /** Next time, the whole file is read, so that it can be kept again. */
  #readWhole(): void {
    this.#keeping.keptAt = -Infinity
    this.#fileState = undefined
    if (this.#known) this.#known.etag = undefined
  }

  #read(bytes: Buffer, policy: PolicyFacts): Promise<FeedVersion> {
    const by = { followed: this.#followedBy.get(policy) ?? this.#followed, policy }
    return verifiedVersion(bytes, by, this.#known, this.#trusted(policy))
  }
}
