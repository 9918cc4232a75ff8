import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { ModelSealError, shown } from '../../errors.ts'
import type { ProgressCallback } from '../../hashing/hash-files.ts'
import { withoutPrototype } from '../../snapshot.ts'
import { BodyBuffer } from '../../source/body-buffer.ts'
import { lanes } from '../../source/lanes.ts'
import type { ModelFiles, SignedContent, SourceBody, SourceEntry } from '../../source/model-source.ts'
import { FileCopy } from '../../source/private/file-copy.ts'
import { PartialFile, type Target } from '../../source/private/partial-file.ts'
import { fileTooLarge, RequestLimits, type FileRequest, type SizeLimit } from '../../source/size-limit.ts'
import { Landing } from '../../source/answers/pieces.ts'
import type { SourceReader } from '../../source/answers/source-reader.ts'
import { ignoresRanges } from '../../source/http/request.ts'
import { elsewhere, type HashElsewhere } from '../../hashing/elsewhere.ts'
import { hashedArrival, NOWHERE, type Sink } from './arrival.ts'
import { ArrivalDigests } from './arrival-digests.ts'
import { ArrivalProgress } from './arrival-progress.ts'
import type { Comparison } from './comparison.ts'
import type { FurtherDigests, HashedAmount } from '../contents.ts'
import { hashedElsewhere } from './hashed-elsewhere.ts'
import { isMismatch } from '../mismatch.ts'
import { HEAD_BYTES } from '../plain-content.ts'

/** The files of a model as its source delivers them, and how much of them the load may read. */
interface StreamedModel {
  files: ModelFiles
  reader: SourceReader
  /** Undefined if everything may be read. */
  limit: SizeLimit | undefined
}

interface StreamOptions {
  /** Additional digests that each file is judged by. */
  further: FurtherDigests
  onProgress?: ProgressCallback | undefined
  /** Entries of a listing, by name. */
  announced?: ReadonlyMap<string, SourceEntry> | undefined
  /** The revision of the source that all files are read at. */
  revision?: string | undefined
  signal?: AbortSignal | undefined
}

interface LimitedRequest extends FileRequest {
  /** Limits for all requests of one call. */
  limits?: RequestLimits
  /** The beginning of the file that is already here. It is hashed, and only the rest is requested. */
  begun?: Pick<PartialFile, 'earlier' | 'earlierBytes'>
  /** True if the sink keeps the file, so that the source need not. */
  kept?: boolean
  /** True if the source must not answer from its cache, which had something else. */
  again?: boolean
}

/** The number that browsers allow for one host. */
const FILES_AT_A_TIME = 6
type SinkFor<S> = (length: number | undefined) => S | Promise<S>

/** Reads files as streams. Each is hashed as it arrives, and counts only once its end was reached. */
export class StreamedFiles {
  readonly #model: StreamedModel
  readonly #comparison: Comparison
  readonly #progress: ArrivalProgress
  readonly #announced: ReadonlyMap<string, SourceEntry>
  readonly #options: StreamOptions
  /** Sizes of the files that were read completely. */
  readonly #sizes = new Map<string, number>()
  #checkedBytes = 0

  constructor(model: StreamedModel, comparison: Comparison, options: StreamOptions) {
    this.#model = model
    this.#comparison = comparison
    this.#announced = options.announced ?? new Map()
    this.#options = options
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
      lanes(requests, FILES_AT_A_TIME, async (request, index) => {
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
    const results = await Promise.allSettled(
      lanes(names, FILES_AT_A_TIME, (name) => this.#copy(name, join(directory, name))),
    )
    const failures = results.flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : []))
    if (failures.length === 0) return
    for (const name of names) rmSync(join(directory, name), { force: true })
    // COPY_FAILED makes the caller try another place, so any other failure takes precedence.
    throw failures.find((error) => !(error instanceof ModelSealError) || error.code !== 'COPY_FAILED') ?? failures[0]
  }

  /**
   * Downloads files into a directory of the caller, and continues what an interrupted download left there. A file has
   * its name only once its digest was right.
   *
   * @throws {@link ModelSealError} `FILE_WRITE_FAILED`, and what reading them throws; what has arrived stays
   */
  async save(targets: readonly Target[]): Promise<void> {
    const results = await Promise.allSettled(lanes(targets, FILES_AT_A_TIME, (target) => this.#save(target)))
    for (const result of results) if (result.status === 'rejected') throw result.reason
  }

  /** Reads the files that have not been read yet. */
  async checkRest(names: readonly string[]): Promise<void> {
    const isLeft = (name: string): boolean => !this.#sizes.has(name)
    const hash = elsewhere()
    if (hash) await this.#checkElsewhere(names.filter(isLeft), hash)
    const rest = names.filter(isLeft)
    await Promise.all(lanes(rest, FILES_AT_A_TIME, (name) => this.#read({ name }, () => NOWHERE)))
    // What a source says to have given counts for nothing.
    const unread = names.find(isLeft)
    if (unread !== undefined) throw this.#comparison.missing(unread)
    this.#progress.end()
  }

  async #checkElsewhere(names: readonly string[], hash: HashElsewhere): Promise<void> {
    const { limit } = this.#model
    const { signal, revision } = this.#options
    const digests = new ArrivalDigests(this.#comparison.digests, this.#options.further)
    const how = { hash, signal, progress: this.#progress, wanted: digests.wanted }
    const stated = { announced: this.#announced, revision, comparison: this.#comparison, limit }
    for (const { name, size, found } of await hashedElsewhere(names, stated, how)) {
      digests.check(name, found, (main) => this.#comparison.check(name, main, Buffer.alloc(0)))
      this.#checkedBytes += size
      this.#sizes.set(name, size)
      limit?.settle(name, size)
    }
  }

  async #copy(name: string, path: string): Promise<void> {
    const copy = await FileCopy.create(path, name)
    try {
      await this.#read({ name }, () => restarted(copy))
      await copy.close()
    } catch (error) {
      await copy.discard()
      throw error
    }
  }

  async #save({ name, path, partial }: Target): Promise<void> {
    const file = await PartialFile.open(partial, name)
    try {
      const isRest = file.earlier > 0 && (await this.#continued(name, file))
      if (!isRest) await this.#read({ name, kept: true }, () => restarted(file))
      await file.place(path)
    } catch (error) {
      await (isMismatch(error) ? file.discard() : file.leave())
      throw error
    }
  }

  /** @returns false if what was there does not belong to the file, which may then be downloaded from its beginning */
  async #continued(name: string, file: PartialFile): Promise<boolean> {
    try {
      await this.#read({ name, begun: file, kept: true }, () => file)
      return true
    } catch (error) {
      if (isMismatch(error) || ignoresRanges(error)) return false
      throw error
    }
  }

  async #read<S extends Sink>(request: LimitedRequest, sinkFor: SinkFor<S>): Promise<S> {
    const { limit } = this.#model
    const { name, again } = withoutPrototype(request)
    const before = limit?.counted(name) ?? 0
    const answer = { cached: false }
    try {
      return await this.#attempt(request, sinkFor, answer)
    } catch (error) {
      // A refused file does not count.
      limit?.settle(name, before)
      // A cache may have been damaged, or filled by somebody else.
      if (!answer.cached || again || !isMismatch(error)) throw error
      return this.#read({ ...request, again: true }, sinkFor)
    }
  }

  async #attempt<S extends Sink>(
    request: LimitedRequest,
    sinkFor: SinkFor<S>,
    answer: { cached: boolean },
  ): Promise<S> {
    const { files, reader } = this.#model
    const { name, maxBytes, begun, kept, again } = withoutPrototype(request)
    const signed = this.#comparison.expected(name)
    const stated = this.#announced.get(name)
    if (stated) this.#comparison.checkStated?.([stated])
    // What is compared is not in the hands of the source.
    const copied = signed && { ...signed, digests: [...signed.digests] }
    const end = signed?.size ?? stated?.size
    // Without a known size, what is here may be all of it.
    const isHere = begun !== undefined && (end === undefined || begun.earlier >= end)
    const range = begun && end !== undefined ? { start: begun.earlier, end } : undefined
    const asked = { name, signed: copied, range, maxBytes, kept, again }
    const landing = new Landing()
    const sink = await reader.read(
      `file ${shown(name)}`,
      async (signal, receive) => {
        if (isHere) await receive({ size: 0, chunks: [] })
        else await files.read(withoutPrototype({ ...asked, signal }), receive)
      },
      (body) => {
        answer.cached = body.cached === true
        return this.#receive(request, signed, { ...body, landing }, sinkFor)
      },
      landing,
    )
    if (sink) return sink
    throw this.#comparison.missing(name)
  }

  async #receive<S extends Sink>(
    request: LimitedRequest,
    signed: SignedContent | undefined,
    { size, chunks, landing }: SourceBody & { landing: Landing },
    sinkFor: SinkFor<S>,
  ): Promise<S> {
    const { name, begun } = withoutPrototype(request)
    // A file that matched before has the right size.
    const known = signed && (signed.size ?? this.#sizes.get(name))
    const announced = size === undefined ? undefined : size + (begun?.earlier ?? 0)
    const admit = this.#admission(request, known)
    admit(announced ?? 0)
    const first = !this.#sizes.has(name)
    const sink = await sinkFor(announced ?? known)
    const count = this.#progress.start(first ? (announced ?? known) : 0)
    let bytes = 0
    let head = Buffer.alloc(0)
    const arrived = (chunk: Uint8Array) => {
      bytes += chunk.length
      admit(bytes)
      if (first) count(chunk.length)
      if (head.length < HEAD_BYTES) head = Buffer.concat([head, chunk.subarray(0, HEAD_BYTES - head.length)])
    }
    const digests = new ArrivalDigests(this.#comparison.digests, this.#options.further)
    const arrival = { begun, chunks, arrived, landing, announced: announced ?? known }
    const found = await hashedArrival(arrival, digests, sink)
    if (known !== undefined && known !== bytes)
      throw this.#comparison.wrongSize(name, { expected: known, found: `${bytes} bytes` }, head)
    digests.check(name, found, (main) => this.#comparison.check(name, main, head))
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
}

/** A source may be asked for a file once more. */
async function restarted<S extends FileCopy | PartialFile>(file: S): Promise<S> {
  await file.restart()
  return file
}
