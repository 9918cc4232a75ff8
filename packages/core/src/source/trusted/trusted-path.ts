import { lstatSync, readlinkSync, type BigIntStats } from 'node:fs'
import { join } from 'node:path'
import { shown, type ModelSealError } from '../../errors.ts'
import { systemError } from '../file-errors.ts'
import { isWritableByOthers } from '../private/write-access.ts'

/** What a path leads through, or to. */
export interface PathEntry {
  kind: 'file' | 'directory' | 'link'
  /** Absolute, without links. */
  path: string
  stat: BigIntStats
  /** True where others can write to it; of a link, whose text nobody can change, never. */
  writable: boolean
  /** The sticky directory that it lies in, where others can put files there. */
  shared: string | undefined
}

/** How a path is followed. */
export interface Follower {
  /** Throws what is to be thrown where an entry is not to be trusted. */
  check: (entry: PathEntry) => void
  /** What is to be thrown for an error of the operating system; `found` says more where there is more to say. */
  failed: (error: unknown, found?: string) => ModelSealError
}

/** As many as Linux follows (path_resolution(7)). */
const MAX_LINKS = 40

/**
 * Follows an absolute path as the kernel does, and has each directory and link checked before what it leads to. So
 * where nothing is thrown, nobody who is not trusted can make the result lead elsewhere.
 *
 * @returns where it leads: the path without links of what is not a directory, which is for the caller to open and
 * check; or of a directory
 */
export function followTrusted(path: string, follower: Follower): Pick<PathEntry, 'path' | 'shared'> {
  const rest = path.split('/')
  let directory = root(follower)
  let links = 0
  for (let name = rest.shift(); name !== undefined; name = rest.shift()) {
    if (name === '' || name === '.') continue
    if (name === '..') {
      directory = directory.parent
      continue
    }
    const place = join(directory.path, name)
    const stat = attempt(() => lstatSync(place, { bigint: true }), follower, links > 0 ? place : undefined)
    if (stat.isDirectory()) {
      directory = new Directory(place, stat, directory, follower)
    } else if (stat.isSymbolicLink()) {
      if (++links > MAX_LINKS) throw follower.failed(systemError('ELOOP'))
      follower.check({ kind: 'link', path: place, stat, writable: false, shared: directory.shared })
      const target = attempt(() => readlinkSync(place), follower)
      if (target.startsWith('/')) directory = root(follower)
      rest.unshift(...target.split('/'))
    } else {
      if (rest.length > 0) throw follower.failed(systemError('ENOTDIR'))
      return { path: place, shared: directory.shared }
    }
  }
  return { path: directory.path, shared: directory.above?.shared }
}

function root(follower: Follower): Directory {
  const stat = attempt(() => lstatSync('/', { bigint: true }), follower)
  return new Directory('/', stat, undefined, follower)
}

/** A directory that was checked. */
class Directory {
  readonly path: string
  readonly above: Directory | undefined
  /** Its path, where it is sticky and others can write to it. */
  readonly shared: string | undefined

  constructor(path: string, stat: BigIntStats, above: Directory | undefined, follower: Follower) {
    this.path = path
    this.above = above
    const writable = isWritableByOthers(stat, path)
    follower.check({ kind: 'directory', path, stat, writable, shared: above?.shared })
    this.shared = writable ? path : undefined
  }

  get parent(): Directory {
    return this.above ?? this
  }
}

function attempt<T>(work: () => T, { failed }: Follower, linkedTo?: string): T {
  try {
    return work()
  } catch (error) {
    throw failed(error, linkedTo === undefined ? undefined : `a symbolic link that leads to ${shown(linkedTo)}`)
  }
}
