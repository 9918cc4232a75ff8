import type { HashOptions } from '../hashing/hash-files.ts'
import { withoutPrototype } from '../snapshot.ts'
import { modelUrl } from '../policy/matching/model-url.ts'
import { DATASET_FORMAT } from '../policy/model-formats.ts'
import { checkedPlace, sourceAt } from '../source/model-location.ts'
import type { ModelPlace, ModelSource } from '../source/model-source.ts'
import { OpenedSource } from '../source/opened-source.ts'
import type { SourceReader } from '../source/answers/source-reader.ts'
import type { HandOuts } from './files/hand-outs.ts'
import { Judging, type Judge } from './judging/judging.ts'
import { LoadedContent } from './standing/loaded-content.ts'
import { wantedReactions } from './standing/reactions.ts'
import { Standing } from './standing/standing.ts'
import { Responsibility } from './judging/responsibility.ts'
import { warnInto } from './judging/verdict-steps.ts'
import type { SavingReader } from './model-reader.ts'
import type { OpenOptions } from './open-options.ts'

/** A model to be loaded. */
export interface LoadRequest<T> {
  /** As returned by `modelLocation`. */
  source: string | ModelSource
  /** As returned by `openOptions`. */
  options: OpenOptions
  gather: (reader: SavingReader) => Promise<T>
  /** Whether the bytes of bundles are kept, because the model is saved. */
  keepsBundles?: boolean
  /** True if someone only wants to see what a load would decide: nothing is handed out, and no journal records it. */
  isUnrecorded?: boolean
}

/** A load in progress: the request, its judges, and the source while it is open. */
export class Load<T = unknown> {
  readonly options: OpenOptions
  readonly gather: LoadRequest<T>['gather']
  readonly keepsBundles: boolean
  readonly isUnrecorded: boolean
  readonly place: ModelPlace
  readonly judgings: readonly [Judging, ...Judging[]]
  readonly responsibility: Responsibility
  /** What is known of the content that is handed out. */
  readonly content = new LoadedContent()
  readonly standing: Standing
  /** Is notified of everything that is handed out. */
  readonly handOuts: HandOuts | undefined
  readonly #source: ModelSource
  #opened: Promise<OpenedSource> | undefined
  #isHandedOver = false

  /**
   * @param judges at least one; all of them see the same bundles
   * @throws {@link ModelSealError} `INVALID_ARGUMENT` if the place cannot be judged
   */
  constructor(
    request: LoadRequest<T>,
    [judge, ...others]: readonly [Judge, ...Judge[]],
    handOuts: HandOuts | undefined,
  ) {
    const { source, options, gather, keepsBundles = false, isUnrecorded = false } = withoutPrototype(request)
    this.options = options
    this.gather = gather
    this.keepsBundles = keepsBundles
    this.isUnrecorded = isUnrecorded
    this.handOuts = handOuts
    this.#source = sourceAt(source, options.http)
    this.place = checkedPlace(this.#source)
    const first = new Judging(this, options, judge)
    this.judgings = [first, ...others.map((other) => new Judging(this, options, other, first))]
    this.responsibility = new Responsibility(this.judgings)
    this.standing = new Standing(first.verdict, wantedReactions(options.onRevoked))
  }

  /** Name of the model in messages. */
  get label(): string {
    const { path, url } = this.place
    return url === undefined ? path : modelUrl(url)
  }

  /** True if the program reads a dataset: names and sizes are compared when it is opened, and bytes when they are read. */
  get isDataset(): boolean {
    return this.options.format === DATASET_FORMAT
  }

  /** Whether a policy that judges the load, or a feed that it follows, can change while the model is in use. */
  get isWatched(): boolean {
    return this.judgings.some(({ judgedBy }) => judgedBy !== undefined)
  }

  /** The source, which is opened when it is first needed. If that fails, the next call tries again. */
  opened(): Promise<OpenedSource> {
    this.#opened ??= this.#open()
    return this.#opened
  }

  /** Returns a function that opens the source once more, for attestations that were not read. It keeps nothing else of the load. */
  reopening(): () => Promise<OpenedSource> {
    const source = this.#source
    const { maxBytes } = this.options
    return () => OpenedSource.open(source, { signal: undefined, maxBytes, detached: true })
  }

  /** Passes the source to the caller together with the model, with which it is closed. */
  handOver(): void {
    this.#isHandedOver = true
  }

  /**
   * Returns a function that ends reading files that are handed out, and once the model belongs to the caller, the load.
   */
  closing(reader: SourceReader): () => Promise<void> {
    return async () => {
      await reader.stop()
      if (this.#isHandedOver) await this.close()
    }
  }

  /** Takes bounded time and does not throw: a source that fails to close does not change the decision. */
  async close(): Promise<void> {
    const opened = this.#opened
    this.#opened = undefined
    // A source that could not be opened need not be closed.
    const source = await opened?.catch(() => undefined)
    const fault = await source?.close()
    if (!fault) return
    const { found, expected } = fault
    const reason = found ?? expected
    warnInto(this.judgings.map(({ verdict }) => verdict))({
      code: 'MODELSEAL_SOURCE_CLOSE',
      message: `Cannot close the source of the model${reason === undefined ? '' : `: ${reason}`}. Check the package that reads from it.`,
    })
  }

  /** Records warnings in the verdicts. */
  warnInto(judgings: readonly Judging[]): HashOptions['warn'] {
    return warnInto(judgings.map(({ verdict }) => verdict))
  }

  async #open(): Promise<OpenedSource> {
    try {
      const { signal, maxBytes } = this.options
      const opened = await OpenedSource.open(this.#source, { signal, maxBytes })
      const { revision, requested, packageUrl } = opened
      for (const { verdict } of this.judgings) {
        if (revision !== undefined) verdict.model.revision = revision
        if (requested !== undefined) verdict.model.requested = requested
        if (packageUrl !== undefined) verdict.model.packageUrl = packageUrl
      }
      return opened
    } catch (error) {
      this.#opened = undefined
      throw error
    }
  }
}
