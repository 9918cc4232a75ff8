import { rmSync } from 'node:fs'
import { mkdtemp, rm, rmdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { ModelSealError, shown } from '../errors.ts'
import { checkPrivate } from './ownership.ts'
import { errno } from './read-small-file.ts'
import { realPlace } from './real-path.ts'

const remaining = new Set<string>()

/**
 * Makes a directory that only this user can enter (mode 0700), below the one for temporary files.
 * It goes with {@link removePrivateDirectory}, at the latest when the process exits.
 *
 * @throws {@link ModelSealError} `COPY_FAILED`, `ISOLATION_REFUSED`, `FILE_UNREADABLE`
 */
export async function makePrivateDirectory(): Promise<string> {
  const path = await makeDirectory()
  try {
    checkPrivate(path)
  } catch (error) {
    // Only while it is empty: who can exchange it could have put a directory of this user's here.
    await rmdir(path).catch(() => {})
    throw error
  }
  if (remaining.size === 0) process.on('exit', removeRemaining)
  remaining.add(path)
  return path
}

async function makeDirectory(): Promise<string> {
  try {
    // Its links are followed now and never again, and it stays what it is when the process goes elsewhere.
    return await mkdtemp(join(realPlace(resolve(tmpdir())).path, 'modelseal-'))
  } catch (cause) {
    throw new ModelSealError('COPY_FAILED', `No private directory can be made (${errno(cause)}).`, {
      file: tmpdir(),
      hint: 'Set TMPDIR to a directory that this user can write to.',
      cause,
    })
  }
}

/** @throws {@link ModelSealError} `COPY_FAILED` where something is left over */
export async function removePrivateDirectory(path: string): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true, maxRetries: 2 })
  } catch (cause) {
    throw new ModelSealError(
      'COPY_FAILED',
      `The private directory ${shown(path)} cannot be removed (${errno(cause)}).`,
      {
        file: path,
        hint: 'Remove it by hand.',
        cause,
      },
    )
  }
  remaining.delete(path)
  if (remaining.size === 0) process.off('exit', removeRemaining)
}

function removeRemaining(): void {
  for (const path of remaining) {
    try {
      rmSync(path, { recursive: true, force: true })
    } catch {
      // The process is ending; nobody is left to tell.
    }
  }
}
