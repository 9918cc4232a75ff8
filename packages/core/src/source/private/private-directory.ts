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
  /** Absolute and without links: where files go. */
  readonly files: string
  /**
   * Removes the directory with all that lies in it.
   *
   * @throws {@link ModelSealError} `COPY_FAILED` where something is left over
   */
  readonly remove: () => Promise<void>
}

/** The beginning of every private directory's name. */
export const PREFIX = 'modelseal-'

/**
 * Makes a directory that only this user can enter (mode 0700). If it is not removed earlier, it is removed when the process
 * exits, or is ended by a signal that can be handled. What a killed process leaves behind is removed by the next process
 * that makes a directory in the same place.
 *
 * @param place in which it is made: a path. Default: the directory for temporary files
 * @throws {@link ModelSealError} `COPY_FAILED`, `ISOLATION_REFUSED`, `FILE_UNREADABLE`
 */
export async function makePrivateDirectory(place = tmpdir()): Promise<PrivateDirectory> {
  const root = await makeDirectory(place)
  try {
    checkPrivate(root)
  } catch (error) {
    // Only while it is empty: who can exchange it could have put a directory of this user's here.
    await rmdir(root).catch(() => {})
    throw error
  }
  removeWithProcess(root)
  let life: SignOfLife | undefined
  try {
    life = await showLife(root)
    // Separate from the sign of life: a runtime must find nothing but signed files.
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
    // Its links are followed now and never again, and it stays what it is when the process goes elsewhere.
    return await mkdtemp(join(realPlace(resolve(place)).path, PREFIX))
  } catch (cause) {
    throw notMade(place, cause)
  }
}

function notMade(place: string, cause: unknown): ModelSealError {
  return new ModelSealError('COPY_FAILED', `Cannot make a private directory in ${shown(place)} (${errno(cause)}).`, {
    file: place,
    hint: directoryHint(cause, place),
    cause,
  })
}

async function removePrivateDirectory(root: string, life: SignOfLife | undefined): Promise<void> {
  try {
    await rm(root, { recursive: true, force: true, maxRetries: 2 })
  } catch (cause) {
    throw new ModelSealError('COPY_FAILED', `Cannot remove the private directory ${shown(root)} (${errno(cause)}).`, {
      file: root,
      hint: 'Remove it by hand.',
      cause,
    })
  }
  // Last: as long as anything is left, no other process may take the directory for abandoned.
  life?.end()
  keepBeyondProcess(root)
}
