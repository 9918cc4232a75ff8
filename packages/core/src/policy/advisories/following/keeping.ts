import type { ModelSealError } from '../../../errors.ts'
import { clearTimeout, setTimeout } from '../../../real-time.ts'
import type { PolicyFacts } from '../../policy-facts.ts'
import type { FollowedFeed } from '../followed-feed.ts'
import { keepCopy, keptState, readKeptCopy } from './kept-copy.ts'
import { sha256InTurns } from './verified-version.ts'
import type { FeedVersion, KnownVersion } from './version.ts'

/** A confirmation is written to the disk when it is later than the last one by as much, in milliseconds, and by this part of `maxAge`. */
const WRITTEN_EVERY = 60_000
const PART_OF_MAX_AGE = 1 / 24
/** A disk that hangs must not hide a revocation for longer, in milliseconds. */
const LONGEST_WRITING = 5_000

/** Keeps the version in use for other processes, as one of several that may do so. */
export class Keeping {
  /** Why it was not kept last time. */
  failure: ModelSealError | undefined
  /** When the version in use was confirmed that is kept. */
  keptAt = -Infinity
  readonly #id: string
  /** The kept copy whose content is known, and the policy for which it was verified. */
  #seen: { state: string; policy: PolicyFacts } | undefined

  /** The last task that is waiting or running. */
  #last: Promise<unknown> = Promise.resolve()

  constructor(id: string) {
    this.#id = id
  }

  /**
   * Reads the kept copy.
   *
   * @param verified verifies a feed file; undefined if it is not valid
   * @returns undefined if there is none that is valid
   */
  async read(
    policy: PolicyFacts,
    verified: (bytes: Buffer) => Promise<FeedVersion | undefined>,
  ): Promise<KnownVersion | undefined> {
    const state = await keptState(this.#id)
    const copy = await readKeptCopy(this.#id)
    const version = copy && (await verified(copy.bytes))
    this.#seen = { state, policy }
    return version && { ...version, bytes: undefined, confirmedAt: copy.confirmedAt, etag: copy.etag }
  }

  /** One work after the other: what is written last must not be what was known first. */
  inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.#last.then(work)
    this.#last = done.catch(() => {})
    return done
  }

  /** Passes on what was known, once the copy is written that is to be kept by then. */
  async afterWriting<T>(known: T | Promise<T>): Promise<T> {
    const result = await known
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, LONGEST_WRITING)
      void this.#last.then(() => {
        clearTimeout(timer)
        resolve()
      })
    })
    return result
  }

  /** True if a confirmation need not be written. */
  async isRecent(confirmedAt: number, { maxAge }: FollowedFeed, policy: PolicyFacts): Promise<boolean> {
    // What was not kept must not wait for as long.
    if (this.failure) return false
    const sinceKept = confirmedAt - this.keptAt
    if (sinceKept < 0 || sinceKept >= Math.max(WRITTEN_EVERY, maxAge.milliseconds * PART_OF_MAX_AGE)) return false
    return sinceKept < WRITTEN_EVERY || this.isSeen(policy)
  }

  /** True if the kept copy has not changed since its content was known. */
  async isSeen(policy: PolicyFacts): Promise<boolean> {
    const { state, policy: seenBy } = this.#seen ?? {}
    return seenBy === policy && state === (await keptState(this.#id))
  }

  /**
   * Replaces the kept copy whose content is known.
   *
   * @returns false if there is another one by now; undefined if the feed file is neither in memory nor on the disk
   * @throws {@link ModelSealError} `CACHE_UNSAFE`, `FILE_WRITE_FAILED`
   */
  async replace(known: KnownVersion, policy: PolicyFacts): Promise<boolean | undefined> {
    const bytes = known.bytes ?? (await this.#bytesOf(known))
    if (!bytes) return undefined
    const state = this.#seen && (await keepCopy(this.#id, { ...known, bytes }, this.#seen.state))
    if (state === undefined) return false
    this.#seen = { state, policy }
    this.keptAt = known.confirmedAt
    this.failure = undefined
    return true
  }

  async #bytesOf({ fileDigest }: KnownVersion): Promise<Buffer | undefined> {
    const copy = await readKeptCopy(this.#id)
    return copy && (await sha256InTurns(copy.bytes)) === fileDigest ? copy.bytes : undefined
  }
}
