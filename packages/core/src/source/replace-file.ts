import { open, readFile, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { codeOf } from '../any-realm.ts'
import { sleep, wallClock } from '../real-time.ts'
import { writeFailed, writeFileWhole, type WholeFile } from './write-file.ts'

/** Replacing a file takes milliseconds, so whoever left this lock behind so long ago was killed; in milliseconds. */
const ABANDONED = 30_000
/** Between two attempts to get the lock, in milliseconds. */
const PAUSE = 15

/**
 * Replaces a file, unless another program has changed it since it was read. Programs that replace it by this function take turns, by a
 * lock file beside it.
 *
 * @param before what was read; undefined if there was no file
 * @returns false if it was changed; it stays as it is
 * @throws {@link ModelSealError} with the code in `file`
 */
export async function replaceUnlessChanged(
  path: string,
  bytes: Uint8Array,
  before: Uint8Array | undefined,
  file: WholeFile,
): Promise<boolean> {
  const mayReplace = async () => {
    const now = await readIfThere(path)
    return before === undefined || now === undefined ? before === now : now.equals(before)
  }
  const lock = join(dirname(path), `.${basename(path)}.lock`)
  try {
    await locked(lock)
  } catch (cause) {
    throw writeFailed(path, file, cause)
  }
  try {
    return await writeFileWhole(path, bytes, { ...file, mayReplace })
  } finally {
    await rm(lock, { force: true })
  }
}

async function locked(lock: string): Promise<void> {
  for (;;) {
    try {
      const handle = await open(lock, 'wx', 0o600)
      await handle.close()
      return
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') throw error
      const since = await stat(lock).catch(() => undefined)
      // A lock from the future was made with another clock.
      if (since && Math.abs(wallClock() - since.mtimeMs) > ABANDONED) await rm(lock, { force: true })
      else await sleep(PAUSE)
    }
  }
}

async function readIfThere(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  }
}
