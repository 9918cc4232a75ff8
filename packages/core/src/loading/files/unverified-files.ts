import { statSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { ModelSealError, shown } from '../../errors.ts'
import { at } from '../../at.ts'
import { furtherOf, wholeFile, type HashJob, type HashResult } from '../../hashing/hash-file.ts'
import { hashFiles, type HashOptions } from '../../hashing/hash-files.ts'
import type { FurtherDigests, Placement } from '../../manifest/contents.ts'
import { nameFault } from '../../manifest/names.ts'
import { withoutPrototype } from '../../snapshot.ts'
import { throwIfAborted } from '../../source/aborted.ts'
import { entriesOf } from '../../source/local/entries.ts'
import { MAX_DIRECTORIES, NAMES_PER_STEP } from '../../source/local/find-files.ts'
import { identityOf, type SourceFile } from '../../source/local/source-file.ts'
import { isGone, unreadable } from '../../source/file-errors.ts'
import { modelNotFound } from '../../source/local/local-source.ts'
import { realPlace } from '../../source/local/real-path.ts'
import { inTurns, type Steps } from '../../source/turns.ts'
import { RequestLimits, type FileRequest, type SizeLimit } from '../../source/size-limit.ts'
import { AUTO_MEMORY_BYTES, PLACE_HINT, type Isolation } from '../placing/isolation.ts'
import { Placing, type PlaceableFiles, type PlacedFiles, type PlaceOptions } from '../placing/placed-files.ts'
import type { ServedFiles } from './served-files.ts'

/** More than any model has; the rest of a larger tree can be read, and is not listed. */
const MAX_LISTED = 100_000

interface UnverifiedOptions {
  signal?: AbortSignal | undefined
  /** How files that are placed are to be placed. */
  isolation?: Isolation | undefined
  /** How much may be handed out. Default: everything. */
  limit?: SizeLimit | undefined
  warn?: HashOptions['warn']
}

/**
 * The files of a model as they lie on disk, for rules that load without a valid signature. Symbolic
 * links are followed: nothing here is verified, and a program that works without the check is to
 * work. Where something may refuse a file by its digest, what is handed out is what was hashed.
 */
export class UnverifiedFiles implements ServedFiles, PlaceableFiles {
  /** The file that was asked for, relative to the root; undefined for a directory. */
  readonly entry: string | undefined
  readonly names: readonly string[]
  readonly #root: string
  readonly #judge: FurtherDigests
  readonly #options: UnverifiedOptions
  readonly #placing: Placing
  /** What was asked to be placed, by its name, where it is read from now on. */
  readonly #toPlace = new Map<string, SourceFile>()

  /**
   * @param path a directory, or the only file that is known
   * @param entry the file that was asked for, relative to a directory
   * @param judge looks at the digests of a file before it is handed out
   * @throws {@link ModelSealError} `MODEL_NOT_FOUND`, `FILE_UNREADABLE`, `ABORTED`
   */
  static async open(
    path: string,
    entry: string | undefined,
    judge: FurtherDigests,
    options: UnverifiedOptions,
  ): Promise<UnverifiedFiles> {
    const absolute = resolve(path)
    try {
      if ((await stat(absolute)).isDirectory()) {
        const known = { entry, names: await listed(absolute, options.signal) }
        return new UnverifiedFiles(absolute, known, judge, options)
      }
      const name = basename(absolute)
      return new UnverifiedFiles(dirname(absolute), { entry: name, names: [name] }, judge, options)
    } catch (error) {
      if (error instanceof ModelSealError) throw error
      if (!isGone(error)) throw unreadable(path, 'model', error)
      throw modelNotFound(path, error)
    }
  }

  private constructor(
    root: string,
    { entry, names }: { entry: string | undefined; names: readonly string[] },
    judge: FurtherDigests,
    options: UnverifiedOptions,
  ) {
    this.#root = root
    this.entry = entry
    this.names = names
    this.#judge = judge
    this.#options = options
    // A link to the very file where nobody else can write to it, else a copy: whatever the caller prefers, the model loads.
    const levels = options.isolation === 'copy' ? (['copy'] as const) : (['in-place', 'copy'] as const)
    this.#placing = new Placing(this, {
      levels,
      checkPlacing: () => {},
      copiesAllowed: true,
      placeHint: (remedy) => `${remedy ?? PLACE_HINT}.`,
    })
  }

  get used(): ('copy' | 'in-place')[] {
    return this.#placing.used
  }

  get notes(): string[] {
    return this.#placing.notes
  }

  /**
   * Reads any file below the root.
   *
   * @throws {@link ModelSealError} `PATH_ESCAPES`, `FILE_REVOKED`, `FILE_NOT_FOUND`, `FILE_SPECIAL`, `FILE_CHANGED`,
   * `FILE_TOO_LARGE`, `ABORTED`, and what hashing throws
   */
  async read(name: string): Promise<Uint8Array<ArrayBuffer>> {
    const [bytes] = await this.readAll([{ name }])
    return bytes ?? new Uint8Array()
  }

  async readAll(requests: readonly FileRequest[]): Promise<Uint8Array<ArrayBuffer>[]> {
    const jobs: HashJob[] = []
    const limits = new RequestLimits()
    for (const request of requests) {
      const file = this.#toPlace.get(request.name) ?? (await this.find(request.name))
      limits.check(request, file.identity.size)
      const { firstBytes } = withoutPrototype(request)
      jobs.push({ ...wholeFile(file, true), ...(firstBytes === undefined ? {} : { keepOnly: firstBytes }) })
    }
    const results = await this.#hash(jobs)
    return results.map(({ bytes }) => new Uint8Array(bytes ?? new ArrayBuffer(0)))
  }

  size(name: string): number {
    try {
      return statSync(join(this.#root, name)).size
    } catch (error) {
      throw unreadable(name, 'file', error)
    }
  }

  inMemory(names: readonly string[]): boolean {
    const bytes = names.reduce((sum, name) => sum + this.size(name), 0)
    return bytes <= AUTO_MEMORY_BYTES || (this.#placing.impossible && bytes <= process.availableMemory())
  }

  /** Files stay where they lie, unless they are looked up: what was looked up is what is handed out. */
  async place(names: readonly string[], options?: PlaceOptions): Promise<PlacedFiles> {
    const found: SourceFile[] = []
    for (const name of names) if (!this.#toPlace.has(name)) found.push(await this.find(name))
    if (this.#judge.hashTypes.length === 0) {
      this.#admit(found)
      return { directory: this.#root, isolation: 'none', path: (name) => join(this.#root, name) }
    }
    for (const file of found) this.#toPlace.set(file.name, file)
    try {
      return await this.#placing.place(names, options)
    } catch (error) {
      for (const file of found) if (this.#toPlace.get(file.name) === file) this.#toPlace.delete(file.name)
      throw error
    }
  }

  confirm(): void {
    this.#placing.confirm()
  }

  async dispose(): Promise<void> {
    await this.#placing.dispose()
    this.#toPlace.clear()
  }

  /** For {@link Placing}, of what {@link place} was asked for. */
  file(name: string): SourceFile {
    const file = this.#toPlace.get(name)
    if (!file) throw new RangeError(`${name} is not to be placed`)
    return file
  }

  /** What was read before is another reading than what is placed. */
  isChecked(): boolean {
    return false
  }

  async check(placements: readonly Placement[]): Promise<void> {
    await this.#hash(
      placements.map(({ file, copyTo }) => ({ ...wholeFile(file), ...(copyTo === undefined ? {} : { copyTo }) })),
    )
  }

  replace(file: SourceFile): void {
    this.#toPlace.set(file.name, file)
  }

  /** Hashed by the pool like any other files, so that a large one blocks nobody. */
  async #hash(jobs: readonly HashJob[]): Promise<HashResult[]> {
    this.#admit(jobs.map(({ file }) => file))
    const { hashTypes } = this.#judge
    const [hashType = 'sha256', ...whole] = hashTypes
    const results = await hashFiles(whole.length === 0 ? jobs : jobs.map((job) => ({ ...job, whole })), {
      hashType,
      signal: this.#options.signal,
      warn: this.#options.warn,
    })
    for (const [index, { file }] of jobs.entries()) {
      const result = at(results, index)
      const digests = [...result.digests, ...furtherOf(result)]
      hashTypes.forEach((type, place) => this.#judge.check(file.name, type, at(digests, place)))
    }
    return results
  }

  #admit(files: readonly SourceFile[]): void {
    for (const { name, identity } of files) this.#options.limit?.admit(name, identity.size)
  }

  async find(name: string): Promise<SourceFile> {
    checkWithin(name)
    try {
      const { path } = realPlace(join(this.#root, name))
      const found = await stat(path, { bigint: true })
      if (found.isFile()) return { name, path, identity: identityOf(found) }
    } catch (error) {
      if (error instanceof ModelSealError) throw error
      if (!isGone(error)) throw unreadable(name, 'file', error)
      throw new ModelSealError('FILE_NOT_FOUND', `The model has no file ${shown(name)}.`, { file: name, cause: error })
    }
    throw new ModelSealError('FILE_SPECIAL', `${shown(name)} is not a regular file.`, { file: name })
  }
}

/** @throws {@link ModelSealError} `PATH_ESCAPES` for a name that no file of a model can have */
export function checkWithin(name: string): void {
  const fault = nameFault(name)
  if (fault === undefined) return
  throw new ModelSealError('PATH_ESCAPES', `The name ${shown(name)} is not of a file of the model: ${fault}.`, {
    file: name,
  })
}

/** Regular files and links to such; links to directories are not gone into. */
async function listed(root: string, signal: AbortSignal | undefined): Promise<string[]> {
  throwIfAborted(signal)
  const { names, links } = await inTurns(listing(root), signal)
  for (const name of links) {
    throwIfAborted(signal)
    if (names.length < MAX_LISTED && (await isFile(join(root, name)))) names.push(name)
  }
  return names
}

function* listing(root: string): Steps<{ names: string[]; links: string[] }> {
  const names: string[] = []
  const links: string[] = []
  const directories = ['']
  let entered = 0
  let seen = 0
  for (let prefix = directories.pop(); prefix !== undefined; prefix = directories.pop()) {
    if (++entered > MAX_DIRECTORIES) break
    yield
    for (const entry of entriesOf(join(root, prefix))) {
      if (++seen % NAMES_PER_STEP === 0) yield
      if (names.length + links.length >= MAX_LISTED) return { names, links }
      const name = prefix + entry.name
      if (entry.isFile()) names.push(name)
      else if (entry.isSymbolicLink()) links.push(name)
      else if (entry.isDirectory() && directories.length < MAX_DIRECTORIES) directories.push(`${name}/`)
    }
  }
  return { names, links }
}

async function isFile(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isFile(),
    () => false,
  )
}
