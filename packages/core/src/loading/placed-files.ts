import {
  closeSync,
  constants,
  copyFileSync,
  fstatSync,
  linkSync,
  lstatSync,
  mkdirSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { ModelSealError, shown } from '../errors.ts'
import type { Contents, Placement } from '../manifest/contents.ts'
import { identityOf, type SourceFile } from '../source/local-source.ts'
import { changed, checkUnchanged, openListed } from '../source/open-file.ts'
import { othersMayWrite } from '../source/ownership.ts'
import { makePrivateDirectory, removePrivateDirectory } from '../source/private-directory.ts'
import { errno } from '../source/read-small-file.ts'
import type { AllowedIsolation } from './isolation.ts'

/** Files that a runtime can open by path. */
export interface PlacedFiles {
  /** Absolute. The files lie in it under their names, and nothing else that the runtime could read. */
  readonly directory: string
  /** `none` only for a model that was loaded unverified: its files stay where they lie. */
  readonly isolation: 'copy' | 'in-place' | 'none'
  /** @throws {@link ModelSealError} `FILE_NOT_SIGNED` for a name that was not placed */
  readonly path: (name: string) => string
}

/** More descriptors are not kept open for links. */
const MAX_DESCRIPTORS = 256

/**
 * Gives files of a model a path in a private directory: a link to the very file that was hashed
 * where nobody else can write to it, else a copy that is hashed as it is made.
 */
export class Placing {
  readonly #contents: Contents
  readonly #allowed: AllowedIsolation
  readonly #placed = new Map<string, 'copy' | 'in-place'>()
  readonly #open = new Map<number, SourceFile>()
  #directory: Promise<string> | undefined
  #queue: Promise<unknown> = Promise.resolve()
  #disposed = false

  constructor(contents: Contents, allowed: AllowedIsolation) {
    this.#contents = contents
    this.#allowed = allowed
  }

  /** The levels that were used. */
  get used(): ('copy' | 'in-place')[] {
    return [...new Set(this.#placed.values())]
  }

  /**
   * @throws {@link ModelSealError} `ISOLATION_REFUSED`, `COPY_FAILED`, `FILE_NOT_SIGNED`, `FILE_MISMATCH`,
   * `FILE_CHANGED`, `INVALID_ARGUMENT` (after {@link dispose}), and what hashing throws
   */
  async place(names: readonly string[]): Promise<PlacedFiles> {
    // One after the other: two callers may want the same file.
    const placing = this.#queue.then(() => this.#placeAll([...new Set(names)]))
    this.#queue = placing.catch(() => {})
    return placing
  }

  /**
   * Refuses where a file that a runtime has opened in place is no longer what was hashed.
   *
   * @throws {@link ModelSealError} `FILE_CHANGED`
   */
  confirm(): void {
    for (const [fd, file] of this.#open) checkUnchanged(file, fd)
  }

  async dispose(): Promise<void> {
    this.#disposed = true
    await this.#queue
    for (const fd of this.#open.keys()) closeSync(fd)
    this.#open.clear()
    const directory = await this.#directory?.catch(() => undefined)
    this.#directory = undefined
    if (directory !== undefined) await removePrivateDirectory(directory)
  }

  async #placeAll(names: readonly string[]): Promise<PlacedFiles> {
    if (this.#disposed) {
      throw new ModelSealError('INVALID_ARGUMENT', 'The model was closed; its files have no paths any more.', {
        hint: 'Load what the runtime is to have before the model is disposed of.',
      })
    }
    this.#allowed.checkPlacing()
    const files = names.filter((name) => !this.#placed.has(name)).map((name) => this.#contents.file(name))
    const directory = await (this.#directory ??= makePrivateDirectory())
    const isolation = (await this.#linkAll(files, directory)) ? 'in-place' : await this.#copyAll(files, directory)
    for (const { name } of files) this.#placed.set(name, isolation)
    return {
      directory,
      isolation: names.some((name) => this.#placed.get(name) === 'copy') ? 'copy' : 'in-place',
      path: (name) => {
        if (this.#placed.has(name)) return join(directory, name)
        throw new ModelSealError('FILE_NOT_SIGNED', `The file ${shown(name)} was not placed.`, { file: name })
      },
    }
  }

  /** @returns false where a copy has to be made */
  async #linkAll(files: readonly SourceFile[], directory: string): Promise<boolean> {
    const { levels } = this.#allowed
    if (!levels.includes('in-place')) return false
    const linked: { file: SourceFile; fd: number }[] = []
    try {
      const link = files.length > MAX_DESCRIPTORS ? linkHard : linkAny
      for (const file of files) {
        const fd = openListed(file)
        linked.push({ file, fd })
        const fault = othersMayWrite(checkUnchanged(file, fd))
        if (fault !== undefined) throw notInPlace(file, fault)
        linked[linked.length - 1] = { file: link(file, fd, pathIn(directory, file)), fd }
      }
    } catch (error) {
      for (const { file, fd } of linked) {
        closeSync(fd)
        rmSync(join(directory, file.name), { force: true })
      }
      if (error instanceof ModelSealError && error.code === 'ISOLATION_REFUSED' && levels.includes('copy')) return false
      throw error
    }
    for (const { file, fd } of linked) this.#open.set(fd, file)
    const placements = linked.map(({ file, fd }) => ({ file: { ...file, fd } }))
    // What was hashed before is the same to the last change of its state, and nobody could write to it since.
    await this.#contents.check(placements.filter(({ file }) => !this.#contents.isChecked(file.name)))
    for (const { file } of placements) this.#contents.replace(file)
    return true
  }

  async #copyAll(files: readonly SourceFile[], directory: string): Promise<'copy'> {
    let clones = true
    const placements = files.map((file): Placement => {
      const path = pathIn(directory, file)
      const clone = clones ? cloned(file, path) : undefined
      clones = clone !== undefined
      return clone ? { file: clone } : { file, copyTo: path }
    })
    await this.#contents.check(placements)
    for (const { name } of files) {
      const path = join(directory, name)
      this.#contents.replace({ name, path, identity: identityOf(lstatSync(path, { bigint: true })) })
    }
    return 'copy'
  }
}

function pathIn(directory: string, { name }: SourceFile): string {
  const path = join(directory, name)
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    return path
  } catch (cause) {
    throw new ModelSealError('COPY_FAILED', `No place can be made for ${shown(name)} (${errno(cause)}).`, {
      file: name,
      cause,
    })
  }
}

/** By the descriptor, which changes nothing about the file; else by a hard link, which does. */
function linkAny(file: SourceFile, fd: number, path: string): SourceFile {
  if (process.platform === 'linux') {
    try {
      symlinkSync(`/proc/self/fd/${fd}`, path)
      const { dev, ino } = statSync(path, { bigint: true })
      if (dev === file.identity.dev && ino === file.identity.ino) return file
    } catch {
      // No /proc here.
    }
    rmSync(path, { force: true })
  }
  return linkHard(file, fd, path)
}

function linkHard(file: SourceFile, fd: number, path: string): SourceFile {
  try {
    linkSync(file.path, path)
  } catch (cause) {
    throw notInPlace(file, `a file that cannot be linked from ${shown(dirname(path))} (${errno(cause)})`)
  }
  // The link is another state of the file: what it was before, but for the time of its last change.
  const before = file.identity
  const now = identityOf(fstatSync(fd, { bigint: true }))
  const { dev, ino } = lstatSync(path, { bigint: true })
  if (dev !== before.dev || ino !== before.ino) throw changed(file, 'another one was put in its place')
  if (now.size !== before.size || now.mtimeNs !== before.mtimeNs) throw changed(file, 'it was written to')
  return { ...file, identity: now }
}

/**
 * A copy that shares its blocks with the original until one of them is written to.
 *
 * @returns undefined where the file system cannot do that
 */
function cloned(file: SourceFile, path: string): SourceFile | undefined {
  if (process.platform !== 'linux') return undefined
  const fd = openListed(file)
  try {
    checkUnchanged(file, fd)
    copyFileSync(`/proc/self/fd/${fd}`, path, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE_FORCE)
    return { name: file.name, path, identity: identityOf(lstatSync(path, { bigint: true })) }
  } catch (error) {
    if (error instanceof ModelSealError) throw error
    return undefined
  } finally {
    closeSync(fd)
  }
}

function notInPlace(file: SourceFile, found: string): ModelSealError {
  return new ModelSealError('ISOLATION_REFUSED', `The file ${shown(file.name)} cannot be loaded where it lies.`, {
    file: file.name,
    expected: 'a file of root or of this user, that nobody else can write to',
    found,
    hint: 'Change its owner or mode, or load it under the isolation "copy".',
  })
}
