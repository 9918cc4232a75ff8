import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readlinkSync,
  realpathSync,
  type BigIntStats,
} from 'node:fs'
import { procFile } from '../proc-file.ts'
import { READ_ONLY } from '../read-small-file.ts'
import { errno, isGone, unreadable } from '../file-errors.ts'
import { changed, identityOf, type FileIdentity, type FoundFile, type SourceFile } from './source-file.ts'

/**
 * Opens a listed file for reading, without following a link at its last component or waiting on a FIFO.
 *
 * @returns the descriptor, which the caller must close
 * @throws {@link ModelSealError} `FILE_CHANGED`, `FILE_UNREADABLE`
 */
export function openListed(file: FoundFile): number {
  try {
    return openSync(file.path, READ_ONLY | constants.O_NOFOLLOW)
  } catch (error) {
    if (errno(error) === 'ELOOP') throw changed(file, 'it became a symbolic link')
    if (isGone(error)) throw changed(file, 'it disappeared')
    throw unreadable(file.name, 'file', error)
  }
}

/**
 * Where a listed file is, whatever its path leads to at this moment.
 *
 * @returns an absolute path without links
 * @throws {@link ModelSealError} `FILE_CHANGED`, `FILE_UNREADABLE`
 */
export function realPathOf(file: SourceFile): string {
  const fd = openListed(file)
  try {
    checkUnchanged(file, fd)
    return process.platform === 'linux' ? readlinkSync(procFile(`self/fd/${fd}`)) : realpathSync.native(file.path)
  } catch (error) {
    throw isGone(error) ? changed(file, 'it disappeared') : error
  } finally {
    closeSync(fd)
  }
}

/**
 * Refuses a file whose directory is not the one in which it was found. Renaming a directory does not change the state
 * of the files in it.
 *
 * @throws {@link ModelSealError} `FILE_CHANGED`, `FILE_UNREADABLE`
 */
export function checkDirectory(file: FoundFile): void {
  if (!file.directory) return
  const { path, dev, ino } = file.directory
  try {
    const now = lstatSync(path, { bigint: true })
    if (now.dev === dev && now.ino === ino) return
  } catch (error) {
    if (!isGone(error) && errno(error) !== 'ELOOP') throw unreadable(path, 'directory', error)
  }
  throw changed(file, 'its directory was replaced by another one')
}

/**
 * Refuses a file that is not the one that was listed.
 *
 * @throws {@link ModelSealError} `FILE_CHANGED`
 */
export function checkUnchanged(file: SourceFile, fd: number): BigIntStats {
  const stat = fstatSync(fd, { bigint: true })
  if (!stat.isFile()) throw changed(file, 'it is no longer a regular file')
  const now = identityOf(stat)
  const was = file.identity
  checkField(file, 'dev', was.dev, now.dev)
  checkField(file, 'ino', was.ino, now.ino)
  checkField(file, 'size', was.size, now.size)
  checkField(file, 'mtimeNs', was.mtimeNs, now.mtimeNs)
  checkField(file, 'ctimeNs', was.ctimeNs, now.ctimeNs)
  return stat
}

function checkField<T extends bigint | number>(file: SourceFile, field: keyof FileIdentity, was: T, now: T): void {
  if (now !== was) throw changed(file, `its ${field} changed from ${was} to ${now}`)
}
