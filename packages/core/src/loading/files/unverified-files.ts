import { join } from 'node:path'
import { ModelSealError, shown } from '../../errors.ts'
import { nameFault } from '../../manifest/names.ts'
import type { Comparison } from '../../manifest/arriving/comparison.ts'
import type { SourceFile } from '../../source/local/source-file.ts'
import type { FileRequest } from '../../source/size-limit.ts'
import { AUTO_MEMORY_BYTES, PLACE_HINT, type Isolation } from '../placing/isolation.ts'
import type { FilesOnDisk } from '../placing/copy-from-disk.ts'
import { Placing, type PlaceableFiles, type PlacedFiles, type PlaceOptions } from '../placing/placed-files.ts'
import { OpenedFiles, type ServedFiles } from './served-files.ts'

/** Unverified files. They may still be refused by their digests, if these are revoked. */
export interface UncheckedFiles extends PlaceableFiles {
  readonly names: readonly string[]
  /** @returns buffers in the order of the requests */
  readAll(requests: readonly FileRequest[]): Promise<Uint8Array<ArrayBuffer>[]>
  readonly onDisk?: UncheckedOnDisk | undefined
}

/** Unverified files on this machine. */
export interface UncheckedOnDisk extends FilesOnDisk {
  /** The directory that contains them. */
  readonly root: string
  /** Looks up files that have not been taken. */
  find(names: readonly string[]): Promise<SourceFile[]>
  /** Counts files that are handed out in place. */
  admit(files: readonly SourceFile[]): void
  /** From now on, these names mean these files. */
  take(files: readonly SourceFile[]): void
  /** Undoes {@link take}. */
  leave(files: readonly SourceFile[]): void
}

/** How to hand out unverified files. */
interface Handing {
  /** The requested file; undefined for a directory. */
  entry: string | undefined
  /** How to place files. */
  isolation: Isolation | undefined
  /**
   * Whether files may be refused by their digests. If so, the bytes that are handed out must be the ones that were
   * hashed.
   */
  isJudged: () => boolean
}

/** Hands out the files of a model for a rule that loads without a valid signature. */
export class UnverifiedFiles extends OpenedFiles implements ServedFiles {
  readonly entry: string | undefined
  /** Names of the files that were requested. */
  readonly handedOut: ReadonlySet<string>
  readonly #handedOut = new Set<string>()
  readonly #files: UncheckedFiles
  readonly #isJudged: () => boolean
  readonly #placing: Placing

  /** @param close ends running work and releases the source */
  constructor(files: UncheckedFiles, { entry, isolation, isJudged }: Handing, close: () => Promise<void>) {
    // A link to the very file if no other user can write to it, otherwise a copy, whatever the caller prefers, so that
    // the model loads.
    const levels = isolation === 'copy' ? (['copy'] as const) : (['in-place', 'copy'] as const)
    const placing = new Placing(files, {
      levels,
      checkPlacing: () => {},
      copiesAllowed: true,
      placeHint: (remedy) => `${remedy ?? PLACE_HINT}.`,
    })
    super(placing, close)
    this.entry = entry
    this.handedOut = this.#handedOut
    this.#files = files
    this.#isJudged = isJudged
    this.#placing = placing
  }

  get names(): readonly string[] {
    return this.#files.names
  }

  get used(): ('copy' | 'in-place')[] {
    return this.#placing.used
  }

  size(name: string): number {
    return this.#files.size(name)
  }

  inMemory(names: readonly string[]): boolean {
    if (!this.#files.onDisk) return true
    const bytes = names.reduce((sum, name) => sum + this.size(name), 0)
    return bytes <= AUTO_MEMORY_BYTES || (this.#placing.impossible && bytes <= process.availableMemory())
  }

  readAll(requests: readonly FileRequest[]): Promise<Uint8Array<ArrayBuffer>[]> {
    for (const { name } of requests) this.#handedOut.add(name)
    return this.#files.readAll(requests)
  }

  /** Files stay in place unless they are judged; then the judged bytes are handed out. */
  async place(names: readonly string[], options?: PlaceOptions): Promise<PlacedFiles> {
    const { onDisk } = this.#files
    if (!onDisk) {
      throw new ModelSealError(
        'ISOLATION_REFUSED',
        'Cannot load the model from a path: it is unverified, and its files are not on this machine.',
        {
          hint: 'Download it, and load it by its path.',
        },
      )
    }
    for (const name of names) this.#handedOut.add(name)
    const found = await onDisk.find(names)
    if (!this.#isJudged()) {
      onDisk.admit(found)
      return { directory: onDisk.root, isolation: 'none', path: (name) => join(onDisk.root, name) }
    }
    onDisk.take(found)
    try {
      return await this.#placing.place(names, options)
    } catch (error) {
      onDisk.leave(found)
      throw error
    }
  }
}

/** For unverified streams: any file of the model may be requested, and it is not compared with anything. */
export const UNSIGNED: Comparison = {
  digests: undefined,
  expected: (name) => checkWithin(name),
  check: () => {},
  wrongSize: (name) => notFound(name),
  missing: (name) => notFound(name),
}

function notFound(name: string): ModelSealError {
  return new ModelSealError('FILE_NOT_FOUND', `Cannot read the file ${shown(name)}: the model does not contain it.`, {
    file: name,
  })
}

/** @throws {@link ModelSealError} `PATH_ESCAPES` if no file of a model can have the name */
export function checkWithin(name: string): undefined {
  const fault = nameFault(name)
  if (fault === undefined) return undefined
  throw new ModelSealError('PATH_ESCAPES', `Cannot read the file ${shown(name)}: ${fault}.`, {
    file: name,
  })
}
