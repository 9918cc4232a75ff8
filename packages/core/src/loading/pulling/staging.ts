import { existsSync, lstatSync, mkdirSync } from 'node:fs'
import { readdir, readFile, rename, rm, rmdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ModelSealError, shown } from '../../errors.ts'
import { isOwn } from '../../source/private/ownership.ts'
import { claimDirectory, type SignOfLife } from '../../source/private/sign-of-life.ts'

/** Name of the file that shows that a process uses the directory. */
const ALIVE = 'alive'

/** The directory in which one pull prepares a model, on the file system of its destination. */
export class Staging {
  readonly path: string
  /** True if there may be files of a killed process. */
  readonly isTakenOver: boolean
  readonly #life: SignOfLife | undefined

  /**
   * Makes the directory, or takes over the one that a killed process left.
   *
   * @throws {@link ModelSealError} `DESTINATION_REFUSED` if another pull to the same destination is running, or something
   * else has this name; an error of the operating system
   */
  static async at(path: string, destination: string): Promise<Staging> {
    checkFree(path, destination)
    mkdirSync(path, { recursive: true, mode: 0o700 })
    const life = await claimDirectory(path)
    if (life === false) throw taken(path, destination, RUNNING)
    try {
      const files = join(path, 'files')
      const isTakenOver = existsSync(files)
      // A model that was placed took its files along. The old one is removed before there are files again, so that a
      // process that is killed meanwhile leaves no doubt.
      if (!isTakenOver) await rm(join(path, 'aside'), { recursive: true, force: true })
      mkdirSync(files, { recursive: true, mode: 0o700 })
      return new Staging(path, life, isTakenOver)
    } catch (error) {
      life?.end()
      throw error
    }
  }

  private constructor(path: string, life: SignOfLife | undefined, isTakenOver: boolean) {
    this.path = path
    this.#life = life
    this.isTakenOver = isTakenOver
  }

  /** Where the new model is prepared. */
  get files(): string {
    return join(this.path, 'files')
  }

  /** Where the old model is while the new one takes its place. */
  get aside(): string {
    return join(this.path, 'aside')
  }

  /** The old entries, as long as not all of them are aside. */
  get leaving(): string {
    return join(this.path, 'leaving')
  }

  /** For a directory that only shows which mode new ones get. */
  get sample(): string {
    return join(this.path, 'sample')
  }

  /** Records the names of the new entries that are about to be put in place one by one. */
  async notePlacing(names: readonly string[]): Promise<void> {
    await writeFile(this.#record, JSON.stringify(names))
  }

  /** The recorded names. */
  async placing(): Promise<readonly string[]> {
    try {
      return JSON.parse(await readFile(this.#record, 'utf8')) as string[]
    } catch {
      return []
    }
  }

  get #record(): string {
    return join(this.path, 'placing')
  }

  /** Removes the files of a killed process. */
  async clear(): Promise<void> {
    await rm(this.files, { recursive: true, force: true })
    mkdirSync(this.files, { mode: 0o700 })
  }

  /** Leaves the directory to the next pull. */
  leave(): void {
    this.#life?.end()
  }

  /** The sign of life goes last: until then, nobody else uses the directory. */
  async remove(): Promise<void> {
    try {
      for (const name of await readdir(this.path))
        if (name !== ALIVE) await rm(join(this.path, name), { recursive: true, force: true, maxRetries: 2 })
      await rm(join(this.path, ALIVE), { force: true })
      // Fails if another pull has begun there.
      await rmdir(this.path)
    } finally {
      this.#life?.end()
    }
  }
}

const RUNNING = 'another pull to the same directory that is still running'

function checkFree(path: string, destination: string): void {
  const stat = lstatSync(path, { bigint: true, throwIfNoEntry: false })
  if (!stat) return
  if (!stat.isDirectory()) throw taken(path, destination, `something other than a directory at ${shown(path)}`)
  if (process.geteuid && !isOwn(stat)) throw taken(path, destination, `a directory of another user at ${shown(path)}`)
}

function taken(path: string, destination: string, found: string): ModelSealError {
  return new ModelSealError('DESTINATION_REFUSED', `Cannot pull a model to ${shown(destination)}.`, {
    file: destination,
    found,
    hint: `Wait until it has ended, or remove ${shown(path)} if no pull is running.`,
  })
}

/** Moves the entries of a directory into another one. */
export async function moveEntries(from: string, to: string, except: ReadonlySet<string>): Promise<void> {
  for (const name of await readdir(from)) if (!except.has(name)) await rename(join(from, name), join(to, name))
}
