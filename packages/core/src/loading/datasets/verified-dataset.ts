import { ASYNC_DISPOSE } from '../../any-realm.ts'
import { checkedText, invalidArgument } from '../../kinds.ts'
import type { Manifest } from '../../manifest/manifest.ts'
import type { AcceptedVerdict, UnverifiedVerdict, Verdict } from '../../results.ts'
import type { BelievedAttestations } from '../attestations/attestation.ts'
import type { OpenedModel, UnverifiedModel, VerifiedModel } from '../verified-model.ts'
import { disposeIfCompiled } from '../async-dispose.ts'
import { asyncBuffer, type AsyncBuffer } from './async-buffer.ts'
import { parquetRows, rowOptions, type RowOptions } from './formats/parquet-rows.ts'
import { recordParser, type RecordOptions } from './formats/records.ts'
import { TarLists } from './formats/tar-lists.ts'
import { tarMembers, type TarMember, type TarMembers } from './formats/tar-members.ts'
import type { Ranges } from './ranges.ts'

const NAME = 'the name of a file'

/** What `openVerifiedDataset` returns. `decision` tells the two types apart. */
export type OpenedDataset = VerifiedDataset | UnverifiedDataset

/** What verified and unverified datasets have in common. */
abstract class DatasetHandle<V extends Verdict> {
  readonly #model: OpenedModel<unknown>
  readonly #ranges: Ranges
  readonly #tars = new TarLists()
  /** Who signed, which rule applied, and what was compared when the dataset was opened. */
  readonly verdict: V

  protected constructor(model: OpenedModel<unknown>, ranges: Ranges) {
    this.#model = model
    this.#ranges = ranges
    this.verdict = model.verdict as V
  }

  /**
   * Is aborted if the dataset is revoked after it was opened, like `revoked` of a model. The dataset then hands out nothing more.
   */
  get revoked(): AbortSignal {
    return this.#model.revoked
  }

  /** Names of all signed files, relative to the dataset; for a single file, its basename. */
  get files(): string[] {
    return this.#model.files
  }

  /**
   * Reads one signed file into memory, and hashes it. The returned buffer is the one that was hashed.
   *
   * @throws {@link ModelSealError} `FILE_NOT_SIGNED`, `FILE_MISMATCH`, `FILE_CHANGED`, `FILE_MISSING`, `FILE_UNREADABLE`, `FILE_REVOKED`,
   * `FILE_TOO_LARGE`, `ABORTED`, and what the source throws; `MODEL_REVOKED` after it was revoked; `INVALID_ARGUMENT` after {@link close}
   */
  async read(name: string): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = await this.#model.read(name)
    this.#model.checkOpen()
    return bytes
  }

  /**
   * Streams one signed file. Each piece is a shard that was verified; no byte after a shard that differs is returned. A file that was signed whole is
   * hashed first.
   *
   * @throws {@link ModelSealError} what {@link read} throws; after the first piece, the stream fails with it
   */
  async stream(name: string): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
    const pieces = await this.#opened(checkedText(name, NAME))
    return new ReadableStream(
      {
        async pull(controller) {
          const next = await pieces.next()
          if (next.done) controller.close()
          else controller.enqueue(next.value)
        },
        async cancel() {
          await pieces.return(undefined)
        },
      },
      // Nothing is read before it is asked for.
      { highWaterMark: 0 },
    )
  }

  /**
   * One signed file in the shape that hyparquet and others read. Each range is verified by the shards that it is in.
   *
   * @throws {@link ModelSealError} what {@link read} throws, here and from `slice()`
   * @example
   * ```ts
   * import { parquetMetadataAsync } from 'hyparquet'
   *
   * const file = await dataset.asyncBuffer('train.parquet')
   * const { num_rows } = await parquetMetadataAsync(file)
   * ```
   */
  async asyncBuffer(name: string): Promise<AsyncBuffer> {
    checkedText(name, NAME)
    const check = () => {
      this.#model.checkOpen()
    }
    check()
    return asyncBuffer(name, this.#ranges, check)
  }

  /**
   * Reads rows of a Parquet file with the optional package `hyparquet`. Only the index of the file and what the rows and columns need is read.
   *
   * @throws {@link ModelSealError} `DATASET_READER_UNAVAILABLE`, `DATASET_MALFORMED`; `FILE_TOO_LARGE` for more than 33,554,432 values and rows;
   * `INVALID_ARGUMENT` for a column that the file does not have; and what {@link asyncBuffer} throws
   */
  async rows(name: string, options?: RowOptions): Promise<Record<string, unknown>[]> {
    const chosen = rowOptions(options)
    const rows = await parquetRows(name, await this.asyncBuffer(name), chosen)
    this.#model.checkOpen()
    return rows
  }

  /**
   * Streams the records of a file: JSON lines, or CSV with the optional package `csv-parse`, whose first record names the columns. Each record comes from
   * shards that were verified.
   *
   * @returns the records; it fails with what {@link stream} throws, `DATASET_READER_UNAVAILABLE` or `DATASET_MALFORMED`
   * @throws {@link ModelSealError} `INVALID_ARGUMENT` for invalid options, and what {@link stream} throws
   * @example
   * ```ts
   * for await (const record of await dataset.records('train.jsonl')) train(record)
   * ```
   */
  async records(name: string, options?: RecordOptions): Promise<AsyncGenerator<unknown, void>> {
    const parse = recordParser(checkedText(name, NAME), options)
    return this.#whileOpen(parse(await this.#opened(name)))
  }

  /**
   * Lists the files in a tar archive, such as a shard of a WebDataset, with the optional package `tar-stream`. Their content is not read. The list is
   * kept for further calls.
   *
   * @returns the members in the order of the archive, without directories
   * @throws {@link ModelSealError} `DATASET_READER_UNAVAILABLE`; `DATASET_MALFORMED` for a damaged archive, for one with links, special files,
   * impossible names or a name twice, and for more than 1,000,000 members; and what {@link asyncBuffer} throws
   */
  async members(name: string): Promise<TarMember[]> {
    const members = await this.#membersOf(name, await this.asyncBuffer(name))
    this.#model.checkOpen()
    return [...members.values()]
  }

  /**
   * Reads one file in a tar archive into memory.
   *
   * @param memberName its name, as {@link members} gives it
   * @throws {@link ModelSealError} `INVALID_ARGUMENT` for a name that the archive does not have, and what {@link members} throws
   * @example
   * ```ts
   * for (const { name } of await dataset.members('train-0000.tar'))
   *   if (name.endsWith('.jpg')) show(await dataset.member('train-0000.tar', name))
   * ```
   */
  async member(name: string, memberName: string): Promise<Uint8Array<ArrayBuffer>> {
    checkedText(memberName, 'the name of a member')
    const file = await this.asyncBuffer(name)
    const found = (await this.#membersOf(name, file)).get(memberName)
    if (!found) throw invalidArgument('memberName', 'the name of a member of the archive', memberName)
    return new Uint8Array(await file.slice(found.offset, found.offset + found.size))
  }

  /** Closes the dataset, as `close()` of a model does. Reads that are running fail with `ABORTED`. What was handed out stays valid. */
  async close(): Promise<void> {
    await this.#model.close()
    this.#ranges.clear()
    this.#tars.clear()
  }

  /** Same as {@link close}. */
  [ASYNC_DISPOSE](): Promise<void> {
    return this.close()
  }

  #membersOf(name: string, file: AsyncBuffer): Promise<TarMembers> {
    return this.#tars.get(name, () => tarMembers(name, file))
  }

  /** What cannot be read fails here, rather than when the first piece is read. */
  async #opened(name: string): Promise<AsyncGenerator<Uint8Array<ArrayBuffer>>> {
    this.#model.checkOpen()
    await this.#ranges.size(name)
    return this.#whileOpen(this.#ranges.pieces(name))
  }

  /** Passes on what is handed out. Nothing more is, once the dataset is revoked or closed. */
  async *#whileOpen<T>(items: AsyncIterable<T>): AsyncGenerator<T, void> {
    this.#model.checkOpen()
    for await (const item of items) {
      this.#model.checkOpen()
      yield item
      this.#model.checkOpen()
    }
  }

  static {
    disposeIfCompiled(this.prototype)
  }
}

/**
 * A dataset whose signature was accepted by the policy. Whatever it hands out was compared with the signature. Only `openVerifiedDataset` creates
 * one.
 */
export class VerifiedDataset extends DatasetHandle<AcceptedVerdict> {
  readonly decision = 'accepted'
  /** The names and digests that were signed. */
  readonly manifest: Manifest
  /** What was attested about the dataset by attestations that satisfied the rule. */
  readonly attestations: BelievedAttestations

  /** @internal */
  constructor(model: VerifiedModel<unknown>, ranges: Ranges) {
    super(model, ranges)
    this.manifest = model.manifest
    this.attestations = model.attestations
  }
}

/**
 * A dataset that was opened unverified, because a rule in the mode `audit` or `skip` says so. Only `openVerifiedDataset` creates one.
 */
export class UnverifiedDataset extends DatasetHandle<UnverifiedVerdict> {
  /** An unverified dataset has no manifest. */
  readonly manifest = undefined
  /** `tolerated` if a rule in the mode `audit` would have refused it, `skipped` under a rule in the mode `skip`. */
  readonly decision: 'tolerated' | 'skipped'

  /** @internal */
  constructor(model: UnverifiedModel<unknown>, ranges: Ranges) {
    super(model, ranges)
    this.decision = model.decision
  }
}
