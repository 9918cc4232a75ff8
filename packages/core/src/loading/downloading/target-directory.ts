import { createHash } from 'node:crypto'
import { lstat, mkdir, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { ModelSealError, shown } from '../../errors.ts'
import type { Target } from '../../manifest/arriving/streamed-files.ts'
import { errno, unreadable } from '../../source/file-errors.ts'
import { othersMayWrite } from '../../source/private/ownership.ts'

/** Where files are until they are complete, inside the directory. No signed file can have this name. */
const INCOMPLETE = '.modelseal-incomplete'

/** The directory that a model is downloaded to, with what an interrupted download left. */
export class TargetDirectory {
  readonly #path: string

  /**
   * @param path absolute
   * @throws {@link ModelSealError} `FILE_WRITE_FAILED` if it is not a directory, or another user could write to it
   */
  static async at(path: string): Promise<TargetDirectory> {
    const stat = await lstat(path, { bigint: true }).catch((error: unknown) => {
      throw unreadable(path, 'directory', error)
    })
    const fault = !stat.isDirectory()
      ? 'something other than a directory'
      : process.geteuid
        ? othersMayWrite(stat)
        : undefined
    if (fault === undefined) return new TargetDirectory(path)
    throw new ModelSealError('FILE_WRITE_FAILED', `Cannot download the model to ${shown(path)}.`, {
      file: path,
      expected: 'a directory of this user that nobody else can write to',
      found: fault,
      hint: 'Create a new directory with the mode 700.',
    })
  }

  private constructor(path: string) {
    this.#path = path
  }

  fileAt(name: string): string {
    return join(this.#path, name)
  }

  /**
   * Prepares for files: removes everything else, and lets complete files of an earlier download be continued, which means that
   * they are hashed again.
   *
   * @throws {@link ModelSealError} `FILE_WRITE_FAILED`
   */
  async targets(names: readonly string[]): Promise<Target[]> {
    const targets = names.map((name) => ({ name, path: this.fileAt(name), partial: this.#partial(name) }))
    const wanted = new Set(names)
    const partials = new Set(names.map((name) => partialName(name)))
    try {
      const found = await this.#clear('', wanted)
      await this.#clearIncomplete(partials, found.size > 0)
      for (const { name, path, partial } of targets) if (found.has(name)) await rename(path, partial)
    } catch (cause) {
      throw this.#notPrepared(cause)
    }
    return targets
  }

  /** Removes what is left of an interrupted download. */
  async finish(): Promise<void> {
    await rm(join(this.#path, INCOMPLETE), { recursive: true, force: true })
  }

  #partial(name: string): string {
    return join(this.#path, INCOMPLETE, partialName(name))
  }

  /** @returns the names of wanted files that are here */
  async #clear(prefix: string, wanted: ReadonlySet<string>): Promise<Set<string>> {
    const found = new Set<string>()
    for (const entry of await readdir(join(this.#path, prefix), { withFileTypes: true })) {
      const name = `${prefix}${entry.name}`
      if (name === INCOMPLETE) continue
      if (entry.isFile() && wanted.has(name)) found.add(name)
      else if (entry.isDirectory() && isAbove(name, wanted))
        for (const each of await this.#clear(`${name}/`, wanted)) found.add(each)
      else await rm(join(this.#path, name), { recursive: true, force: true })
    }
    return found
  }

  async #clearIncomplete(partials: ReadonlySet<string>, isNeeded: boolean): Promise<void> {
    const path = join(this.#path, INCOMPLETE)
    const stat = await lstat(path).catch(() => undefined)
    if (stat && !stat.isDirectory()) await rm(path, { force: true })
    const entries = stat?.isDirectory() ? await readdir(path, { withFileTypes: true }) : []
    for (const entry of entries)
      if (!entry.isFile() || !partials.has(entry.name)) await rm(join(path, entry.name), { recursive: true })
    if (isNeeded && !stat?.isDirectory()) await mkdir(path, { mode: 0o700 })
  }

  #notPrepared(cause: unknown): ModelSealError {
    return new ModelSealError('FILE_WRITE_FAILED', `Cannot prepare the directory ${shown(this.#path)}.`, {
      file: this.#path,
      found: errno(cause),
      hint: 'Remove the directory, and run the download again.',
      cause,
    })
  }
}

/** A name of a file can be too long for a flat directory, and contains slashes. */
function partialName(name: string): string {
  return createHash('sha256').update(name).digest('hex')
}

function isAbove(directory: string, names: ReadonlySet<string>): boolean {
  for (const name of names) if (name.startsWith(`${directory}/`)) return true
  return false
}
