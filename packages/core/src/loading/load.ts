import type { HashOptions } from '../hashing/hash-files.ts'
import { modelUrl } from '../policy/matching/model-url.ts'
import { placeOf, sourceAt } from '../source/model-location.ts'
import type { ModelPlace, ModelSource } from '../source/model-source.ts'
import { OpenedSource } from '../source/opened-source.ts'
import type { SourceReader } from '../source/source-reader.ts'
import type { HandOuts } from './files/hand-outs.ts'
import { Judging, type Judge } from './judging/judging.ts'
import { Responsibility } from './judging/responsibility.ts'
import { warnInto } from './judging/verdict-steps.ts'
import type { Gather } from './model-reader.ts'
import type { OpenOptions } from './open-options.ts'

/** A model that is to be loaded. */
export interface LoadRequest<T> {
  /** As `modelLocation` gives it. */
  source: string | ModelSource
  /** As `openOptions` has read them. */
  options: OpenOptions
  gather: Gather<T>
}

/** A load under way: what was asked for, who judges it, and the source while it is open. */
export class Load<T = unknown> {
  readonly options: OpenOptions
  readonly gather: Gather<T>
  readonly place: ModelPlace
  readonly judgings: readonly [Judging, ...Judging[]]
  readonly responsibility: Responsibility
  /** Is told what is handed out. */
  readonly handOuts: HandOuts | undefined
  readonly #source: ModelSource
  #opened: Promise<OpenedSource> | undefined
  #isHandedOver = false

  /**
   * @param judges at least one; all of them look at the same bundles
   * @throws {@link ModelSealError} `INVALID_ARGUMENT` for a place that cannot be judged
   */
  constructor(
    { source, options, gather }: LoadRequest<T>,
    [judge, ...others]: readonly [Judge, ...Judge[]],
    handOuts: HandOuts | undefined,
  ) {
    this.options = options
    this.gather = gather
    this.handOuts = handOuts
    this.#source = sourceAt(source, options.http)
    this.place = placeOf(this.#source)
    const first = new Judging(this, options, judge)
    this.judgings = [first, ...others.map((other) => new Judging(this, options, other, first))]
    this.responsibility = new Responsibility(this.judgings)
  }

  /** Names the model in messages. */
  get label(): string {
    const { path, url } = this.place
    return url === undefined ? path : modelUrl(url)
  }

  /** The source, which is opened when it is first needed. One that fails is opened again for whoever asks next. */
  opened(): Promise<OpenedSource> {
    this.#opened ??= this.#open()
    return this.#opened
  }

  /** The model belongs to the caller, and so does the source from now on: it is closed with the model. */
  handOver(): void {
    this.#isHandedOver = true
  }

  /** For files that are handed out: ends their reading, and the load with it once the model belongs to the caller. */
  closing(reader: SourceReader): () => Promise<void> {
    return async () => {
      await reader.stop()
      if (this.#isHandedOver) await this.close()
    }
  }

  /** In bounded time, and without an error: a source that does not end as it should changes nothing of the decision. */
  async close(): Promise<void> {
    const opened = this.#opened
    this.#opened = undefined
    // One that could not be opened is not open.
    const source = await opened?.catch(() => undefined)
    const fault = await source?.close()
    if (!fault) return
    const { found, expected } = fault
    const reason = found ?? expected
    warnInto(this.judgings.map(({ verdict }) => verdict))({
      code: 'MODELSEAL_SOURCE_CLOSE',
      message: `The source of the model did not close as it should${reason === undefined ? '' : ` (${reason})`}. Check the package that reads from it.`,
    })
  }

  /** Notes in the verdicts what did not go as it should. */
  warnInto(judgings: readonly Judging[]): HashOptions['warn'] {
    return warnInto(judgings.map(({ verdict }) => verdict))
  }

  async #open(): Promise<OpenedSource> {
    try {
      const opened = await OpenedSource.open(this.#source, { signal: this.options.signal })
      const { revision } = opened
      if (revision !== undefined) for (const { verdict } of this.judgings) verdict.model.revision = revision
      return opened
    } catch (error) {
      this.#opened = undefined
      throw error
    }
  }
}
