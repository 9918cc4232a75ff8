import { createHash } from 'node:crypto'
import { lstat, mkdir, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { ModelSealError, shown } from '../../errors.ts'
import type { Target } from '../../source/private/partial-file.ts'
import { errno, unreadable } from '../../source/file-errors.ts'
import { othersMayWrite } from '../../source/private/ownership.ts'
import { claimDirectory, type SignOfLife } from '../../source/private/sign-of-life.ts'

/** Where files are until they are complete, inside the directory. It marks a directory in which a download has begun. */
const INCOMPLETE = '.modelseal-incomplete'

/** What a directory is to contain. */
interface WantedFiles {
  readonly names: ReadonlySet<string>
  readonly directories: ReadonlySet<string>
}

/** The directory that a model is downloaded to, with what an interrupted download left. */
export class TargetDirectory {
  readonly #path: string
  #life: SignOfLife | undefined

  /**
   * @param path absolute
   * @throws {@link ModelSealError} `FILE_WRITE_FAILED` if it is not a directory, if another user could write to it, or if it is
   * neither empty nor has an unfinished download; `FILE_UNREADABLE`
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
    if (fault !== undefined) throw refused(path, 'a directory of this user that nobody else can write to', fault)
    // Everything else in it will be removed, so it must not be one that was named by mistake.
    if (!(await hasBegun(path)) && (await readdir(path)).length > 0)
      throw refused(path, 'an empty directory, or one with an unfinished download', 'other files')
    return new TargetDirectory(path)
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
    const wanted = { names: new Set(names), directories: directoriesOf(names) }
    if (wanted.names.has(INCOMPLETE) || wanted.directories.has(INCOMPLETE)) throw this.#reserved()
    const partials = new Set(names.map((name) => partialName(name)))
    try {
      await this.#begin(partials)
      const found = await this.#clear('', wanted)
      for (const { name, path, partial } of targets) if (found.has(name)) await rename(path, partial)
    } catch (cause) {
      if (cause instanceof ModelSealError) throw cause
      throw this.#notPrepared(cause)
    }
    return targets
  }

  /** Lets others use the directory. */
  end(): void {
    this.#life?.end()
  }

  /** Removes what is left of an interrupted download. */
  async finish(): Promise<void> {
    await rm(join(this.#path, INCOMPLETE), { recursive: true, force: true })
  }

  #partial(name: string): string {
    return join(this.#path, INCOMPLETE, partialName(name))
  }

  /** @returns the names of wanted files that are here */
  async #clear(prefix: string, wanted: WantedFiles): Promise<Set<string>> {
    const found = new Set<string>()
    for (const entry of await readdir(join(this.#path, prefix), { withFileTypes: true })) {
      const name = `${prefix}${entry.name}`
      if (name === INCOMPLETE) continue
      if (entry.isFile() && wanted.names.has(name)) found.add(name)
      else if (entry.isDirectory() && wanted.directories.has(name))
        for (const each of await this.#clear(`${name}/`, wanted)) found.add(each)
      else await rm(join(this.#path, name), { recursive: true, force: true })
    }
    return found
  }

  /** Marks the directory, and removes what is no part of a wanted file. */
  async #begin(partials: ReadonlySet<string>): Promise<void> {
    const path = join(this.#path, INCOMPLETE)
    if (!(await hasBegun(this.#path))) await mkdir(path, { mode: 0o700 })
    // Both would write to the same partial files, also after one of them has verified them.
    const life = await claimDirectory(path)
    if (life === false)
      throw refused(this.#path, 'a directory of its own', 'another download to it that is still running')
    this.#life = life
    for (const entry of await readdir(path, { withFileTypes: true }))
      if (!entry.isSocket() && (!entry.isFile() || !partials.has(entry.name)))
        await rm(join(path, entry.name), { recursive: true })
  }

  #reserved(): ModelSealError {
    return new ModelSealError('FILE_WRITE_FAILED', `Cannot save a file named ${shown(INCOMPLETE)}: it is reserved.`, {
      file: INCOMPLETE,
      hint: 'Load the model in place, or ask its publisher to rename the file.',
    })
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

/** The names of all directories above files. */
function directoriesOf(names: readonly string[]): Set<string> {
  const found = new Set<string>()
  for (const name of names)
    for (let end = name.lastIndexOf('/'); end > 0; end = name.lastIndexOf('/', end - 1)) {
      const directory = name.slice(0, end)
      if (found.has(directory)) break
      found.add(directory)
    }
  return found
}

async function hasBegun(directory: string): Promise<boolean> {
  const stat = await lstat(join(directory, INCOMPLETE)).catch(() => undefined)
  return stat?.isDirectory() === true
}

function refused(path: string, expected: string, found: string): ModelSealError {
  return new ModelSealError('FILE_WRITE_FAILED', `Cannot download the model to ${shown(path)}.`, {
    file: path,
    expected,
    found,
    hint: 'Create a new directory with the mode 700.',
  })
}
