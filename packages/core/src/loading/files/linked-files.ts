import { statSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { ModelSealError, shown } from '../../errors.ts'
import { at } from '../../at.ts'
import { furtherOf, wholeFile, type HashJob, type HashResult } from '../../hashing/hash-file.ts'
import { hashFiles, type HashOptions } from '../../hashing/hash-files.ts'
import type { FurtherDigests, Placement } from '../../manifest/contents.ts'
import { wallClock } from '../../real-time.ts'
import { withoutPrototype } from '../../snapshot.ts'
import { throwIfAborted } from '../../source/aborted.ts'
import { entriesOf } from '../../source/local/entries.ts'
import { MAX_DIRECTORIES, NAMES_PER_STEP } from '../../source/local/find-files.ts'
import { isSettled } from '../../source/local/settling.ts'
import { identityOf, type SourceFile } from '../../source/local/source-file.ts'
import { isGone, unreadable } from '../../source/file-errors.ts'
import { realPlace } from '../../source/local/real-path.ts'
import { inTurns, type Steps } from '../../source/turns.ts'
import { RequestLimits, type FileRequest, type SizeLimit } from '../../source/size-limit.ts'
import { copyFromDisk } from '../placing/copy-from-disk.ts'
import { checkWithin, type UncheckedFiles, type UncheckedOnDisk } from './unverified-files.ts'

/** More than any model has. Files beyond this number can be read but are not listed. */
const MAX_LISTED = 100_000

interface LinkedFilesOptions {
  signal?: AbortSignal | undefined
  /** Limit on what may be handed out. Default: none. */
  limit?: SizeLimit | undefined
  warn?: HashOptions['warn']
  /** Is told the state of each file before it is handed out. May refuse it. */
  seen?: ((file: SourceFile) => void) | undefined
}

/**
 * The files of a model on disk, for rules that load without a valid signature. Symbolic links are followed: nothing
 * here is verified, and programs must work as they do without modelseal. If files can be refused by their digests, the
 * bytes that are handed out are the ones that were hashed.
 */
export class LinkedFiles implements UncheckedFiles, UncheckedOnDisk {
  readonly onDisk = this
  readonly names: readonly string[]
  readonly root: string
  readonly #judge: FurtherDigests
  readonly #options: LinkedFilesOptions
  /** The placed files by name, with the paths from which they are read from then on. */
  readonly #toPlace = new Map<string, SourceFile>()

  /**
   * @param root a directory
   * @param names known files, if not all files below the root belong to the model
   * @param judge checks the digests of a file before it is handed out
   * @throws {@link ModelSealError} `FILE_UNREADABLE`, `ABORTED`
   */
  static async open(
    { root, names }: { root: string; names: readonly string[] | undefined },
    judge: FurtherDigests,
    options: LinkedFilesOptions,
  ): Promise<LinkedFiles> {
    return new LinkedFiles(root, names ?? (await listed(root, options.signal)), judge, options)
  }

  private constructor(root: string, names: readonly string[], judge: FurtherDigests, options: LinkedFilesOptions) {
    this.root = root
    this.names = names
    this.#judge = judge
    this.#options = options
  }

  /**
   * Reads any files below the root.
   *
   * @throws {@link ModelSealError} `PATH_ESCAPES`, `FILE_REVOKED`, `FILE_NOT_FOUND`, `FILE_SPECIAL`, `FILE_CHANGED`,
   * `FILE_TOO_LARGE`, `ABORTED`, and what hashing throws
   */
  async readAll(requests: readonly FileRequest[]): Promise<Uint8Array<ArrayBuffer>[]> {
    const jobs: HashJob[] = []
    const limits = new RequestLimits()
    for (const request of requests) {
      const file = this.#toPlace.get(request.name) ?? (await this.#find(request.name))
      limits.check(request, file.identity.size)
      const { firstBytes } = withoutPrototype(request)
      jobs.push({ ...wholeFile(file, true), ...(firstBytes === undefined ? {} : { keepOnly: firstBytes }) })
    }
    const results = await this.#hash(jobs)
    return results.map(({ bytes }) => new Uint8Array(bytes ?? new ArrayBuffer(0)))
  }

  size(name: string): number {
    try {
      return this.#toPlace.get(name)?.identity.size ?? statSync(join(this.root, name)).size
    } catch (error) {
      throw unreadable(name, 'file', error)
    }
  }

  async find(names: readonly string[]): Promise<SourceFile[]> {
    const found: SourceFile[] = []
    for (const name of names) if (!this.#toPlace.has(name)) found.push(await this.#find(name))
    return found
  }

  take(files: readonly SourceFile[]): void {
    for (const file of files) this.#toPlace.set(file.name, file)
  }

  leave(files: readonly SourceFile[]): void {
    for (const file of files) if (this.#toPlace.get(file.name) === file) this.#toPlace.delete(file.name)
  }

  copy(names: readonly string[], directory: string): Promise<void> {
    return copyFromDisk(this, names, directory)
  }

  /** A file that was taken. */
  file(name: string): SourceFile {
    const file = this.#toPlace.get(name)
    if (!file) throw new RangeError(`${name} was not taken`)
    return file
  }

  /** Earlier reads do not count, because the file is read again to be placed. */
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

  /** Hashed by the pool, so that a large file does not block the event loop. */
  async #hash(jobs: readonly HashJob[]): Promise<HashResult[]> {
    this.admit(jobs.map(({ file }) => file))
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

  admit(files: readonly SourceFile[]): void {
    for (const { name, identity } of files) this.#options.limit?.admit(name, identity.size)
  }

  async #find(name: string): Promise<SourceFile> {
    checkWithin(name)
    try {
      const { path } = realPlace(join(this.root, name))
      const moment = wallClock()
      const found = await stat(path, { bigint: true })
      if (found.isFile()) {
        const identity = identityOf(found)
        const file = { name, path, identity, ...(isSettled(identity, moment) ? {} : { young: true }) }
        this.#options.seen?.(file)
        return file
      }
    } catch (error) {
      if (error instanceof ModelSealError) throw error
      if (!isGone(error)) throw unreadable(name, 'file', error)
      throw new ModelSealError(
        'FILE_NOT_FOUND',
        `Cannot read the file ${shown(name)}: the model does not contain it.`,
        { file: name, cause: error },
      )
    }
    throw new ModelSealError('FILE_SPECIAL', `Cannot read ${shown(name)}: it is not a regular file.`, { file: name })
  }
}

/** Lists regular files and links to them. Links to directories are not followed. */
async function listed(root: string, signal: AbortSignal | undefined): Promise<string[]> {
  const { names, links } = await inTurns(listing(root), signal)
  for (const name of links) {
    throwIfAborted(signal)
    if (await isFile(join(root, name))) names.push(name)
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
