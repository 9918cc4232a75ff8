import { shown } from '../../errors.ts'
import { systemCode } from '../file-errors.ts'
import { denialRemedy } from './access-denied.ts'

/**
 * The hint for a private directory that could not be created.
 *
 * @param place the directory in which it was to be created
 */
export function directoryHint(cause: unknown, place: string): string {
  return `${remedyAnywhere(cause, place) ?? remedyIn(cause, place)}.`
}

/**
 * The hint for a file that could not be written to a private directory.
 *
 * @param directory the directory of the file
 */
export function copyHint(cause: unknown, directory: string): string {
  const removed = systemCode(cause) === 'ENOENT' ? REMOVED : undefined
  return `${remedyAnywhere(cause, directory) ?? removed ?? remedyIn(cause, directory)}.`
}

/**
 * The remedy for an error that another directory would not fix, as a sentence without its full stop.
 *
 * @param cause error of the operating system or of Node.js
 * @returns undefined if another directory would help
 */
export function remedyAnywhere(cause: unknown, place?: string): string | undefined {
  const code = systemCode(cause)
  if (code === 'EMFILE') return 'Raise the number of files that this process may have open (ulimit -n), or close some'
  if (code === 'ENFILE') return 'Close files: the system has reached its limit of open files'
  return denialRemedy(cause, place)
}

/**
 * The remedy for a limit of this process or user that applies to all directories, as a sentence without its full stop.
 */
export function limitRemedy(cause: unknown): string | undefined {
  const code = systemCode(cause)
  if (code === 'EFBIG')
    return 'Raise the maximum file size of this process (ulimit -f), or set TMPDIR to a directory on a file system that allows larger files'
  if (code === 'EDQUOT')
    return 'Remove files of this user, whose disk quota is used up, or set TMPDIR to a directory on another file system'
  return undefined
}

const REMOVED =
  'Another program removed the private directory: exclude "modelseal-*" from the cleanup of temporary files'

function remedyIn(cause: unknown, place: string): string {
  const where = shown(place)
  switch (systemCode(cause)) {
    case 'ENOSPC':
      return `Free disk space on the file system of ${where}, or set TMPDIR to a directory with more room`
    case 'EDQUOT':
      return `Remove files of this user, whose quota on the file system of ${where} is used up, or set TMPDIR to a directory on another one`
    case 'EFBIG':
      return `Raise the maximum file size of this process (ulimit -f), or set TMPDIR to a directory on a file system that allows larger files than that of ${where}`
    case 'EROFS':
      return `Set TMPDIR to a directory on a file system that is not read-only, unlike that of ${where}`
    case 'EACCES':
    case 'EPERM':
      return `Let this user write to ${where}, or set TMPDIR to a directory where it may`
    case 'ENOENT':
    case 'ENOTDIR':
      return `Create the directory ${where}, or set TMPDIR to one that exists`
    default:
      return 'Set TMPDIR to another directory that this user can write to'
  }
}
