import { join } from 'node:path'
import { ModelSealError, shown } from '../../errors.ts'
import { nameFault } from '../../manifest/names.ts'
import type { Comparison } from '../../manifest/streamed-files.ts'
import type { SourceFile } from '../../source/local/source-file.ts'
import type { FileRequest } from '../../source/size-limit.ts'
import { AUTO_MEMORY_BYTES, PLACE_HINT, type Isolation } from '../placing/isolation.ts'
import type { FilesOnDisk } from '../placing/copy-from-disk.ts'
import { Placing, type PlaceableFiles, type PlacedFiles, type PlaceOptions } from '../placing/placed-files.ts'
import type { ServedFiles } from './served-files.ts'

/** Files that nobody verified. They may be judged by their digests all the same, as revoked ones are. */
export interface UncheckedFiles extends PlaceableFiles {
  readonly names: readonly string[]
  /** @returns buffers in the order of the requests */
  readAll(requests: readonly FileRequest[]): Promise<Uint8Array<ArrayBuffer>[]>
  readonly onDisk?: UncheckedOnDisk | undefined
}

/** Those on this machine. */
export interface UncheckedOnDisk extends FilesOnDisk {
  /** The directory that they lie in. */
  readonly root: string
  /** Looks up files that were not taken yet. */
  find(names: readonly string[]): Promise<SourceFile[]>
  /** Counts files that are handed out as they lie. */
  admit(files: readonly SourceFile[]): void
  /** From now on, these are what their names stand for. */
  take(files: readonly SourceFile[]): void
  /** Undoes {@link take}. */
  leave(files: readonly SourceFile[]): void
}

/** How unverified files are handed out. */
interface Handing {
  /** The file that was asked for; undefined for a directory. */
  entry: string | undefined
  /** How files that are placed are to be placed. */
  isolation: Isolation | undefined
  /** Whether a file may be refused by its digest: what is handed out then has to be what was hashed. */
  judged: boolean
}

/** Hands out the files of a model for a rule that loads without a valid signature. */
export class UnverifiedFiles implements ServedFiles {
  readonly entry: string | undefined
  readonly #files: UncheckedFiles
  readonly #judged: boolean
  readonly #placing: Placing
  readonly #close: () => Promise<void>

  /** @param close ends what is under way, and lets the source go */
  constructor(files: UncheckedFiles, { entry, isolation, judged }: Handing, close: () => Promise<void>) {
    this.entry = entry
    this.#files = files
    this.#judged = judged
    this.#close = close
    // A link to the very file where nobody else can write to it, else a copy: whatever the caller prefers, the model loads.
    const levels = isolation === 'copy' ? (['copy'] as const) : (['in-place', 'copy'] as const)
    this.#placing = new Placing(files, {
      levels,
      checkPlacing: () => {},
      copiesAllowed: true,
      placeHint: (remedy) => `${remedy ?? PLACE_HINT}.`,
    })
  }

  get names(): readonly string[] {
    return this.#files.names
  }

  get used(): ('copy' | 'in-place')[] {
    return this.#placing.used
  }

  get notes(): string[] {
    return this.#placing.notes
  }

  size(name: string): number {
    return this.#files.size(name)
  }

  inMemory(names: readonly string[]): boolean {
    if (!this.#files.onDisk) return true
    const bytes = names.reduce((sum, name) => sum + this.size(name), 0)
    return bytes <= AUTO_MEMORY_BYTES || (this.#placing.impossible && bytes <= process.availableMemory())
  }

  async read(name: string): Promise<Uint8Array<ArrayBuffer>> {
    const [bytes] = await this.readAll([{ name }])
    return bytes ?? new Uint8Array()
  }

  readAll(requests: readonly FileRequest[]): Promise<Uint8Array<ArrayBuffer>[]> {
    return this.#files.readAll(requests)
  }

  /** Files stay where they lie, unless they are judged: then what was judged is what is handed out. */
  async place(names: readonly string[], options?: PlaceOptions): Promise<PlacedFiles> {
    const { onDisk } = this.#files
    if (!onDisk) {
      throw new ModelSealError(
        'ISOLATION_REFUSED',
        'Cannot load the model from a path: nobody verified it, and its files do not lie on this machine.',
        {
          hint: 'Fetch it first, and load it by its path.',
        },
      )
    }
    const found = await onDisk.find(names)
    if (!this.#judged) {
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

  confirm(): void {
    this.#placing.confirm()
  }

  async dispose(): Promise<void> {
    try {
      await this.#close()
    } finally {
      await this.#placing.dispose()
    }
  }
}

/** For streams that nobody verified: any file of the model may be asked for, and is compared with nothing. */
export const UNSIGNED: Comparison = {
  digests: undefined,
  expected: (name) => checkWithin(name),
  check: () => {},
  wrongSize: (name) => notFound(name),
  missing: (name) => notFound(name),
}

function notFound(name: string): ModelSealError {
  return new ModelSealError('FILE_NOT_FOUND', `The model has no file ${shown(name)}.`, { file: name })
}

/** @throws {@link ModelSealError} `PATH_ESCAPES` for a name that no file of a model can have */
export function checkWithin(name: string): undefined {
  const fault = nameFault(name)
  if (fault === undefined) return undefined
  throw new ModelSealError('PATH_ESCAPES', `The name ${shown(name)} is not of a file of the model: ${fault}.`, {
    file: name,
  })
}
