import { existsSync, statSync } from 'node:fs'
import { chmod, cp, mkdir, readdir, rename, rm, rmdir } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { absolutePath } from '../../absolute-path.ts'
import { ModelSealError, shown } from '../../errors.ts'
import { errno, systemCode } from '../../source/file-errors.ts'
import { localPlace } from '../../source/local/local-source.ts'
import { realPathIfAny } from '../../source/local/real-path.ts'
import { denialHint } from '../../source/private/access-denied.ts'
import { foreignIn, inTheWay } from './put-back.ts'
import { checkReplaceable, destinationRefused } from './replaceable.ts'
import { moveEntries, Staging } from './staging.ts'
import { staysInPlace } from './stays-in-place.ts'

/** In the destination itself, if that cannot be renamed. */
const INSIDE = '.modelseal-pull'
/** Entries that say nothing about whose directory it is, and stay in it. */
const HARMLESS: ReadonlySet<string> = new Set([INSIDE, 'lost+found'])

/**
 * The directory that a model is pulled to. The new model is prepared beside it and then takes its place, by renaming. A
 * directory that cannot be renamed, such as a mounted volume, keeps its place: the model is prepared in it, and its
 * entries are renamed.
 */
export class Destination {
  /** Absolute, without links. */
  readonly path: string
  readonly #staging: Staging
  readonly #isInside: boolean
  /** The first directory that was created above it. */
  readonly #created: string | undefined
  /** False while a killed process may have put it aside, and once {@link place} has begun. */
  #isOldInPlace = false

  /**
   * Checks the directory, and prepares to replace it. What a killed process left is put in order first.
   *
   * @param force replaces a directory that is not a model as well
   * @throws {@link ModelSealError} `DESTINATION_REFUSED`, `FILE_WRITE_FAILED`
   */
  static async at(directory: string, force: boolean): Promise<Destination> {
    const path = placeOf(directory)
    return orWriteFailed(path, async () => {
      if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === false)
        throw destinationRefused(
          path,
          'something other than a directory',
          'Give another path, or remove what is there.',
        )
      const created = await mkdir(dirname(path), { recursive: true })
      try {
        const isInside = await staysInPlace(path)
        const root = isInside ? join(path, INSIDE) : join(dirname(path), `.${basename(path)}${INSIDE}`)
        const staging = await Staging.at(root, path)
        const destination = new Destination({ path, staging, isInside, created })
        try {
          await destination.#recover()
          if (!force) await checkReplaceable(path, HARMLESS)
        } catch (error) {
          await destination.discard()
          throw error
        }
        return destination
      } catch (error) {
        await removeEmpty(created, dirname(path))
        throw error
      }
    })
  }

  private constructor(at: { path: string; staging: Staging; isInside: boolean; created: string | undefined }) {
    this.path = at.path
    this.#staging = at.staging
    this.#isInside = at.isInside
    this.#created = at.created
  }

  /**
   * Prepares the new model. If it cannot be written to what a killed process left, that is removed.
   *
   * @param work writes the model into the directory that it is given, which has the mode 0700
   */
  async prepare<T>(work: (directory: string) => Promise<T>): Promise<T> {
    const { files, isTakenOver } = this.#staging
    try {
      return await work(files)
    } catch (error) {
      if (!isTakenOver || !(error instanceof ModelSealError) || error.code !== 'FILE_WRITE_FAILED') throw error
      await this.#staging.clear()
      return work(files)
    }
  }

  /**
   * Puts the new model in place. The old one is kept until {@link finish}.
   *
   * @throws {@link ModelSealError} `FILE_WRITE_FAILED`; the old model is in place again
   */
  async place(): Promise<void> {
    await orWriteFailed(this.path, async () => {
      await chmod(this.#staging.files, await this.#mode())
      this.#isOldInPlace = false
      try {
        if (this.#isInside) await this.#placeEntries()
        else await this.#placeDirectory()
      } catch (error) {
        // discard() says if this fails.
        await this.#undo().catch(() => {})
        throw error
      }
    })
  }

  /** Removes the old model. */
  async finish(): Promise<void> {
    // The new model is in place, and the next pull removes what is left.
    await this.#staging.remove().catch(() => {})
  }

  /**
   * Puts the old model back, and removes what was prepared.
   *
   * @throws {@link ModelSealError} `FILE_WRITE_FAILED` or `DESTINATION_REFUSED` if the old model could not be put back;
   * then it is kept
   */
  async discard(): Promise<void> {
    try {
      if (!this.#isOldInPlace) await this.#undo()
    } catch (cause) {
      this.#staging.leave()
      throw cause instanceof ModelSealError ? cause : notPutBack(this.path, this.#staging.path, cause)
    }
    await this.#staging.remove().catch(() => {})
    await removeEmpty(this.#created, dirname(this.path))
  }

  async #placeDirectory(): Promise<void> {
    const { aside, files } = this.#staging
    if (existsSync(this.path)) await this.#putAside(aside)
    await rename(files, this.path)
  }

  /** A directory of a lower layer of a container cannot be renamed, but copied and removed. */
  async #putAside(aside: string): Promise<void> {
    const { leaving } = this.#staging
    try {
      await rename(this.path, aside)
    } catch (error) {
      if (systemCode(error) !== 'EXDEV') throw error
      await cp(this.path, leaving, { recursive: true, verbatimSymlinks: true, preserveTimestamps: true })
      await rename(leaving, aside)
      await rm(this.path, { recursive: true })
    }
  }

  async #placeEntries(): Promise<void> {
    const { leaving, aside, files } = this.#staging
    await mkdir(leaving)
    await moveEntries(this.path, leaving, HARMLESS)
    const names = await readdir(files)
    await this.#staging.notePlacing(names)
    // From now on, what is in the destination under these names is new.
    await rename(leaving, aside)
    // Without its bundle, a model that is only partly in place is not loaded.
    const last = names.filter((name) => name.endsWith('.sig'))
    for (const name of [...names.filter((each) => !last.includes(each)), ...last])
      await rename(join(files, name), join(this.path, name))
  }

  /** Puts the old model back where it was. Does nothing if it is there. */
  async #undo(): Promise<void> {
    const { aside, files } = this.#staging
    if (this.#isInside) await this.#undoEntries()
    else {
      // It is gone only if it is the new model, at the destination.
      if (!existsSync(files)) await rename(this.path, files)
      if (existsSync(aside)) await this.#putBack(aside)
    }
  }

  /** The old model was copied aside, and what is left of it in its place was being removed. */
  async #putBack(aside: string): Promise<void> {
    const foreign = existsSync(this.path) ? await foreignIn(this.path, aside) : undefined
    if (foreign !== undefined) throw inTheWay(this.path, foreign, aside)
    await rm(this.path, { recursive: true, force: true })
    await rename(aside, this.path)
  }

  async #undoEntries(): Promise<void> {
    const { leaving, aside, files } = this.#staging
    if (existsSync(aside)) {
      for (const name of await this.#staging.placing())
        if (!existsSync(join(files, name)) && existsSync(join(this.path, name)))
          await rename(join(this.path, name), join(files, name))
      // From now on, what is in the destination is old. A killed process must not have mixed them up.
      await rename(aside, leaving)
    }
    if (!existsSync(leaving)) return
    const taken = (await readdir(leaving)).find((name) => existsSync(join(this.path, name)))
    if (taken !== undefined) throw inTheWay(this.path, taken, leaving)
    await moveEntries(leaving, this.path, HARMLESS)
    await rmdir(leaving)
  }

  /** Ends what a killed process began: the old model is put back, unless the new one is completely in place. */
  async #recover(): Promise<void> {
    const { aside, leaving, files } = this.#staging
    const isComplete = this.#isInside && (await readdir(files)).length === 0
    if (isComplete) await rm(aside, { recursive: true, force: true })
    // Elsewhere, it is the beginning of a copy.
    if (!this.#isInside) await rm(leaving, { recursive: true, force: true })
    if (this.#isInside) await this.#undoEntries()
    else if (existsSync(aside)) await this.#putBack(aside)
    this.#isOldInPlace = true
  }

  /** The mode of the directory that is replaced, or that of a new one. */
  async #mode(): Promise<number> {
    const stat = statSync(this.path, { throwIfNoEntry: false })
    if (stat) return stat.mode & 0o7777
    // The file creation mask shows in a new directory.
    const { sample } = this.#staging
    await mkdir(sample)
    try {
      return statSync(sample).mode & 0o7777
    } finally {
      await rmdir(sample)
    }
  }
}

/** The absolute path of a directory that exists or will be created, without links. */
export function placeOf(directory: string): string {
  const path = absolutePath(directory)
  return existsSync(path) ? realPathIfAny(path) : localPlace(path)
}

function notPutBack(path: string, kept: string, cause: unknown): ModelSealError {
  return new ModelSealError('FILE_WRITE_FAILED', `Cannot put the old model back to ${shown(path)}: ${errno(cause)}.`, {
    file: path,
    hint: `It is in ${shown(kept)} until the next pull to this directory.`,
    cause,
  })
}

async function orWriteFailed<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    if (cause instanceof ModelSealError) throw cause
    throw new ModelSealError('FILE_WRITE_FAILED', `Cannot write the model to ${shown(path)}: ${errno(cause)}.`, {
      file: path,
      hint:
        denialHint(cause, dirname(path)) ??
        'Check that this user may write to the directory and to the one above it, and that the disk is not full.',
      cause,
    })
  }
}

/** Removes directories that were created for nothing, from the lowest one up. */
async function removeEmpty(first: string | undefined, last: string): Promise<void> {
  if (first === undefined) return
  for (let path = last; path.length >= first.length; path = dirname(path)) await rmdir(path).catch(() => {})
}
