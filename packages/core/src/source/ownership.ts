import { lstatSync, realpathSync, type BigIntStats } from 'node:fs'
import { dirname } from 'node:path'
import { ModelSealError, shown } from '../errors.ts'
import { unreadable } from './read-small-file.ts'

const GROUP_OR_OTHERS_WRITE = 0o022n
const STICKY = 0o1000n

/**
 * Why somebody else than root and this user could change what a file or directory holds. An access
 * control list shows in the bits of the group.
 *
 * @returns what was found, as a phrase; undefined where nobody else can
 */
export function othersMayWrite(stat: BigIntStats): string | undefined {
  const user = process.geteuid?.()
  if (user === undefined) return 'a system that has no owners and modes of files'
  if (stat.uid !== 0n && stat.uid !== BigInt(user)) return `a file of the user ${stat.uid}`
  if ((stat.mode & GROUP_OR_OTHERS_WRITE) !== 0n)
    return `the mode ${(stat.mode & 0o7777n).toString(8).padStart(4, '0')}`
  return undefined
}

/**
 * Refuses a directory that somebody else could put another one in place of: one above it is
 * another user's, or is writable by others and not sticky.
 *
 * @throws {@link ModelSealError} `ISOLATION_REFUSED`, `FILE_UNREADABLE`
 */
export function checkUnswappable(directory: string): void {
  try {
    let path = realpathSync(directory)
    do {
      path = dirname(path)
      const stat = lstatSync(path, { bigint: true })
      const fault = othersMayWrite(stat)
      const sticky = (stat.mode & STICKY) !== 0n && fault?.startsWith('the mode') === true
      if (fault !== undefined && !sticky && process.geteuid) throw unsafe(directory, path, fault)
    } while (path !== dirname(path))
  } catch (error) {
    throw error instanceof ModelSealError ? error : unreadable(directory, 'directory', error)
  }
}

function unsafe(directory: string, above: string, found: string): ModelSealError {
  return new ModelSealError('ISOLATION_REFUSED', `Other users could exchange the directory ${shown(directory)}.`, {
    file: directory,
    expected: `${shown(above)} to be root's or this user's, and not writable by others unless sticky`,
    found,
    hint: 'Use another directory (TMPDIR names that for temporary files), or change the mode of the one above it.',
  })
}
