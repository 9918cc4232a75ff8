import { mkdirSync, statSync } from 'node:fs'
import { lstat } from 'node:fs/promises'
import { dirname, isAbsolute, join } from 'node:path'
import { environment } from '../../environment.ts'
import { ModelSealError, shown } from '../../errors.ts'
import { denialHint } from './access-denied.ts'
import { othersMayWrite } from './ownership.ts'
import { errno } from '../file-errors.ts'

/**
 * The cache folder for one kind of data: in `MODELSEAL_CACHE`, or else in `modelseal` in the platform's cache directory
 * (`XDG_CACHE_HOME` of the XDG Base Directory Specification, `~/Library/Caches`, `%LOCALAPPDATA%`).
 *
 * @returns its absolute path; undefined if the user has no home directory, as in many containers
 */
export function cacheFolder(kind: string): string | undefined {
  const directory = cacheDirectory()
  return directory && join(directory, kind)
}

/**
 * Creates the cache folder, private to this user, unless it exists.
 *
 * @throws {@link ModelSealError} `CACHE_UNSAFE`, `FILE_WRITE_FAILED`
 */
export async function makeCacheFolder(kind: string): Promise<string> {
  const directory = cacheDirectory()
  if (directory === undefined)
    throw new ModelSealError(
      'FILE_WRITE_FAILED',
      'Cannot determine the cache directory: this user has no home directory.',
      {
        hint: NAME_ONE,
      },
    )
  const folder = join(directory, kind)
  for (const path of [directory, folder]) {
    try {
      makeDirectories(path)
    } catch (cause) {
      throw new ModelSealError('FILE_WRITE_FAILED', `Cannot create the directory ${shown(path)}: ${errno(cause)}.`, {
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
 * Creates a directory and its missing parents, private to this user. Does not use `recursive`: if a parent accepts no
 * directories, as in /proc, Node.js never returns (v22.23.3).
 *
 * @throws the error of the operating system
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
 * Refuses the cache folder if other users could put files into it. A missing one is fine.
 *
 * @throws {@link ModelSealError} `CACHE_UNSAFE`
 */
export async function checkCacheFolder(kind: string): Promise<void> {
  const directory = cacheDirectory()
  if (directory === undefined) return
  await checkUnwritable(directory)
  await checkUnwritable(join(directory, kind))
}

const NAME_ONE = 'Set MODELSEAL_CACHE to a directory that this user can create.'

function cacheDirectory(): string | undefined {
  const { variables, home } = environment()
  const { MODELSEAL_CACHE: given, XDG_CACHE_HOME: xdg, LOCALAPPDATA: local } = variables
  if (given !== undefined) return given
  if (process.platform === 'win32') {
    const data = local ?? (home && join(home, 'AppData', 'Local'))
    return data && join(data, 'modelseal', 'Cache')
  }
  if (process.platform === 'darwin') return home && join(home, 'Library', 'Caches', 'modelseal')
  // The specification requires relative paths to be ignored.
  if (xdg && isAbsolute(xdg)) return join(xdg, 'modelseal')
  return home && join(home, '.cache', 'modelseal')
}

async function checkUnwritable(directory: string): Promise<void> {
  const stat = await lstat(directory, { bigint: true }).catch(() => undefined)
  // Windows has no such permission bits; there, the location itself belongs to the user.
  if (!stat || !process.geteuid) return
  const found = stat.isDirectory() ? othersMayWrite(stat) : 'something other than a directory'
  if (found === undefined) return
  throw new ModelSealError(
    'CACHE_UNSAFE',
    `Cannot use the directory ${shown(directory)}: other users could put files into it.`,
    {
      file: directory,
      expected: 'a directory of this user that nobody else can write to',
      found,
      hint: 'Change its mode to 700, or set MODELSEAL_CACHE to another directory.',
    },
  )
}
