import { modelClosed } from '../model-closed.ts'
import { rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { ModelSealError, shown } from '../../errors.ts'
import { withoutPrototype } from '../../snapshot.ts'
import { checkUnchanged } from '../../source/local/open-file.ts'
import type { SourceFile } from '../../source/local/source-file.ts'
import { isPlain } from '../../source/local/real-path.ts'
import { settled } from '../../source/local/settling.ts'
import { pathIn, type FilesOnDisk } from './copy-from-disk.ts'
import type { AllowedIsolation } from './isolation.ts'
import { checkInPlace, close, linkAny, linkHard, linkInPlace, notInPlace, withOpen } from './link-in-place.ts'
import { PrivatePlaces, type PrivatePlace } from './private-places.ts'

/** Files that a runtime can open by path. */
export interface PlacedFiles {
  /**
   * Absolute path of the directory. It contains the files under their names, and nothing else that the runtime could
   * read.
   */
  readonly directory: string
  /** `none` only for a model that was loaded unverified, if no files are revoked: the files stay in place. */
  readonly isolation: 'copy' | 'in-place' | 'none'
  /** @throws {@link ModelSealError} `FILE_NOT_SIGNED` for a name that was not placed */
  readonly path: (name: string) => string
}

/** How to place files. */
export interface PlaceOptions {
  /**
   * `copy` for a runtime that can load these files only as copies; refused if caller or policy do not allow that.
   * Default: as caller and policy prefer.
   */
  isolation?: 'copy' | undefined
}

/**
 * Maximum number of descriptors kept open for links; hard links need none. 256 with the signs of life of two
 * directories.
 */
const MAX_DESCRIPTORS = 254

/** Files that can be placed. */
export interface PlaceableFiles {
  /** Size in bytes, as far as known. Throws for a name that may not be placed. */
  size(name: string): number
  /** Creates copies of the hashed bytes in a directory. If one fails, none is left. */
  copy(names: readonly string[], directory: string): Promise<void>
  /** The files that links can point to, if they are on this machine. */
  readonly onDisk?: FilesOnDisk | undefined
}

/** What is allowed for placed files. */
type AllowedPlacing = Pick<AllowedIsolation, 'levels' | 'checkPlacing' | 'copiesAllowed' | 'placeHint'>

/**
 * Gives files of a model a path in a private directory: a link to the very file that was hashed if no other user can
 * write to it, otherwise a copy that is hashed while copying.
 */
export class Placing {
  readonly #files: PlaceableFiles
  readonly #allowed: AllowedPlacing
  /**
   * Copies and links are in separate directories: a file can be needed as both, and some runtimes accept no mixture.
   */
  readonly #links: PrivatePlaces
  readonly #copies: PrivatePlaces
  /** The copied files, for which the copy now stands in for the model's file. */
  readonly #copied = new Set<string>()
  /** Linked files, by an open descriptor or by the path of a hard link. */
  readonly #inPlace: SourceFile[] = []
  /** Files that are being placed, by name: two callers may want the same one. */
  readonly #underWay = new Map<string, Promise<unknown>>()
  #disposed = false

  constructor(files: PlaceableFiles, allowed: AllowedPlacing) {
    this.#files = files
    this.#allowed = allowed
    this.#links = new PrivatePlaces('links', (remedy) => allowed.placeHint(remedy))
    this.#copies = new PrivatePlaces('copies', (remedy) => allowed.placeHint(remedy))
  }

  /** The levels that were used. */
  get used(): ('copy' | 'in-place')[] {
    return [...(this.#links.used ? (['in-place'] as const) : []), ...(this.#copies.used ? (['copy'] as const) : [])]
  }

  /** Sentences that say where files were placed instead of the preferred place, and why. */
  get notes(): string[] {
    return [...this.#links.notes, ...this.#copies.notes]
  }

  /** True once files could not be placed because there was no place for them. */
  get impossible(): boolean {
    return this.#links.exhausted || this.#copies.exhausted
  }

  /**
   * @throws {@link ModelSealError} `ISOLATION_REFUSED`, `COPY_FAILED`, `FILE_NOT_SIGNED`, `FILE_MISMATCH`,
   * `FILE_CHANGED`, `INVALID_ARGUMENT` (after {@link dispose}), and what hashing throws
   */
  async place(names: readonly string[], options: PlaceOptions = {}): Promise<PlacedFiles> {
    const { isolation } = withoutPrototype(options)
    const wanted = [...new Set(names)]
    // Files on this machine are placed one after another; remote files are fetched concurrently.
    const keys = this.#files.onDisk ? [''] : wanted
    const before = keys.flatMap((key) => this.#underWay.get(key) ?? [])
    const placing = Promise.all(before).then(() => this.#placeAll(wanted, isolation))
    const settled = placing.catch(() => {})
    for (const key of keys) this.#underWay.set(key, settled)
    return placing
  }

  /**
   * Throws if a file that a runtime opened in place is no longer what was hashed.
   *
   * @throws {@link ModelSealError} `FILE_CHANGED`
   */
  confirm(): void {
    for (const file of this.#inPlace) {
      if (file.fd === undefined) withOpen(file, checkUnchanged)
      else checkUnchanged(file, file.fd)
    }
  }

  async dispose(): Promise<void> {
    this.#disposed = true
    await Promise.all(this.#underWay.values())
    const removals = await Promise.allSettled([this.#links.remove(), this.#copies.remove()])
    const files = this.#inPlace.splice(0)
    for (const { name, path, identity } of files) this.#files.onDisk?.replace({ name, path, identity })
    // Descriptors are closed after their links are removed, because another file may get the same number.
    close(files)
    for (const removal of removals) if (removal.status === 'rejected') throw removal.reason
  }

  async #placeAll(names: readonly string[], as: 'copy' | undefined): Promise<PlacedFiles> {
    if (this.#disposed) throw modelClosed()
    this.#allowed.checkPlacing(as)
    // Names are resolved to paths before anything is done with them.
    const bytes = names.reduce((sum, name) => sum + this.#files.size(name), 0)
    const { onDisk } = this.#files
    if (!onDisk && !this.#allowed.levels.includes('copy')) throw this.#notHere()
    const mayLink = onDisk && as === undefined && this.#allowed.levels.includes('in-place')
    const linked = mayLink && !this.#onlyAsCopies(onDisk, names) ? await this.#link(onDisk, names) : undefined
    const { directory, names: placed } = linked ?? (await this.#copy(names, bytes))
    return {
      directory,
      isolation: linked ? 'in-place' : 'copy',
      path: (name) => {
        if (placed.has(name)) return join(directory, name)
        throw new ModelSealError(
          'FILE_NOT_SIGNED',
          `Cannot get the path of the file ${shown(name)}: it was not placed.`,
          { file: name },
        )
      },
    }
  }

  /**
   * True for files that can be reached only through a magic link of procfs. Runtimes that follow the text of links
   * would find another file, or none, so they get copies, even if the caller does not want any.
   *
   * @throws {@link ModelSealError} `ISOLATION_REFUSED` if the rule allows no copies
   */
  #onlyAsCopies(onDisk: FilesOnDisk, names: readonly string[]): boolean {
    if (process.platform !== 'linux') return false
    const files = names.map((name) => onDisk.file(name))
    const directories = new Map(files.map((file) => [dirname(file.path), file]))
    for (const [directory, file] of directories) {
      if (isPlain(directory)) continue
      if (this.#allowed.copiesAllowed) return true
      throw notInPlace(
        file,
        'a file that can only be reached through a link in procfs',
        'Allow copies: "copy" in "require.isolation".',
      )
    }
    return false
  }

  /** @returns undefined if all of them must be copied */
  async #link(onDisk: FilesOnDisk, names: readonly string[]): Promise<PrivatePlace | undefined> {
    return inOnePlace(this.#links, names, 0, async (missing, place) => {
      if (missing.some((name) => this.#copied.has(name))) return undefined
      const files = missing.map((name) => onDisk.file(name))
      return (await this.#linkAll(onDisk, files, place.directory)) ? place : undefined
    })
  }

  async #copy(names: readonly string[], bytes: number): Promise<PrivatePlace> {
    return inOnePlace(this.#copies, names, bytes, async (missing, place) => {
      await this.#files.copy(missing, place.directory)
      for (const name of missing) this.#copied.add(name)
      return place
    })
  }

  /** @returns false if a copy is needed */
  async #linkAll(onDisk: FilesOnDisk, files: readonly SourceFile[], directory: string): Promise<boolean> {
    const { levels } = this.#allowed
    const linked: SourceFile[] = []
    try {
      const open = this.#inPlace.filter(({ fd }) => fd !== undefined).length
      const link = open + files.length > MAX_DESCRIPTORS ? linkHard : linkAny
      // All are checked before the first is linked, because linking may change its state.
      for (const file of files) withOpen(file, checkInPlace)
      for (const file of files) linked.push(linkInPlace(file, pathIn(directory, file.name), link))
      await settled(linked.map(({ identity }) => identity))
      // A file that was hashed before is unchanged if its state is, provided that changes show in the state.
      const unchecked = linked.filter(({ name }, index) => isYoung(files[index]) || !onDisk.isChecked(name))
      await onDisk.check(unchecked.map((file) => ({ file, copyTo: undefined })))
    } catch (error) {
      for (const { name } of linked) rmSync(join(directory, name), { force: true })
      close(linked)
      if (error instanceof ModelSealError && error.code === 'ISOLATION_REFUSED' && levels.includes('copy')) return false
      throw error
    }
    this.#inPlace.push(...linked)
    for (const file of linked) onDisk.replace(file)
    return true
  }

  #notHere(): ModelSealError {
    return new ModelSealError(
      'ISOLATION_REFUSED',
      'Cannot load the model from a path: its files are not on this machine.',
      {
        expected: 'copy',
        found: this.#allowed.levels.join(' or '),
        hint: 'Allow its files to be copied, or download the model and load it by its path.',
      },
    )
  }
}

/** Only known if the listing of the files says so. */
function isYoung(file: SourceFile | undefined): boolean {
  return file !== undefined && Object.hasOwn(file, 'young') && file.young === true
}

/**
 * Puts files that are not placed yet into the current private place; if it turns out to be full, puts all of them into
 * the next one.
 *
 * @param put throws `COPY_FAILED` if there is no space
 * @returns the result of `put`
 */
async function inOnePlace<P extends PrivatePlace | undefined>(
  places: PrivatePlaces,
  names: readonly string[],
  bytes: number,
  put: (missing: string[], place: PrivatePlace) => Promise<P>,
): Promise<P> {
  for (;;) {
    const place = await places.present(bytes)
    const missing = names.filter((name) => !place.names.has(name))
    try {
      const done = await put(missing, place)
      if (done) for (const name of missing) place.names.add(name)
      return done
    } catch (error) {
      if (!places.leave(place, error)) throw error
    }
  }
}
