import { mkdirSync } from 'node:fs'
import { mkdtemp, rm, rmdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { ModelSealError, shown } from '../../errors.ts'
import { removeAbandoned } from './abandoned.ts'
import { directoryHint } from './copy-failure.ts'
import { keepBeyondProcess, removeWithProcess } from './departure.ts'
import { checkPrivate } from './ownership.ts'
import { errno } from '../file-errors.ts'
import { realPlace } from '../local/real-path.ts'
import { showLife, type SignOfLife } from './sign-of-life.ts'

/** A directory that only this user can enter. */
export interface PrivateDirectory {
  /** Path for files: absolute, without links. */
  readonly files: string
  /**
   * Removes the directory and everything in it.
   *
   * @throws {@link ModelSealError} `COPY_FAILED` if something could not be removed
   */
  readonly remove: () => Promise<void>
}

/** The beginning of every private directory's name. */
const PREFIX = 'modelseal-'

/**
 * Creates a directory that only this user can enter (mode 0700). If it is not removed earlier, it is removed when the
 * process exits, or is ended by a signal that can be handled. What a killed process leaves behind is removed by the
 * next process that makes a directory in the same place.
 *
 * @param place path of the directory in which it is created. Default: the directory for temporary files
 * @throws {@link ModelSealError} `COPY_FAILED`, `ISOLATION_REFUSED`, `FILE_UNREADABLE`
 */
export async function makePrivateDirectory(place = tmpdir()): Promise<PrivateDirectory> {
  const root = await makeDirectory(place)
  try {
    checkPrivate(root)
  } catch (error) {
    // Removed only if empty: someone who can replace it could have put another directory of this user here.
    await rmdir(root).catch(() => {})
    throw error
  }
  removeWithProcess(root)
  let life: SignOfLife | undefined
  try {
    life = await showLife(root)
    // Separate from the sign of life, because a runtime must find only signed files.
    const files = join(root, 'files')
    mkdirSync(files, { mode: 0o700 })
    // Runs beside the load. remove() waits for it, because a short-lived process would rarely reach its end.
    const looking = removeAbandoned(dirname(root))
    const remove = async () => {
      await removePrivateDirectory(root, life)
      await looking
    }
    return { files, remove }
  } catch (cause) {
    await removePrivateDirectory(root, life).catch(() => {})
    throw notMade(place, cause)
  }
}

async function makeDirectory(place: string): Promise<string> {
  try {
    // Links are followed now and never again, and the path does not change with the working directory.
    return await mkdtemp(join(realPlace(resolve(place)).path, PREFIX))
  } catch (cause) {
    throw notMade(place, cause)
  }
}

function notMade(place: string, cause: unknown): ModelSealError {
  return new ModelSealError('COPY_FAILED', `Cannot create a private directory in ${shown(place)}: ${errno(cause)}.`, {
    file: place,
    hint: directoryHint(cause, place),
    cause,
  })
}

async function removePrivateDirectory(root: string, life: SignOfLife | undefined): Promise<void> {
  try {
    await rm(root, { recursive: true, force: true, maxRetries: 2 })
  } catch (cause) {
    throw new ModelSealError('COPY_FAILED', `Cannot remove the private directory ${shown(root)}: ${errno(cause)}.`, {
      file: root,
      hint: 'Remove it manually.',
      cause,
    })
  }
  // Last: while anything is left, no other process may consider the directory abandoned.
  life?.end()
  keepBeyondProcess(root)
}
