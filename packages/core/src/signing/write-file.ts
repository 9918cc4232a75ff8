import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { access, open, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { ModelSealError, shown } from '../errors.ts'
import { errno } from '../source/read-small-file.ts'

/**
 * Writes a file whole or not at all: to a temporary file beside its place, synced, then renamed. A
 * symbolic link at that place is replaced, never followed.
 *
 * @throws {@link ModelSealError} `SIGNATURE_WRITE_FAILED`
 */
export async function writeFileWhole(path: string, bytes: Uint8Array): Promise<void> {
  const directory = dirname(path)
  const temporary = join(directory, `.${basename(path)}.${randomBytes(6).toString('hex')}.tmp`)
  try {
    const handle = await open(temporary, 'wx', 0o644)
    try {
      await handle.writeFile(bytes)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(temporary, path)
    await syncDirectory(directory)
  } catch (cause) {
    await rm(temporary, { force: true }).catch(() => {})
    throw writeFailed(path, cause)
  }
}

/**
 * Refuses a place that cannot be written to, before any work is done for what should go there.
 *
 * @throws {@link ModelSealError} `SIGNATURE_WRITE_FAILED`
 */
export async function checkPlace(path: string): Promise<void> {
  try {
    await access(dirname(path), constants.W_OK | constants.X_OK)
  } catch (cause) {
    throw writeFailed(path, cause)
  }
}

function writeFailed(path: string, cause: unknown): ModelSealError {
  return new ModelSealError(
    'SIGNATURE_WRITE_FAILED',
    `The bundle cannot be written to ${shown(path)} (${errno(cause)}).`,
    {
      file: path,
      hint: 'Check that the directory exists, that this user may write to it, and that the disk has room.',
      cause,
    },
  )
}

/** So that the new name survives a power cut; not every platform can. */
async function syncDirectory(path: string): Promise<void> {
  try {
    const handle = await open(path, 'r')
    await handle.sync().finally(() => handle.close())
  } catch {
    // The content is synced; the name will be, in the file system's own time.
  }
}
