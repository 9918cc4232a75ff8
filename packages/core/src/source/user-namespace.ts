import { existsSync, readFileSync } from 'node:fs'

/** Every id but -1, which stands for none (user_namespaces(7)). */
const ALL_IDS = 4_294_967_295
/** Its default in the kernel. */
const OVERFLOW_ID = 65_534n

type Kind = 'uid' | 'gid'

/**
 * True for an id that may be anybody's. The kernel shows every user that the user namespace of this process does
 * not map as one and the same overflow id (65534, "nobody"), and a process that is itself not mapped has that id,
 * too. Where all ids are mapped, as outside of containers, it is a user like any other.
 */
export function isAnybody(id: bigint, kind: Kind = 'uid'): boolean {
  overflow[kind] ??= overflowId(kind)
  return overflow[kind] === id
}

/** Maps of ids cannot be written a second time, and Node.js does not change its namespace. */
const overflow: Partial<Record<Kind, bigint | 'none'>> = {}

function overflowId(kind: Kind): bigint | 'none' {
  if (process.platform !== 'linux' || mapsAllIds(kind)) return 'none'
  const text = read(`/proc/sys/kernel/overflow${kind}`) ?? ''
  return /^\d+\s*$/.test(text) ? BigInt(text.trim()) : OVERFLOW_ID
}

function mapsAllIds(kind: Kind): boolean {
  const map = read(`/proc/self/${kind}_map`)
  // A kernel without user namespaces has no such file. Without /proc, nothing is known.
  if (map === undefined) return existsSync('/proc/self/status') && !existsSync(`/proc/self/${kind}_map`)
  // The last number of each line is the length of a range. Ranges do not overlap.
  const lengths = map.split('\n').map((line) => Number(line.trim().split(/\s+/)[2] ?? 0))
  return lengths.reduce((sum, length) => sum + length, 0) >= ALL_IDS
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return undefined
  }
}
