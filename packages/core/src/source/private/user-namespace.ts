import { existsSync, readFileSync } from 'node:fs'
import { procFile } from '../proc-file.ts'

/** Number of ids, without -1, which means no id (user_namespaces(7)). */
const ALL_IDS = 4_294_967_295
/** The kernel's default for the overflow id. */
const OVERFLOW_ID = 65_534n

type Kind = 'uid' | 'gid'

/**
 * True for an id that may belong to any user. The kernel shows all users that the user namespace of this process does not map
 * under the same overflow id (65534, "nobody"), and gives that id to a process that is itself not mapped. If all ids are
 * mapped, as they are outside containers, the id belongs to one user like any other.
 */
export function isAnybody(id: bigint, kind: Kind = 'uid'): boolean {
  overflow[kind] ??= overflowId(kind)
  return overflow[kind] === id
}

/** Cached: a map of ids can be written only once, and Node.js never changes its namespace. */
const overflow: Partial<Record<Kind, bigint | 'none'>> = {}

function overflowId(kind: Kind): bigint | 'none' {
  if (process.platform !== 'linux' || mapsAllIds(kind)) return 'none'
  const text = read(procFile(`sys/kernel/overflow${kind}`)) ?? ''
  return /^\d+\s*$/.test(text) ? BigInt(text.trim()) : OVERFLOW_ID
}

function mapsAllIds(kind: Kind): boolean {
  const map = read(procFile(`self/${kind}_map`))
  // A kernel without user namespaces has no such file. Without /proc, the mapping is unknown.
  if (map === undefined) return existsSync(procFile('self/status')) && !existsSync(procFile(`self/${kind}_map`))
  // The last number in each line is the length of a range. Ranges never overlap.
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
