import { codeOf } from '../../any-realm.ts'
import { shown } from '../../errors.ts'
import { denialRemedy } from './access-denied.ts'

/**
 * What helps where a private directory could not be made.
 *
 * @param place in which it was to be made
 */
export function directoryHint(cause: unknown, place: string): string {
  return `${remedyAnywhere(cause, place) ?? remedyIn(cause, place)}.`
}

/**
 * What helps where a file could not be written to a private directory.
 *
 * @param directory of the file
 */
export function copyHint(cause: unknown, directory: string): string {
  const removed = codeOf(cause) === 'ENOENT' ? REMOVED : undefined
  return `${remedyAnywhere(cause, directory) ?? removed ?? remedyIn(cause, directory)}.`
}

/**
 * What helps where another directory would not: a sentence without its full stop.
 *
 * @param cause of the operating system, or of Node.js
 * @returns undefined where another directory would help
 */
export function remedyAnywhere(cause: unknown, place?: string): string | undefined {
  const code = codeOf(cause)
  if (code === 'EMFILE') return 'Raise the number of files that this process may have open (ulimit -n), or close some'
  if (code === 'ENFILE') return 'Close files: the whole system has as many open as it allows'
  return denialRemedy(cause, place)
}

/** What helps against a limit of this process or user, whichever directories were tried: a sentence without its full stop. */
export function limitRemedy(cause: unknown): string | undefined {
  const code = codeOf(cause)
  if (code === 'EFBIG')
    return 'Raise the size that files of this process may have (ulimit -f), or set TMPDIR to a directory on a file system that takes larger files'
  if (code === 'EDQUOT')
    return 'Remove files of this user, whose disk quota is used up, or set TMPDIR to a directory on another file system'
  return undefined
}

const REMOVED = 'Something removed the private directory: have what cleans up temporary files leave "modelseal-*" alone'

function remedyIn(cause: unknown, place: string): string {
  const where = shown(place)
  switch (codeOf(cause)) {
    case 'ENOSPC':
      return `Free disk space on the file system of ${where}, or set TMPDIR to a directory with more room`
    case 'EDQUOT':
      return `Remove files of this user, whose quota on the file system of ${where} is used up, or set TMPDIR to a directory on another one`
    case 'EFBIG':
      return `Raise the size that files of this process may have (ulimit -f), or set TMPDIR to a directory on a file system that takes larger files than that of ${where}`
    case 'EROFS':
      return `Set TMPDIR to a directory on a file system that is not read-only, as that of ${where} is`
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
