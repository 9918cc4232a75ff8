import { accessSync, closeSync, constants, openSync, readFileSync, type BigIntStats } from 'node:fs'
import { isPrivateGroup } from './private-group.ts'
import { READ_ONLY } from '../read-small-file.ts'
import { errno } from '../file-errors.ts'
import { procFile } from '../proc-file.ts'

const GROUP_WRITES = 0o020n
const OTHERS_WRITE = 0o002n

/**
 * True where users whom the owner of a file or directory does not stand for can write to it. Neither the bits of a
 * file system that is mounted read-only count, nor those of a group that is the owner's alone. An access control
 * list shows in the bits of the group, and Node.js cannot read it: in a private group, one goes unnoticed (SECURITY.md).
 *
 * @param path of what the state is of; it is not a link, or one to a descriptor
 */
export function isWritableByOthers({ mode, uid, gid }: BigIntStats, path: string): boolean {
  const groupWrites = (mode & GROUP_WRITES) !== 0n && !isPrivateGroup({ uid, gid })
  return (groupWrites || (mode & OTHERS_WRITE) !== 0n) && !isReadOnly(path)
}

/**
 * access(2) says so to root and to whom the permissions let write. Others it tells of a file system that is read-only
 * altogether, but not of a read-only mount of one that is not.
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
      // proc(5): mnt_id is the first field of the mount's line, whose sixth has its options.
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
