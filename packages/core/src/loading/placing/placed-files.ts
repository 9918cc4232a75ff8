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
  /** Absolute. The files lie in it under their names, and nothing else that the runtime could read. */
  readonly directory: string
  /** `none` only for a model that was loaded unverified where nothing revokes files: they stay where they lie. */
  readonly isolation: 'copy' | 'in-place' | 'none'
  /** @throws {@link ModelSealError} `FILE_NOT_SIGNED` for a name that was not placed */
  readonly path: (name: string) => string
}

/** How files are to be placed. */
export interface PlaceOptions {
  /**
   * `copy` for a runtime that takes these files as nothing else: as copies, wherever caller and
   * policy allow that. Without it, as caller and policy prefer it.
   */
  isolation?: 'copy' | undefined
}

/** More descriptors are not kept open for links; hard links need none. With the signs of life of two directories, 256. */
const MAX_DESCRIPTORS = 254

/** Files that can be placed. */
export interface PlaceableFiles {
  /** In bytes, as far as it is known. Throws for a name that is not to be placed. */
  size(name: string): number
  /** Makes copies in a directory, each of what was hashed; none of them where one fails. */
  copy(names: readonly string[], directory: string): Promise<void>
  /** What links can lead to, where the files lie on this machine. */
  readonly onDisk?: FilesOnDisk | undefined
}

/** What is allowed of files that are placed. */
type AllowedPlacing = Pick<AllowedIsolation, 'levels' | 'checkPlacing' | 'copiesAllowed' | 'placeHint'>

/**
 * Gives files of a model a path in a private directory: a link to the very file that was hashed
 * where nobody else can write to it, else a copy that is hashed as it is made.
 */
export class Placing {
  readonly #files: PlaceableFiles
  readonly #allowed: AllowedPlacing
  /** Copies and links lie apart: a file can be needed as both, and some runtimes take no mixture. */
  readonly #links: PrivatePlaces
  readonly #copies: PrivatePlaces
  /** What was copied, of which the copy is what the model's name stands for by now. */
  readonly #copied = new Set<string>()
  /** By a descriptor that is kept open, or by the path of a hard link. */
  readonly #inPlace: SourceFile[] = []
  /** What is being placed, by its name: two callers may want the same file. */
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

  /** Where files were put if not where they should have been, and why: sentences. */
  get notes(): string[] {
    return [...this.#links.notes, ...this.#copies.notes]
  }

  /** True once files had to be placed, and there was no place for them. */
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
    // What lies on this machine is placed one after the other, what has to be fetched at the same time.
    const keys = this.#files.onDisk ? [''] : wanted
    const before = keys.flatMap((key) => this.#underWay.get(key) ?? [])
    const placing = Promise.all(before).then(() => this.#placeAll(wanted, isolation))
    const settled = placing.catch(() => {})
    for (const key of keys) this.#underWay.set(key, settled)
    return placing
  }

  /**
   * Refuses where a file that a runtime has opened in place is no longer what was hashed.
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
    // After the links to them: another file may get the number of a descriptor.
    close(files)
    for (const removal of removals) if (removal.status === 'rejected') throw removal.reason
  }

  async #placeAll(names: readonly string[], as: 'copy' | undefined): Promise<PlacedFiles> {
    if (this.#disposed) throw modelClosed()
    this.#allowed.checkPlacing(as)
    // A name becomes a path before anything is done by it.
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
        throw new ModelSealError('FILE_NOT_SIGNED', `The file ${shown(name)} was not placed.`, { file: name })
      },
    }
  }

  /**
   * True for files that only a magic link of procfs leads to. Runtimes that go by the text of links find another file
   * there, or none; so they get copies, even if the caller would rather have none.
   *
   * @throws {@link ModelSealError} `ISOLATION_REFUSED` where the rule allows no copies
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

  /** @returns undefined where copies have to be made, of all of them */
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

  /** @returns false where a copy has to be made */
  async #linkAll(onDisk: FilesOnDisk, files: readonly SourceFile[], directory: string): Promise<boolean> {
    const { levels } = this.#allowed
    const linked: SourceFile[] = []
    try {
      const open = this.#inPlace.filter(({ fd }) => fd !== undefined).length
      const link = open + files.length > MAX_DESCRIPTORS ? linkHard : linkAny
      // All before the first is linked, which may change its state.
      for (const file of files) withOpen(file, checkInPlace)
      for (const file of files) linked.push(linkInPlace(file, pathIn(directory, file.name), link))
      await settled(linked.map(({ identity }) => identity))
      // What was hashed before is the same to the last change of its state, where such a change shows.
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
      'Cannot load the model from a path: its files do not lie on this machine.',
      {
        expected: 'copy',
        found: this.#allowed.levels.join(' or '),
        hint: 'Allow its files to be copied, or fetch the model first and load it by its path.',
      },
    )
  }
}

/** Only where the listing of the files says so. */
function isYoung(file: SourceFile | undefined): boolean {
  return file !== undefined && Object.hasOwn(file, 'young') && file.young === true
}

/**
 * Puts what is not there yet into the present private place; where that turns out to be full, all of it into the next one.
 *
 * @param put refuses with `COPY_FAILED` where there is no room
 * @returns what it returns
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

/** For whoever asks a closed model for a file. */
export function modelClosed(): ModelSealError {
  return new ModelSealError('INVALID_ARGUMENT', 'Cannot get files of this model: it was closed.', {
    hint: 'Close a model after the runtime has loaded it, or open it again.',
  })
}
