import { accessSync, closeSync, constants, lstatSync, openSync, readFileSync, type BigIntStats } from 'node:fs'
import { isTrustedOwner } from './ownership.ts'
import { isPrivateGroup } from './private-group.ts'
import { READ_ONLY } from '../read-small-file.ts'
import { errno } from '../file-errors.ts'
import { procFile } from '../proc-file.ts'

const GROUP_WRITES = 0o020n
const OTHERS_WRITE = 0o002n

/**
 * True if users other than the owner can write to a file or directory. Permission bits do not count on a read-only
 * mount, nor do those of the owner's private group. Access control lists show in the group bits, and Node.js cannot
 * read them, so with a private group they go unnoticed (SECURITY.md).
 *
 * @param path path of the file or directory; not a link, except to a descriptor
 */
export function isWritableByOthers({ mode, uid, gid }: BigIntStats, path: string): boolean {
  const groupWrites = (mode & GROUP_WRITES) !== 0n && !isPrivateGroup({ uid, gid })
  return (groupWrites || (mode & OTHERS_WRITE) !== 0n) && !isReadOnly(path)
}

/**
 * True if a path is a directory of root or this user, and not a link, in which nobody else can create, replace or remove
 * files. Systems without owners and modes are not checked.
 */
export function isOwnDirectory(path: string): boolean {
  try {
    const stat = lstatSync(path, { bigint: true })
    if (!stat.isDirectory()) return false
    return !process.geteuid || (isTrustedOwner(stat.uid) && !isWritableByOthers(stat, path))
  } catch {
    return false
  }
}

/**
 * access(2) reports EROFS to root and to users with write permission. To others it reports a read-only file system, but
 * not a read-only mount of a writable one.
 */
function isReadOnly(path: string): boolean {
  try {
    accessSync(path, constants.W_OK)
    return false
  } catch (error) {
    return errno(error) === 'EROFS' || (process.platform === 'linux' && isMountedReadOnly(path))
  }
}

function isMountedReadOnly(path: string): boolean {
  try {
    const fd = openSync(path, READ_ONLY)
    try {
      // proc(5): mnt_id is the first field of the mount's line; the sixth contains its options.
      const id = /^mnt_id:\s*(\d+)$/m.exec(readFileSync(procFile(`self/fdinfo/${fd}`), 'latin1'))?.[1]
      const mounts = readFileSync(procFile('self/mountinfo'), 'latin1').split('\n')
      const fields = mounts.map((line) => line.split(' ')).find(([mount]) => mount === id)
      return id !== undefined && fields?.[5]?.split(',').includes('ro') === true
    } finally {
      closeSync(fd)
    }
  } catch {
    return false
  }
}
