import { accessSync, constants, type BigIntStats } from 'node:fs'
import { isPrivateGroup } from './private-group.ts'
import { errno } from './read-small-file.ts'

const GROUP_WRITES = 0o020n
const OTHERS_WRITE = 0o002n

/**
 * True where users whom the owner of a file or directory does not stand for can write to it. Neither the bits of a
 * file system that is mounted read-only count, nor those of a group that is the owner's alone. An access control
 * list shows in the bits of the group.
 *
 * @param path of what the state is of; it is not a link, or one to a descriptor
 */
export function isWritableByOthers({ mode, uid, gid }: BigIntStats, path: string): boolean {
  const groupWrites = (mode & GROUP_WRITES) !== 0n && !isPrivateGroup({ uid, gid })
  return (groupWrites || (mode & OTHERS_WRITE) !== 0n) && !isReadOnly(path)
}

/** access(2) says so to root, too. */
function isReadOnly(path: string): boolean {
  try {
    accessSync(path, constants.W_OK)
    return false
  } catch (error) {
    return errno(error) === 'EROFS'
  }
}
