import { mkdirSync, statSync } from 'node:fs'
import { lstat } from 'node:fs/promises'
import { dirname, isAbsolute, join } from 'node:path'
import { environment } from '../../environment.ts'
import { ModelSealError, shown } from '../../errors.ts'
import { denialHint } from './access-denied.ts'
import { othersMayWrite } from './ownership.ts'
import { errno } from '../file-errors.ts'

/**
 * Where things of one kind lie that can be had again: below `MODELSEAL_CACHE`, else below `modelseal` in the place for
 * this on the platform (`XDG_CACHE_HOME` of the XDG Base Directory Specification, `~/Library/Caches`, `%LOCALAPPDATA%`).
 *
 * @returns its absolute path; undefined for a user who has no home directory, as in many containers
 */
export function cacheFolder(kind: string): string | undefined {
  const directory = cacheDirectory()
  return directory && join(directory, kind)
}

/**
 * Makes such a folder for this user alone, where there is none.
 *
 * @throws {@link ModelSealError} `CACHE_UNSAFE`, `FILE_WRITE_FAILED`
 */
export async function makeCacheFolder(kind: string): Promise<string> {
  const directory = cacheDirectory()
  if (directory === undefined)
    throw new ModelSealError('FILE_WRITE_FAILED', 'There is no cache directory, for this user has no home directory.', {
      hint: NAME_ONE,
    })
  const folder = join(directory, kind)
  for (const path of [directory, folder]) {
    try {
      makeDirectories(path)
    } catch (cause) {
      throw new ModelSealError('FILE_WRITE_FAILED', `The directory ${shown(path)} cannot be made (${errno(cause)}).`, {
        file: path,
        hint: denialHint(cause, path) ?? NAME_ONE,
        cause,
      })
    }
    await checkUnwritable(path)
  }
  return folder
}

/**
 * Makes a directory, and those above it that are missing, for this user alone. Not by `recursive`: where a parent
 * takes no directories, as in /proc, Node never ends trying (v22.23.3).
 *
 * @throws the operating system's error
 */
export function makeDirectories(path: string): void {
  if (statSync(path, { throwIfNoEntry: false })) return
  makeDirectories(dirname(path))
  try {
    mkdirSync(path, { mode: 0o700 })
  } catch (error) {
    if (errno(error) !== 'EEXIST') throw error
  }
}

/**
 * Refuses such a folder where somebody else could put files into it; one that is not there is nobody's.
 *
 * @throws {@link ModelSealError} `CACHE_UNSAFE`
 */
export async function checkCacheFolder(kind: string): Promise<void> {
  const directory = cacheDirectory()
  if (directory === undefined) return
  await checkUnwritable(directory)
  await checkUnwritable(join(directory, kind))
}

const NAME_ONE = 'Name one that this user can make with MODELSEAL_CACHE.'

function cacheDirectory(): string | undefined {
  const { variables, home } = environment()
  const { MODELSEAL_CACHE: given, XDG_CACHE_HOME: xdg, LOCALAPPDATA: local } = variables
  if (given !== undefined) return given
  if (process.platform === 'win32') {
    const data = local ?? (home && join(home, 'AppData', 'Local'))
    return data && join(data, 'modelseal', 'Cache')
  }
  if (process.platform === 'darwin') return home && join(home, 'Library', 'Caches', 'modelseal')
  // The specification has relative paths ignored.
  if (xdg && isAbsolute(xdg)) return join(xdg, 'modelseal')
  return home && join(home, '.cache', 'modelseal')
}

async function checkUnwritable(directory: string): Promise<void> {
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
