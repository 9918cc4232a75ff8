import { closeSync, fstatSync, openSync, readFileSync, type BigIntStats } from 'node:fs'
import { othersMayWrite } from './ownership.ts'
import { READ_ONLY } from '../read-small-file.ts'
import { isAnybody } from './user-namespace.ts'

/**
 * True where the group of a file is its owner's alone, as it is for users who have a umask of 002: it is their
 * primary group, has their name, and nobody else is in it. `/etc/passwd` and `/etc/group` decide; a member whom only
 * a directory service knows would not be seen, which is why the name counts, too.
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

/** In a container, a process may be in a group in which `/etc/group` does not have it. */
function isInGroupOfAnother(uid: bigint, gid: bigint): boolean {
  if (uid === BigInt(process.geteuid?.() ?? -1)) return false
  return [process.getegid?.(), ...(process.getgroups?.() ?? [])].includes(Number(gid))
}

/** As each file was when it was last read; a directory and all above it ask for the same. */
const known = new Map<string, { state: string; entries: string[][] | undefined }>()

/** Undefined where the file does not tell who there is, or where anybody could have written it. */
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
