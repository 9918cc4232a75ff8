import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { ModelSealError, shown } from '../errors.ts'
import type { HashType } from '../hashing/algorithms.ts'
import type { ProgressCallback } from '../hashing/hash-files.ts'
import { StreamHasher } from '../hashing/stream-hasher.ts'
import { withoutPrototype } from '../snapshot.ts'
import { BodyBuffer } from '../source/body-buffer.ts'
import type { ModelFiles, SignedContent, SourceBody, SourceEntry } from '../source/model-source.ts'
import { FileCopy } from '../source/private/file-copy.ts'
import { fileTooLarge, RequestLimits, type FileRequest, type SizeLimit } from '../source/size-limit.ts'
import type { SourceReader } from '../source/answers/source-reader.ts'
import { ArrivalProgress } from './arrival-progress.ts'
import type { FurtherDigests, HashedAmount } from './contents.ts'
import { HEAD_BYTES } from './plain-content.ts'

/** The files of a model as its source delivers them, and how much of them the load may read. */
interface StreamedModel {
  files: ModelFiles
  reader: SourceReader
  /** Undefined if everything may be read. */
  limit: SizeLimit | undefined
}

/** What each file is compared with. */
export interface Comparison {
  /** The digests to compute of each file; undefined if none is compared. */
  readonly digests: { hashType: HashType; shardSize: number } | undefined
  /** @throws {@link ModelSealError} for a name that must not be requested */
  expected(name: string): SignedContent | undefined
  /**
   * @param head of the file, by which a replacement may be recognized
   * @throws {@link ModelSealError} if the file is not the expected one
   */
  check(name: string, digests: readonly string[], head: Buffer): void
  /** @throws {@link ModelSealError} if the source itself states that a file is another one */
  checkStated?(entries: Iterable<SourceEntry>): void
  /** The refusal of a file that is too long or too short. */
  wrongSize(name: string, bytes: { expected: number; found: string }, head?: Buffer): ModelSealError
  missing(name: string): ModelSealError
}

interface StreamOptions {
  /** Additional digests that each file is judged by. */
  further: FurtherDigests
  onProgress?: ProgressCallback | undefined
  /** Entries of a listing, by name. */
  announced?: ReadonlyMap<string, SourceEntry> | undefined
}

interface LimitedRequest extends FileRequest {
  /** Limits for all requests of one call. */
  limits?: RequestLimits
}

/** Where the bytes of a file go before they are hashed. */
interface Sink {
  /** @returns the stored bytes, in order */
  add(chunk: Uint8Array): readonly Uint8Array[] | Promise<readonly Uint8Array[]>
}

const NOWHERE: Sink = { add: (chunk) => [chunk] }
/** The number that browsers allow for one host. */
const FILES_AT_A_TIME = 6

/** Reads files as streams. Each is hashed on the calling thread as it arrives, and counts only once its end was reached. */
export class StreamedFiles {
  readonly #model: StreamedModel
  readonly #comparison: Comparison
  readonly #further: FurtherDigests
  readonly #progress: ArrivalProgress
  readonly #announced: ReadonlyMap<string, SourceEntry>
  /** Sizes of the files that were read completely. */
  readonly #sizes = new Map<string, number>()
  #checkedBytes = 0

  constructor(model: StreamedModel, comparison: Comparison, options: StreamOptions) {
    this.#model = model
    this.#comparison = comparison
    this.#further = options.further
    this.#announced = options.announced ?? new Map()
    this.#progress = new ArrivalProgress(options.onProgress)
  }

  get checked(): HashedAmount {
    return { files: this.#sizes.size, bytes: this.#checkedBytes }
  }

  /** Size in bytes; 0 while it is unknown. */
  size(name: string): number {
    return this.#comparison.expected(name)?.size ?? this.#sizes.get(name) ?? this.#announced.get(name)?.size ?? 0
  }

  /**
   * Reads files, several at a time. Each buffer is the very one that was hashed.
   *
   * @throws {@link ModelSealError} `FILE_TOO_LARGE`, and what the comparison and the source throw
   */
  async readAll(requests: readonly FileRequest[]): Promise<Uint8Array<ArrayBuffer>[]> {
    const limits = new RequestLimits()
    const buffers: BodyBuffer[] = []
    await Promise.all(
      lanes(requests, async (request, index) => {
        const { firstBytes } = withoutPrototype(request)
        buffers[index] = await this.#read(
          { ...request, limits },
          (length) => new BodyBuffer(request.name, length, firstBytes),
        )
      }),
    )
    return buffers.map((buffer) => buffer.finish())
  }

  /**
   * Copies files into a private directory while hashing them. If one copy fails, all are removed.
   *
   * @throws {@link ModelSealError} `COPY_FAILED`, and what reading them throws
   */
  async copy(names: readonly string[], directory: string): Promise<void> {
    const results = await Promise.allSettled(lanes(names, (name) => this.#copy(name, join(directory, name))))
    const failures = results.flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : []))
    if (failures.length === 0) return
    for (const name of names) rmSync(join(directory, name), { force: true })
    // COPY_FAILED makes the caller try another place, so any other failure takes precedence.
    throw failures.find((error) => !(error instanceof ModelSealError) || error.code !== 'COPY_FAILED') ?? failures[0]
  }

  /** Reads the files that have not been read yet. */
  async checkRest(names: readonly string[]): Promise<void> {
    const rest = names.filter((name) => !this.#sizes.has(name))
    await Promise.all(lanes(rest, (name) => this.#read({ name }, () => NOWHERE)))
    // What a source says to have given counts for nothing.
    const unread = names.find((name) => !this.#sizes.has(name))
    if (unread !== undefined) throw this.#comparison.missing(unread)
    this.#progress.end()
  }

  async #copy(name: string, path: string): Promise<void> {
    const copy = await FileCopy.create(path, name)
    try {
      await this.#read({ name }, () => copy)
      await copy.close()
    } catch (error) {
      await copy.discard()
      throw error
    }
  }

  async #read<S extends Sink>(request: LimitedRequest, sinkFor: (length: number | undefined) => S): Promise<S> {
    const { files, reader, limit } = this.#model
    const { name, maxBytes } = withoutPrototype(request)
    const signed = this.#comparison.expected(name)
    const stated = this.#announced.get(name)
    if (stated) this.#comparison.checkStated?.([stated])
    // What is compared is not in the hands of the source.
    const copied = signed && { ...signed, digests: [...signed.digests] }
    const before = limit?.counted(name) ?? 0
    try {
      const sink = await reader.read(
        `file ${shown(name)}`,
        (signal, receive) => files.read(withoutPrototype({ name, signed: copied, signal, maxBytes }), receive),
        (body) => this.#receive(request, signed, body, sinkFor),
      )
      if (sink) return sink
    } catch (error) {
      // A refused file does not count.
      limit?.settle(name, before)
      throw error
    }
    throw this.#comparison.missing(name)
  }

  async #receive<S extends Sink>(
    request: LimitedRequest,
    signed: SignedContent | undefined,
    { size: announced, chunks }: SourceBody,
    sinkFor: (length: number | undefined) => S,
  ): Promise<S> {
    const { name } = request
    // A file that matched before has the right size.
    const known = signed && (signed.size ?? this.#sizes.get(name))
    const admit = this.#admission(request, known)
    admit(announced ?? 0)
    const first = !this.#sizes.has(name)
    const sink = sinkFor(announced ?? known)
    const hashing = this.#hashing()
    const count = this.#progress.start(first ? (announced ?? known) : 0)
    let bytes = 0
    let head = Buffer.alloc(0)
    for await (const chunk of chunks) {
      bytes += chunk.length
      admit(bytes)
      if (first) count(chunk.length)
      if (head.length < HEAD_BYTES) head = Buffer.concat([head, chunk.subarray(0, HEAD_BYTES - head.length)])
      for (const own of await sink.add(chunk)) hashing.update(own)
    }
    if (known !== undefined && known !== bytes)
      throw this.#comparison.wrongSize(name, { expected: known, found: `${bytes} bytes` }, head)
    this.#comparison.check(name, hashing.digests(), head)
    hashing.checkFurther(name)
    if (first) this.#checkedBytes += bytes
    this.#sizes.set(name, bytes)
    this.#model.limit?.settle(name, bytes)
    return sink
  }

  /** Refuses a file as soon as it is longer than allowed. */
  #admission(request: LimitedRequest, known: number | undefined): (bytes: number) => void {
    const { name, maxBytes, limits } = withoutPrototype(request)
    const most = Math.min(known ?? maxBytes ?? Infinity, maxBytes ?? Infinity)
    return (bytes) => {
      if (bytes > most) {
        if (known === undefined || bytes <= known) throw fileTooLarge(name, most)
        throw this.#comparison.wrongSize(name, { expected: known, found: `${bytes} bytes or more` })
      }
      limits?.check(request, bytes)
      this.#model.limit?.admit(name, bytes)
    }
  }

  #hashing() {
    const { digests } = this.#comparison
    const main = digests && new StreamHasher(digests.hashType, digests.shardSize)
    const others = this.#further.hashTypes.map((type) => ({ type, hasher: new StreamHasher(type, Infinity) }))
    return {
      update: (bytes: Uint8Array) => {
        main?.update(bytes)
        for (const { hasher } of others) hasher.update(bytes)
      },
      digests: () => main?.digests() ?? [],
      checkFurther: (name: string) => {
        for (const { type, hasher } of others) this.#further.check(name, type, hasher.digests()[0] ?? '')
      },
    }
  }
}

/** Does the work for all items, a few at a time. Starts nothing more after a failure. */
function lanes<T>(items: readonly T[], work: (item: T, index: number) => Promise<unknown>): Promise<void>[] {
  let next = 0
  const lane = async () => {
    for (let index = next++; index < items.length; index = next++) {
      try {
        await work(items[index] as T, index)
      } catch (error) {
        next = Infinity
        throw error
      }
    }
  }
  return Array.from({ length: Math.min(FILES_AT_A_TIME, items.length) }, lane)
}
