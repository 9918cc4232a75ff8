import { lstat, mkdir } from 'node:fs/promises'
import { homedir } from 'node:os'
import { isAbsolute, join, resolve } from 'node:path'
import { ModelSealError, shown } from '../errors.ts'
import { othersMayWrite } from './ownership.ts'
import { errno } from './read-small-file.ts'

/**
 * Where things lie that can be had again: `MODELSEAL_CACHE`, else `modelseal` in the place for this
 * on the platform (`XDG_CACHE_HOME` of the XDG Base Directory Specification, `~/Library/Caches`, `%LOCALAPPDATA%`).
 */
export function cacheDirectory(): string {
  const { MODELSEAL_CACHE: given, XDG_CACHE_HOME: xdg, LOCALAPPDATA: local } = process.env
  if (given) return resolve(given)
  if (process.platform === 'win32') return join(local ?? join(homedir(), 'AppData', 'Local'), 'modelseal', 'Cache')
  if (process.platform === 'darwin') return join(homedir(), 'Library', 'Caches', 'modelseal')
  // The specification has relative paths ignored.
  return join(xdg && isAbsolute(xdg) ? xdg : join(homedir(), '.cache'), 'modelseal')
}

/**
 * Makes a directory for this user alone.
 *
 * @throws {@link ModelSealError} `CACHE_UNSAFE`, `FILE_WRITE_FAILED`
 */
export async function makePrivate(directory: string): Promise<void> {
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 })
  } catch (cause) {
    throw new ModelSealError(
      'FILE_WRITE_FAILED',
      `The directory ${shown(directory)} cannot be made (${errno(cause)}).`,
      { file: directory, hint: 'Name one that this user can make with MODELSEAL_CACHE.', cause },
    )
  }
  await checkPrivate(directory)
}

/**
 * Refuses a directory that somebody else could put files into; one that is not there is nobody's.
 *
 * @throws {@link ModelSealError} `CACHE_UNSAFE`
 */
export async function checkPrivate(directory: string): Promise<void> {
  const stat = await lstat(directory, { bigint: true }).catch(() => undefined)
  // Windows has no such bits; there the place itself is the user's own.
  if (!stat || !process.geteuid) return
  const found = stat.isDirectory() ? othersMayWrite(stat) : 'something that is no directory'
  if (found === undefined) return
  throw new ModelSealError('CACHE_UNSAFE', `Others could put files into the directory ${shown(directory)}.`, {
    file: directory,
    expected: 'a directory of this user, in which nobody else can write',
    found,
    hint: 'Give it the mode 700, or name another one with MODELSEAL_CACHE.',
  })
}
