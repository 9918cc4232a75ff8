import { lstatSync, readlinkSync, type BigIntStats } from 'node:fs'
import { join } from 'node:path'
import { shown, type ModelSealError } from '../../errors.ts'
import { systemError } from '../file-errors.ts'
import { isWritableByOthers } from '../private/write-access.ts'

/** A component of a path, or its target. */
export interface PathEntry {
  kind: 'file' | 'directory' | 'link'
  /** Absolute, without links. */
  path: string
  stat: BigIntStats
  /** True if others can write to it. Always false for a link, whose text cannot be changed. */
  writable: boolean
  /** The sticky directory that contains it, if others can put files there. */
  shared: string | undefined
}

/** What to do while following a path. */
export interface Follower {
  /** Throws if an entry is not trusted. */
  check: (entry: PathEntry) => void
  /** Wraps an operating system error; `found` adds details. */
  failed: (error: unknown, found?: string) => ModelSealError
}

/** The limit of Linux (path_resolution(7)). */
const MAX_LINKS = 40

/**
 * Follows an absolute path as the kernel does, and checks each directory and link before following it. If nothing is
 * thrown, no untrusted user can make the result point elsewhere.
 *
 * @returns the target as a path without links. The caller must open and check it, unless it is a directory
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

/** A checked directory. */
class Directory {
  readonly path: string
  readonly above: Directory | undefined
  /** Its path, if it is sticky and others can write to it. */
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
    throw failed(error, linkedTo === undefined ? undefined : `a symbolic link to ${shown(linkedTo)}`)
  }
}
