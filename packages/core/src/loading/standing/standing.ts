import { publishRevoked } from '../../events.ts'
import { ModelSealError, sentenceOf, shown } from '../../errors.ts'
import type { Verdict } from '../../results.ts'
import type { OnRevoked } from '../open-options.ts'
import type { CurrentVersion } from './current-version.ts'
import { hashAgain } from './hash-again.ts'
import { judgeAgain, type Unknown } from './judge-again.ts'
import type { JudgedLoad } from './judged-load.ts'
import { fetching, hashing } from './lines.ts'
import { readAttestationsAgain } from './read-again.ts'

/** Attestations that could not be fetched are asked for again after this long, in milliseconds. */
const RETRY = 60_000

/** What runtimes created keeps alive what is known of its model. */
const holders = new WeakMap<object, Standing>()

/** How a loaded model stands with the policies that judged its load. */
export class Standing {
  readonly #controller = new AbortController()
  #loads: readonly JudgedLoad[] = []
  /** When attestations are asked for again that could not be fetched, in milliseconds since 1970. */
  readonly #retryAt = new Map<JudgedLoad, number>()
  #isHeld = false
  readonly #verdict: Verdict
  readonly #onRevoked: OnRevoked | undefined
  #release: (() => void) | undefined

  constructor(verdict: Verdict, onRevoked: OnRevoked | undefined) {
    this.#verdict = verdict
    this.#onRevoked = onRevoked
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
    return this.#onRevoked === 'release'
  }

  /** True if a runtime uses the model, so that closing it is not the end. */
  get isHeld(): boolean {
    return this.#isHeld
  }

  /** Goes on for as long as what a runtime created from the model exists. */
  heldBy(created: object): void {
    this.#isHeld = true
    holders.set(created, this)
  }

  /** @throws {@link ModelSealError} `MODEL_REVOKED` */
  check(): void {
    if (this.revoked.aborted) throw this.revoked.reason
  }

  /** Releases what the runtime created when the model is revoked. Must not keep it alive. */
  onRelease(release: () => void): void {
    this.#release = release
  }

  /**
   * Judges the model again if a policy or a feed has another version than before. Does not throw.
   *
   * @internal
   */
  async judge(current: (given: JudgedLoad['by']['given']) => Promise<CurrentVersion | undefined>): Promise<void> {
    for (const load of this.#loads) {
      if (this.revoked.aborted) return
      await this.#unlessRefused(async () => {
        const version = await current(load.by.given)
        if (!version || !this.#isNew(version, load)) return
        load.by = version
        this.#retryAt.delete(load)
        const unknown = await judgeAgain(load, version.policy)
        if (unknown.hashTypes.length > 0 || unknown.rootDigest)
          hashing.add(() => this.#unlessRefused(() => this.#hashAgain(load, version, unknown)))
        if (unknown.attestations) fetching.add(() => this.#unlessRefused(() => this.#fetchAgain(load, version)))
      })
    }
  }

  #isNew({ read, versions }: CurrentVersion, load: JudgedLoad): boolean {
    const { by } = load
    return read !== by.read || versions !== by.versions || Date.now() >= (this.#retryAt.get(load) ?? Infinity)
  }

  async #hashAgain(load: JudgedLoad, version: CurrentVersion, unknown: Unknown): Promise<void> {
    // Another version may have taken its place.
    if (this.revoked.aborted || load.by !== version) return
    await hashAgain(load, unknown)
    if (load.by === version) await judgeAgain(load, version.policy)
  }

  async #fetchAgain(load: JudgedLoad, version: CurrentVersion): Promise<void> {
    if (this.revoked.aborted || load.by !== version) return
    if (!(await readAttestationsAgain(load))) this.#retryAt.set(load, Date.now() + RETRY)
    else if (load.by === version) await judgeAgain(load, version.policy)
  }

  async #unlessRefused(work: () => Promise<unknown>): Promise<void> {
    try {
      await work()
    } catch (error) {
      this.#revoke(error)
    }
  }

  #revoke(cause: unknown): void {
    if (this.revoked.aborted) return
    const verdict = this.#verdict
    const model = verdict.model.path
    const error = revokedError(model, cause)
    error.verdict = verdict
    this.#controller.abort(error)
    publishRevoked({ model, verdict, error })
    if (this.#onRevoked === 'release') this.#release?.()
    else if (this.#onRevoked === 'exit') exit(error)
    else if (this.#onRevoked) callLater(this.#onRevoked, { model, verdict, error })
  }
}

function revokedError(model: string, cause: unknown): ModelSealError {
  const refusal = cause instanceof ModelSealError ? cause : undefined
  const why = refusal ? sentenceOf(refusal) : 'It could not be judged again by the changed policy.'
  return new ModelSealError('MODEL_REVOKED', `The model ${shown(model)} was revoked after it was loaded: ${why}`, {
    file: model,
    expected: refusal?.expected,
    found: refusal?.found,
    hint: 'Stop using the model. A new load is refused for the same reason, unless the policy or the feed changes again.',
    cause,
  })
}

/** What the function throws is an uncaught exception, as it is for listeners of the signal. */
function callLater(onRevoked: Exclude<OnRevoked, string>, revoked: Parameters<typeof onRevoked>[0]): void {
  process.nextTick(onRevoked, revoked)
}

function exit(error: ModelSealError): void {
  try {
    process.stderr.write(`${error.message}\n`)
  } finally {
    process.exit(1)
  }
}
