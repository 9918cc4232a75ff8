import type { RecordedLoad } from '../../journal/recording/recorded-load.ts'
import { codeOf } from '../../any-realm.ts'
import type { Verdict } from '../../results.ts'
import type { JudgedBy } from '../judging/judged-by.ts'
import type { OnRevoked } from '../open-options.ts'
import { Calls } from './calls.ts'
import type { CurrentVersion } from './current-version.ts'
import { hashAgain } from './hash-again.ts'
import { judgeAgain, type Unknown } from './judge-again.ts'
import type { JudgedLoad } from './judged-load.ts'
import { fetching, hashing } from './lines.ts'
import { react, revokedError } from './reactions.ts'
import { readAttestationsAgain } from './read-again.ts'

/** Attestations that could not be fetched are asked for again after this long, in milliseconds. */
const RETRY = 60_000

/** What runtimes created keeps alive what is known of its model. */
const holders = new WeakMap<object, Standing>()

/** What a runtime created from a model, which can be released. Must not keep it alive. */
export interface Releasable {
  release: () => void
}

/** How a loaded model stands with the policies that judged its load. */
export class Standing {
  readonly #controller = new AbortController()
  #loads: readonly JudgedLoad[] = []
  /** When attestations are asked for again that could not be fetched, in milliseconds since 1970. */
  readonly #retryAt = new Map<JudgedLoad, number>()
  #isHeld = false
  #isClosed = false
  #wasUsed = false
  #recorded: RecordedLoad | undefined
  readonly #verdict: Verdict
  readonly #reactions: readonly OnRevoked[]
  readonly #uses = new Set<Releasable>()
  #unfollow: (() => void) | undefined
  readonly calls = new Calls(
    () => {
      this.check()
    },
    () => {
      this.#release()
    },
  )

  /** @param reactions of the program, and of whoever runs it */
  constructor(verdict: Verdict, reactions: readonly OnRevoked[]) {
    this.#verdict = verdict
    this.#reactions = reactions
  }

  /**
   * @internal
   * @param loads one for each policy that can change
   */
  remember(loads: readonly JudgedLoad[]): void {
    this.#loads = loads
  }

  /** Is aborted when the model is revoked. The reason is a {@link ModelSealError}. */
  get revoked(): AbortSignal {
    return this.#controller.signal
  }

  /** @internal The versions of policies by which it was judged last. */
  get judgedBy(): JudgedBy[] {
    return this.#loads.map(({ by }) => by)
  }

  /**
   * Journals have recorded the load, and will record its end.
   *
   * @param isHandle true if the model is in use only through an object that keeps this one alive
   */
  recordedAs(recorded: RecordedLoad, isHandle = false): void {
    this.#recorded = recorded
    if (isHandle) recorded.heldBy(this)
  }

  /** True if journals are to record the end of the load. */
  get isRecorded(): boolean {
    return this.#recorded !== undefined
  }

  /** True if what judged the model can change. */
  get isChangeable(): boolean {
    return this.#loads.length > 0
  }

  /** True if nobody reports that it changed: a policy or a feed in a file. */
  get mustBePolled(): boolean {
    return this.#loads.some(
      ({ by: { given, read } }) => given !== read || read.advisories.some(({ kind }) => kind === 'file'),
    )
  }

  /** True if the caller wants what a runtime created to be released. */
  get releases(): boolean {
    return this.#reactions.includes('release')
  }

  /** Goes on for as long as what a runtime created from the model exists. */
  heldBy(created: object): void {
    this.#isHeld = true
    holders.set(created, this)
    this.#recorded?.heldBy(this)
  }

  /** @throws {@link ModelSealError} `MODEL_REVOKED` */
  check(): void {
    if (this.revoked.aborted) throw this.revoked.reason
  }

  /** What a runtime created is in use. It is released when the model is revoked, once the calls in progress have ended. */
  begin(use: Releasable): void {
    this.#wasUsed = true
    this.#uses.add(use)
  }

  /** The program has released what the runtime created. */
  end(use: Releasable): void {
    this.#uses.delete(use)
    if (this.#uses.size === 0 && this.#isClosed) this.#ended('released')
  }

  /** The program has closed the model. What a runtime created may still use it. */
  close(): void {
    this.#isClosed = true
    if (!this.#isHeld) this.#ended('closed')
    else if (this.#wasUsed && this.#uses.size === 0) this.#recorded?.ended('released')
  }

  /** @internal From now on, the model is judged whenever something changes. */
  followed(unfollow: () => void): void {
    this.#unfollow = unfollow
  }

  #ended(why: 'closed' | 'released'): void {
    this.#forget()
    this.#recorded?.ended(why)
  }

  #forget(): void {
    this.#unfollow?.()
    this.#unfollow = undefined
  }

  /**
   * Judges the model again if a policy or a feed has another version than before. Does not throw.
   *
   * @internal
   * @param current the current version of a policy and its feeds; what it throws revokes the model
   */
  async judge(current: (by: JudgedBy) => Promise<CurrentVersion>): Promise<void> {
    for (const load of this.#loads) {
      if (this.revoked.aborted) return
      await this.#unlessRefused(async () => {
        const version = await current(load.by)
        if (!this.#isNew(version, load, this.#retryAt.get(load))) return
        load.by = version
        this.#retryAt.delete(load)
        const unknown = await judgeAgain(load, version)
        if (unknown.hashTypes.length > 0 || unknown.rootDigest)
          hashing.add(() => this.#unlessRefused(() => this.#hashAgain(load, version, unknown)))
        if (unknown.attestations) fetching.add(() => this.#unlessRefused(() => this.#fetchAgain(load, version)))
      })
    }
  }

  #isNew({ read, versions }: CurrentVersion, { by }: JudgedLoad, retryAt = Infinity): boolean {
    return read !== by.read || versions !== by.versions || Date.now() >= retryAt
  }

  #release(): void {
    if (!this.revoked.aborted || !this.releases || this.#uses.size === 0) return
    for (const use of this.#uses) use.release()
    this.#recorded?.ended('revoked')
  }

  async #hashAgain(load: JudgedLoad, version: CurrentVersion, unknown: Unknown): Promise<void> {
    if (!this.#isStillDue(load, version)) return
    await hashAgain(load, unknown)
    if (load.by === version) await judgeAgain(load, version)
  }

  async #fetchAgain(load: JudgedLoad, version: CurrentVersion): Promise<void> {
    if (!this.#isStillDue(load, version)) return
    if (!(await readAttestationsAgain(load))) this.#retryAt.set(load, Date.now() + RETRY)
    else if (load.by === version) await judgeAgain(load, version)
  }

  /** While it waited, the model may have been closed or revoked, or another version may have taken the place of this one. */
  #isStillDue(load: JudgedLoad, version: CurrentVersion): boolean {
    return this.#unfollow !== undefined && !this.revoked.aborted && load.by === version
  }

  async #unlessRefused(work: () => Promise<unknown>): Promise<void> {
    try {
      await work()
    } catch (error) {
      this.#revoke(error)
    }
  }

  #revoke(cause: unknown): void {
    if (this.revoked.aborted || !this.#unfollow) return
    const verdict = this.#verdict
    const error = revokedError(verdict, cause)
    // A listener may end the process.
    this.#recorded?.revoked(codeOf(cause))
    this.#controller.abort(error)
    this.#forget()
    react(this.#reactions, { model: verdict.model.path, verdict, error })
    if (!this.calls.areRunning) this.#release()
  }
}
