import { closeSync, fstatSync, openSync, readFileSync, type BigIntStats } from 'node:fs'
import { othersMayWrite } from './ownership.ts'
import { READ_ONLY } from '../read-small-file.ts'
import { isAnybody } from './user-namespace.ts'

/**
 * True if the group of a file is the private group of its owner, as is usual with a umask of 002: it is the owner's
 * primary group, has the owner's name, and has no other members. Only `/etc/passwd` and `/etc/group` are read. A member
 * known only to a directory service would be missed, which is why the name must match as well.
 */
export function isPrivateGroup({ uid, gid }: Pick<BigIntStats, 'uid' | 'gid'>): boolean {
  if (isAnybody(gid, 'gid') || isInGroupOfAnother(uid, gid)) return false
  const users = entriesOf('/etc/passwd')
  const groups = entriesOf('/etc/group')
  if (!users || !groups) return false

  const names = new Set(users.filter(([, , id]) => id === String(uid)).map(([name]) => name))
  // passwd(5): name, password, uid, gid. group(5): name, password, gid, members.
  const primary = users.filter(([, , , group]) => group === String(gid))
  const same = groups.filter(([, , id]) => id === String(gid))
  return (
    primary.length > 0 &&
    same.length > 0 &&
    primary.every(([, , id]) => id === String(uid)) &&
    same.every(([name]) => names.has(name)) &&
    same.every(([, , , members = '']) => members.split(',').every((member) => member === '' || names.has(member)))
  )
}

/** In a container, a process may be in a group that does not list it in `/etc/group`. */
function isInGroupOfAnother(uid: bigint, gid: bigint): boolean {
  if (uid === BigInt(process.geteuid?.() ?? -1)) return false
  return [process.getegid?.(), ...(process.getgroups?.() ?? [])].includes(Number(gid))
}

/** Cached, because a directory and all its parents need the same file. */
const known = new Map<string, { state: string; entries: string[][] | undefined }>()

/** Undefined if the file does not list all users, or anyone could have written it. */
function entriesOf(path: string): string[][] | undefined {
  try {
    const fd = openSync(path, READ_ONLY)
    try {
      const stat = fstatSync(fd, { bigint: true })
      if (othersMayWrite(stat) !== undefined) return undefined
      const state = [stat.dev, stat.ino, stat.size, stat.mtimeNs, stat.ctimeNs].join()
      const last = known.get(path)
      if (last?.state === state) return last.entries
      const entries = parsed(readFileSync(fd, 'utf8'))
      known.set(path, { state, entries })
      return entries
    } finally {
      closeSync(fd)
    }
  } catch {
    return undefined
  }
}

function parsed(text: string): string[][] | undefined {
  const lines = text.split('\n')
  // nsswitch.conf(5): in the mode "compat" such a line brings in the users of a directory service.
  if (lines.some((line) => /^[+-]/.test(line))) return undefined
  return lines.filter((line) => line.includes(':')).map((line) => line.split(':'))
}
