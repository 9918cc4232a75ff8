import { statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { isAbsolute } from 'node:path'
import { variable } from '../../environment.ts'
import { makeCacheFolder } from './cache-directory.ts'
import { foreignFileSystem } from '../local/file-system.ts'

/** The content of a private directory: links take hardly any space, copies as much as the model. */
export type Placed = 'links' | 'copies'

/** A directory in which private directories may be made. */
export interface TemporaryPlace {
  /** For messages. */
  readonly name: string
  /** @returns its path; undefined if it cannot be used on this machine */
  path(): Promise<string | undefined>
}

/**
 * The places in which private directories may be made, in order of preference: the directory for temporary files, and if that is
 * not suitable, others that belong to one user or are shared by all. Each directory is still checked to be private.
 */
export function temporaryPlaces(placed: Placed): TemporaryPlace[] {
  const { runtime, cache, memory, kept } = OTHERS
  // Copies in a file system in memory take memory from the model, so such places come last, or are left out.
  return [TEMPORARY, ...(placed === 'links' ? [runtime, cache, memory, kept] : [cache, kept, runtime])]
}

/** Free space of a place in bytes; Infinity if it is unknown. */
export function roomIn(path: string): number {
  try {
    const { bavail, bsize, blocks } = statfsSync(path)
    return blocks === 0 ? Infinity : bavail * bsize
  } catch {
    return Infinity
  }
}

/** Chosen by the user or the system, so it may be on any file system. */
const TEMPORARY: TemporaryPlace = { name: 'TMPDIR', path: () => Promise.resolve(tmpdir()) }

const OTHERS = {
  // XDG Base Directory Specification: it belongs to this user alone, and is removed with the session.
  runtime: ifLocal('XDG_RUNTIME_DIR', () => {
    const path = variable('XDG_RUNTIME_DIR')
    return path !== undefined && isAbsolute(path) ? path : undefined
  }),
  cache: ifLocal('the cache directory', () => makeCacheFolder('placed').catch(() => undefined)),
  memory: ifLocal('/dev/shm', () => (process.platform === 'linux' ? '/dev/shm' : undefined)),
  kept: ifLocal('/var/tmp', () => (process.platform === 'win32' ? undefined : '/var/tmp')),
}

/** These were not asked for, so they are used only if no other machine can change them. */
function ifLocal(name: string, find: () => string | undefined | Promise<string | undefined>): TemporaryPlace {
  return {
    name,
    async path() {
      const path = await find()
      if (path === undefined || process.platform !== 'linux') return path
      return foreignFileSystem(path) === undefined ? path : undefined
    },
  }
}
