import { statSync } from 'node:fs'
import { readdir, realpath, stat } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { ModelSealError, shown } from '../errors.ts'
import { wholeFile } from '../hashing/hash-file.ts'
import { hashFiles } from '../hashing/hash-files.ts'
import { nameFault } from '../manifest/names.ts'
import { throwIfAborted } from '../source/aborted.ts'
import { MAX_DIRECTORIES } from '../source/find-files.ts'
import { identityOf, type SourceFile } from '../source/source-file.ts'
import { isGone, unreadable } from '../source/read-small-file.ts'
import { AUTO_MEMORY_BYTES } from './isolation.ts'
import type { PlacedFiles } from './placed-files.ts'
import type { FileRequest, ServedFiles } from './served-files.ts'

/** More than any model has; the rest of a larger tree can be read, and is not listed. */
const MAX_LISTED = 100_000

/**
 * The files of a model as they lie on disk, for rules that load without a valid signature. Symbolic
 * links are followed: nothing here is verified, and a program that works without the check is to
 * work.
 */
export class UnverifiedFiles implements ServedFiles {
  /** The file that was asked for, relative to the root; undefined for a directory. */
  readonly entry: string | undefined
  readonly names: readonly string[]
  readonly used = []
  readonly #root: string
  readonly #refuse: (file: SourceFile) => Promise<void>
  readonly #signal: AbortSignal | undefined

  /**
   * @param path a directory, or the only file that is known
   * @param entry the file that was asked for, relative to a directory
   * @param refuse looks a file up among the revoked ones before it is handed out
   * @throws {@link ModelSealError} `MODEL_NOT_FOUND`, `FILE_UNREADABLE`, `ABORTED`
   */
  static async open(
    path: string,
    entry: string | undefined,
    refuse: (file: SourceFile) => Promise<void>,
    signal: AbortSignal | undefined,
  ): Promise<UnverifiedFiles> {
    const absolute = resolve(path)
    try {
      if ((await stat(absolute)).isDirectory())
        return new UnverifiedFiles(absolute, entry, await listed(absolute, signal), refuse, signal)
      return new UnverifiedFiles(dirname(absolute), basename(absolute), [basename(absolute)], refuse, signal)
    } catch (error) {
      if (error instanceof ModelSealError) throw error
      if (!isGone(error)) throw unreadable(path, 'model', error)
      throw new ModelSealError('MODEL_NOT_FOUND', `There is no model at ${shown(path)}.`, {
        file: path,
        hint: 'Give the path of a model directory or file.',
        cause: error,
      })
    }
  }

  private constructor(
    root: string,
    entry: string | undefined,
    names: readonly string[],
    refuse: (file: SourceFile) => Promise<void>,
    signal: AbortSignal | undefined,
  ) {
    this.#root = root
    this.entry = entry
    this.names = names
    this.#refuse = refuse
    this.#signal = signal
  }

  /**
   * Reads any file below the root.
   *
   * @throws {@link ModelSealError} `PATH_ESCAPES`, `FILE_REVOKED`, `FILE_NOT_FOUND`, `FILE_SPECIAL`,
   * `ABORTED`, and what hashing throws
   */
  async read(name: string): Promise<Uint8Array<ArrayBuffer>> {
    const file = await this.find(name)
    // Read by the hashing pool like any other file, so that a large one blocks nobody.
    const [result] = await hashFiles([wholeFile(file, true)], {
      hashType: 'sha256',
      signal: this.#signal,
    })
    await this.#refuse(file)
    return new Uint8Array(result?.bytes ?? new ArrayBuffer(0))
  }

  async readAll(requests: readonly FileRequest[]): Promise<Uint8Array<ArrayBuffer>[]> {
    const buffers: Uint8Array<ArrayBuffer>[] = []
    for (const { name } of requests) buffers.push(await this.read(name))
    return buffers
  }

  size(name: string): number {
    try {
      return statSync(join(this.#root, name)).size
    } catch (error) {
      throw unreadable(name, 'file', error)
    }
  }

  inMemory(names: readonly string[]): boolean {
    return names.reduce((sum, name) => sum + this.size(name), 0) <= AUTO_MEMORY_BYTES
  }

  /** Files stay where they lie: nothing is promised about them but that they are not revoked. */
  async place(names: readonly string[]): Promise<PlacedFiles> {
    for (const name of names) await this.#refuse(await this.find(name))
    return { directory: this.#root, isolation: 'none', path: (name) => join(this.#root, name) }
  }

  confirm(): void {}

  async dispose(): Promise<void> {}

  async find(name: string): Promise<SourceFile> {
    checkWithin(name)
    try {
      const path = await realpath(join(this.#root, name))
      const found = await stat(path, { bigint: true })
      if (found.isFile()) return { name, path, identity: identityOf(found) }
    } catch (error) {
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
  const names: string[] = []
  const directories = ['']
  let entered = 0
  for (let prefix = directories.pop(); prefix !== undefined && names.length < MAX_LISTED; prefix = directories.pop()) {
    throwIfAborted(signal)
    if (++entered > MAX_DIRECTORIES) break
    for (const entry of await readdir(join(root, prefix), { withFileTypes: true })) {
      const name = prefix + entry.name
      if (entry.isDirectory()) directories.push(`${name}/`)
      else if (entry.isFile() || (entry.isSymbolicLink() && (await isFile(join(root, name))))) names.push(name)
    }
  }
  return names
}

async function isFile(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isFile(),
    () => false,
  )
}
