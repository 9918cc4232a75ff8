import { statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { isAbsolute } from 'node:path'
import { variable } from '../environment.ts'
import { makeCacheFolder } from './cache-directory.ts'
import { foreignFileSystem } from './file-system.ts'

/** What is put into a private directory: links take hardly any room, copies as much as the model. */
export type Placed = 'links' | 'copies'

/** A directory in which private directories may be made. */
export interface TemporaryPlace {
  /** As messages name it. */
  readonly name: string
  /** @returns its path; undefined where it is of no use here */
  path(): Promise<string | undefined>
}

/**
 * Where private directories may be made, the preferred places first: the directory for temporary files, and where that will
 * not do, others that are made for one user or shared by all. Each still has to prove private.
 */
export function temporaryPlaces(placed: Placed): TemporaryPlace[] {
  const { runtime, cache, memory, kept } = OTHERS
  // What is copied into memory is missing elsewhere, so that comes last, or not at all.
  return [TEMPORARY, ...(placed === 'links' ? [runtime, cache, memory, kept] : [cache, kept, runtime])]
}

/** Bytes that a place has room for; Infinity where it does not say. */
export function roomIn(path: string): number {
  try {
    const { bavail, bsize, blocks } = statfsSync(path)
    return blocks === 0 ? Infinity : bavail * bsize
  } catch {
    return Infinity
  }
}

/** As the user or the system wants it: its file system does not matter. */
const TEMPORARY: TemporaryPlace = { name: 'TMPDIR', path: () => Promise.resolve(tmpdir()) }

const OTHERS = {
  // XDG Base Directory Specification: of this user alone, and gone with the session.
  runtime: ifLocal('XDG_RUNTIME_DIR', () => {
    const path = variable('XDG_RUNTIME_DIR')
    return path !== undefined && isAbsolute(path) ? path : undefined
  }),
  cache: ifLocal('the cache directory', () => makeCacheFolder('placed').catch(() => undefined)),
  memory: ifLocal('/dev/shm', () => (process.platform === 'linux' ? '/dev/shm' : undefined)),
  kept: ifLocal('/var/tmp', () => (process.platform === 'win32' ? undefined : '/var/tmp')),
}

/** Nobody asked for these: they count only where no other machine can have a hand in them. */
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
