import { lstatSync, type BigIntStats } from 'node:fs'
import { dirname } from 'node:path'
import { ModelSealError, shown } from '../../errors.ts'
import { unreadable } from '../file-errors.ts'
import { isAnybody } from './user-namespace.ts'

const GROUP_OR_OTHERS_WRITE = 0o022
const STICKY = 0o1000n

/**
 * Why users other than root and this one could change a file or directory. Access control lists show in the group bits.
 *
 * @returns the owner or mode, as a phrase; undefined if nobody else can
 */
export function othersMayWrite(stat: BigIntStats): string | undefined {
  if (!HAS_OWNERS) return 'a system without file owners and modes'
  return ownerFault(stat) ?? modeFault(stat)
}

const HAS_OWNERS = process.geteuid !== undefined

/** True for root and this user, if the id certainly belongs to them. */
export function isTrustedOwner(uid: bigint): boolean {
  return (uid === 0n || uid === BigInt(process.geteuid?.() ?? 0)) && !isAnybody(uid)
}

/** True if a file belongs to this user, and not to another user that is shown under the same id. */
export function isOwn({ uid }: Pick<BigIntStats, 'uid'>): boolean {
  return process.geteuid !== undefined && uid === BigInt(process.geteuid()) && !isAnybody(uid)
}

/** A user, for messages. */
export function userText(uid: bigint): string {
  return isAnybody(uid) ? `${uid} (any user that this user namespace does not map)` : `${uid}`
}

function ownerFault({ uid }: BigIntStats): string | undefined {
  return isTrustedOwner(uid) ? undefined : `a file of the user ${userText(uid)}`
}

function modeFault(stat: BigIntStats): string | undefined {
  return (Number(stat.mode) & GROUP_OR_OTHERS_WRITE) === 0 ? undefined : modeOf(stat)
}

function modeOf(stat: BigIntStats): string {
  return `the mode ${octalMode(stat)}`
}

/** The permissions of a file as `chmod` takes them, for messages. */
export function octalMode({ mode }: BigIntStats): string {
  return (mode & 0o7777n).toString(8).padStart(4, '0')
}

/**
 * Refuses a directory that is not private to this user, or that another user could replace because a directory above it
 * belongs to that user, or is writable by others and not sticky. On systems without file owners and modes, nothing is
 * refused.
 *
 * @param directory path without links, so that the directory that is checked is the one that will be opened
 * @throws {@link ModelSealError} `ISOLATION_REFUSED`, `FILE_UNREADABLE`
 */
export function checkPrivate(directory: string): void {
  if (!HAS_OWNERS) return
  try {
    const stat = lstatSync(directory, { bigint: true })
    if (!stat.isDirectory()) throw notPrivate(directory, 'something other than a directory')
    if (!isOwn(stat)) throw notPrivate(directory, `a directory of the user ${userText(stat.uid)}`)
    if ((stat.mode & 0o077n) !== 0n) throw notPrivate(directory, modeOf(stat))
    checkUnswappable(directory)
  } catch (error) {
    throw error instanceof ModelSealError ? error : unreadable(directory, 'directory', error)
  }
}

function checkUnswappable(directory: string): void {
  for (let path = directory; path !== dirname(path);) {
    path = dirname(path)
    const stat = lstatSync(path, { bigint: true })
    if (!stat.isDirectory()) throw unsafe(directory, path, 'something other than a directory')
    // In a sticky directory of root or this user, others cannot rename files that they do not own.
    const fault = ownerFault(stat) ?? ((stat.mode & STICKY) === 0n ? modeFault(stat) : undefined)
    if (fault !== undefined) throw unsafe(directory, path, fault)
  }
}

function notPrivate(directory: string, found: string): ModelSealError {
  return new ModelSealError(
    'ISOLATION_REFUSED',
    `Cannot use the directory ${shown(directory)}: it is not private to this user.`,
    {
      file: directory,
      expected: 'a directory of this user with the mode 0700',
      found,
    },
  )
}

function unsafe(directory: string, above: string, found: string): ModelSealError {
  return new ModelSealError(
    'ISOLATION_REFUSED',
    `Cannot use the directory ${shown(directory)}: other users could replace it.`,
    {
      file: directory,
      expected: `${shown(above)} to belong to root or this user, and not to be writable by others unless sticky`,
      found,
      hint: 'Use another directory (for temporary files, set TMPDIR), or change the mode of the one above it.',
    },
  )
}
