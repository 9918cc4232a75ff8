import type { FileProblem } from '../errors.ts'
import type { HashType } from '../hashing/algorithms.ts'
import { workOf } from '../hashing/batches.ts'
import { at } from '../at.ts'
import { furtherOf, type HashJob, type HashResult } from '../hashing/hash-file.ts'
import { withoutPrototype } from '../snapshot.ts'
import { elsewhere } from '../hashing/elsewhere.ts'
import { hashFiles, type HashOptions, type ProgressCallback } from '../hashing/hash-files.ts'
import type { LocalSource } from '../source/local/local-source.ts'
import { RequestLimits, type FileRequest, type SizeLimit } from '../source/size-limit.ts'
import { listingOf, statesOf, type Listing, type SourceFile } from '../source/local/source-file.ts'
import { eachOf, inTurns, type Steps } from '../source/turns.ts'
import { findSigned, type NameOptions } from './find-signed.ts'
import type { Manifest } from './manifest.ts'
import { MatchedFiles } from './matched-files.ts'
import { digestProblem, mismatch, notSigned } from './mismatch.ts'
import { contentIn } from './plainer-cause.ts'
import { rangesOf, type Serialization } from './serialization.ts'

export interface ContentsOptions extends NameOptions {
  onProgress?: ProgressCallback | undefined
  /** How much may be read. Default: everything. */
  limit?: SizeLimit | undefined
  warn?: HashOptions['warn']
  /** Additional digests that each file is judged by. */
  further?: FurtherDigests | undefined
}

/** Digests of whole files that the manifest lacks but that a file can be refused by. */
export interface FurtherDigests {
  readonly hashTypes: readonly HashType[]
  /** Throws if the file is refused. */
  check(name: string, hashType: HashType, digest: string): void
}

/** How much of a model was found to match its manifest. */
export interface HashedAmount {
  files: number
  /** Number of bytes that were hashed for this. */
  bytes: number
}

/** Where to read one file of a model from now on. */
export interface Placement {
  /** The same file under another path or as an open descriptor; if it is copied, the listed file. */
  file: SourceFile
  /** Path of a new file to copy it to. */
  copyTo: string | undefined
  /** How much of it to read, if it is read into memory. */
  request?: FileRequest | undefined
}

/**
 * A model on disk and the manifest that it must match. {@link compareNames} compares the names before anything is
 * hashed; {@link read} and {@link checkRest} compare the contents, each file once.
 */
export class Contents {
  readonly #source: LocalSource
  readonly #manifest: Manifest
  readonly #files: Map<string, SourceFile>
  /** The files as they were listed. */
  readonly listed: readonly SourceFile[]
  readonly #options: ContentsOptions
  readonly #totalBytes: number
  readonly #matched = new MatchedFiles()
  /** The digests of each hashed file, in the order of the hash types. */
  readonly #furtherDigests = new Map<string, readonly string[]>()
  #takenOver = false
  #reportedBytes = 0

  /**
   * Lists the model and compares names (OMS 8.4, steps 6 and 9).
   *
   * @throws {@link ModelSealError} `FILE_MISSING`, `FILE_UNSIGNED` (with their `problems`), and what
   * listing throws
   */
  static async compareNames(source: LocalSource, manifest: Manifest, options: ContentsOptions): Promise<Contents> {
    const { files } = await findSigned(source, manifest, options)
    const listing = await inTurns(listingOf(await statesOf(files, options.signal)), options.signal)
    return new Contents(source, manifest, listing, options)
  }

  private constructor(source: LocalSource, manifest: Manifest, listing: Listing, options: ContentsOptions) {
    this.#source = source
    this.#manifest = manifest
    this.#files = listing.byName
    this.listed = listing.files
    this.#options = options
    this.#totalBytes = listing.bytes
  }

  /** The names that can be read: those in the manifest. */
  get names(): string[] {
    return [...this.#files.keys()]
  }

  /** The files behind the names, as they are read now. */
  get sourceFiles(): readonly SourceFile[] {
    return [...this.#files.values()]
  }

  /** How the manifest was made. */
  get serialization(): Readonly<Serialization> {
    return this.#manifest.serialization
  }

  /** How much was found to match so far. */
  get checked(): HashedAmount {
    const { amount } = this.#matched
    return this.#takenOver ? { ...amount, files: this.#files.size } : amount
  }

  /**
   * Reads one file into memory. Returns the very buffer that was hashed, which the caller then owns.
   *
   * @throws {@link ModelSealError} `FILE_NOT_SIGNED`, `FILE_MISMATCH`, and what hashing throws
   */
  async read(name: string): Promise<Uint8Array<ArrayBuffer>> {
    const [bytes] = await this.readAll([{ name }])
    return bytes ?? new Uint8Array()
  }

  /**
   * Like {@link read}, for files that are hashed at the same time.
   *
   * @throws {@link ModelSealError} as {@link read}, and `FILE_TOO_LARGE`
   */
  async readAll(requests: readonly FileRequest[]): Promise<Uint8Array<ArrayBuffer>[]> {
    const placements = requests.map((request) => ({ file: this.file(request.name), copyTo: undefined, request }))
    const results = await this.#hash(placements, 'kept')
    return results.map(({ bytes }) => new Uint8Array(bytes ?? new ArrayBuffer(0)))
  }

  /** @throws {@link ModelSealError} `FILE_NOT_SIGNED` */
  file(name: string): SourceFile {
    const file = this.#files.get(name)
    if (!file) throw notSigned(name)
    return file
  }

  /** Whether the file was found to match the manifest, hashed by this process or by one that left a receipt: its path may be handed out. */
  isChecked(name: string): boolean {
    return this.#takenOver || this.#matched.wasHashedHere(name)
  }

  /**
   * Checks files in place, or while they are copied.
   *
   * @throws {@link ModelSealError} `FILE_MISMATCH` with its `problems`, and what hashing throws
   */
  async check(placements: readonly Placement[]): Promise<void> {
    await this.#hash(placements, 'placed')
  }

  /** Hash types of the additional digests that every file is judged by. */
  get furtherHashTypes(): readonly HashType[] {
    return this.#options.further?.hashTypes ?? []
  }

  /** Digests of a hashed file, one for each of {@link furtherHashTypes}. */
  furtherDigests(name: string): readonly string[] {
    return this.#furtherDigests.get(name) ?? []
  }

  /**
   * Refuses files of the wrong size before reading anything: by the sum of their shards, and by the limit of the load.
   *
   * @param allRead false if the limit does not concern all files, because not all will be read
   * @throws {@link ModelSealError} `FILE_MISMATCH` with its `problems`, `FILE_TOO_LARGE`
   */
  async checkSizes(allRead = true): Promise<void> {
    await inTurns(this.#sizeSteps(this.listed, allRead ? this.#options.limit : undefined), this.#options.signal)
  }

  /**
   * Counts every file as matching without reading it, because a trusted caller knows that it matches.
   * A file that is read nevertheless is also hashed.
   *
   * @param remembered digests of a file, one for each of {@link furtherHashTypes}
   * @throws {@link ModelSealError} whatever `remembered` throws
   */
  takeOver(remembered: (name: string) => readonly string[]): void {
    if (this.furtherHashTypes.length > 0)
      for (const name of this.#files.keys()) this.#checkFurther(name, remembered(name))
    this.#takenOver = true
    this.#reported(this.#totalBytes)
    this.#options.onProgress?.(this.#reportedBytes, this.#totalBytes)
  }

  /** Reads the file from there from now on. It must be the checked file or a copy of it. */
  replace(file: SourceFile): void {
    this.#files.set(file.name, file)
  }

  /**
   * Checks every file that {@link read} has not checked yet (OMS 8.4, steps 7 and 8).
   *
   * @throws {@link ModelSealError} `FILE_MISMATCH` with its `problems`, and what hashing throws
   */
  async checkRest(): Promise<void> {
    await this.#hash(await inTurns(this.#rest(), this.#options.signal), 'compared')
  }

  *#rest(): Steps<Placement[]> {
    const rest: Placement[] = []
    yield* eachOf(this.#files.values(), (file) => {
      if (!this.#takenOver && !this.#matched.has(file.name)) rest.push({ file, copyTo: undefined })
    })
    return rest
  }

  async #hash(placements: readonly Placement[], use: 'kept' | 'placed' | 'compared'): Promise<HashResult[]> {
    // Whatever is handed out is hashed here.
    const mayBeElsewhere = use === 'compared'
    const files = placements.map(({ file }) => file)
    const before = this.#matched.amount.bytes
    const { onProgress, signal, warn } = this.#options
    await inTurns(this.#sizeSteps(files, this.#options.limit), signal)
    const limits = new RequestLimits()
    for (const { file, request } of placements) if (request) limits.check(request, file.identity.size)

    const results = await hashFiles(await inTurns(this.#jobs(placements, use === 'kept'), signal), {
      hashType: this.serialization.hashType,
      // After a receipt took over all files, only the requested file is hashed, so the size of the model does not count.
      ...(this.#takenOver ? {} : { modelWork: workOf(this.#files.size, this.#totalBytes) }),
      signal,
      warn,
      mayBeElsewhere,
      onProgress: onProgress && ((done) => onProgress(this.#reported(before + done), this.#totalBytes)),
    })
    const isElsewhere = mayBeElsewhere && elsewhere() !== undefined
    await inTurns(this.#compare(files, results, isElsewhere), signal)
    return results
  }

  *#jobs(placements: readonly Placement[], keep: boolean): Steps<HashJob[]> {
    const whole = this.furtherHashTypes
    const jobs: HashJob[] = []
    yield* eachOf(placements, ({ file, copyTo, request }) => {
      const keepOnly = request && withoutPrototype(request).firstBytes
      jobs.push({
        file,
        ranges: rangesOf(file.identity.size, this.serialization),
        keep,
        ...(keepOnly === undefined ? {} : { keepOnly }),
        ...(copyTo === undefined ? {} : { copyTo }),
        ...(whole.length === 0 ? {} : { whole }),
      })
    })
    return jobs
  }

  /** A file counts as matching once all of them were found to match. */
  *#compare(files: readonly SourceFile[], results: readonly HashResult[], isElsewhere: boolean): Steps<void> {
    const problems: FileProblem[] = []
    yield* eachOf(files, ({ name }, index) => {
      const { digests } = this.#manifest.listed(name)
      const problem = digestProblem(name, this.serialization.hashType, digests, at(results, index).digests)
      if (problem) problems.push(problem)
    })
    if (problems.length > 0) throw mismatch(this.#source.path, problems, contentIn(this.#source))
    if (this.furtherHashTypes.length > 0)
      yield* eachOf(files, ({ name }, index) => this.#checkFurther(name, furtherOf(at(results, index))))
    yield* eachOf(files, (file) => this.#matched.add(file, isElsewhere))
  }

  *#sizeSteps(files: readonly SourceFile[], limit: SizeLimit | undefined): Steps<void> {
    const problems: FileProblem[] = []
    // If the size differs from the sum of the shards, the file cannot match, so it is not hashed.
    if (this.serialization.method === 'shards') yield* eachOf(files, (file) => this.#compareSize(file, problems))
    if (problems.length > 0) throw mismatch(this.#source.path, problems, contentIn(this.#source))
    if (limit) yield* eachOf(files, ({ name, identity }) => limit.admit(name, identity.size))
  }

  #checkFurther(name: string, digests: readonly string[]): void {
    const { further } = this.#options
    further?.hashTypes.forEach((hashType, index) => further.check(name, hashType, at(digests, index)))
    this.#furtherDigests.set(name, digests)
  }

  /** Keeps the reported progress from shrinking, because files are read concurrently and more than once. */
  #reported(bytes: number): number {
    this.#reportedBytes = Math.max(this.#reportedBytes, Math.min(bytes, this.#totalBytes))
    return this.#reportedBytes
  }

  #compareSize(file: SourceFile, problems: FileProblem[]): void {
    const expected = this.#manifest.listed(file.name).size
    if (expected === undefined || expected === file.identity.size) return
    problems.push({
      code: 'FILE_MISMATCH',
      file: file.name,
      expected: `${expected} bytes`,
      found: `${file.identity.size} bytes`,
    })
  }
}
