import { lstatSync, type BigIntStats } from 'node:fs'
import { ModelSealError } from '../../errors.ts'
import { throwIfAborted } from '../aborted.ts'
import { inTurns, type Steps } from '../turns.ts'
import { entriesOf } from './entries.ts'
import { NAMES_PER_STEP, onlyFile, rootOf, type Directory, type FindOptions } from './find-files.ts'
import { checkEnds, targetOf } from './follow-link.ts'
import type { LocalSource } from './local-source.ts'
import { errno, isGone, unreadable } from '../file-errors.ts'
import { isSame } from './real-path.ts'
import { changed, special, type FoundDirectory, type FoundFile } from './source-file.ts'

/** With at least this many names in one directory, listing it is faster than looking up each name. */
const LISTED_FROM = 64
/** Unless the directory contains this many times as many entries. */
const MOST_OTHERS = 8

/**
 * Finds the files of a model that have these names, in no particular order. Anything with another name is not looked at,
 * and names may be missing.
 *
 * @throws {@link ModelSealError} `SYMLINK_REFUSED`, `FILE_SPECIAL`, `FILE_UNREADABLE`, `FILE_CHANGED`, `ABORTED`
 */
export async function findNamed(
  source: LocalSource,
  names: Iterable<string>,
  options: Omit<FindOptions, 'passOver'>,
): Promise<FoundFile[]> {
  throwIfAborted(options.signal)
  return source.kind === 'file' ? [onlyFile(source)] : inTurns(finding(source, names, options), options.signal)
}

function* finding(
  source: LocalSource,
  names: Iterable<string>,
  options: Omit<FindOptions, 'passOver'>,
): Steps<FoundFile[]> {
  const directories = new Directories(source, options)
  const files: FoundFile[] = []
  let seen = 0
  for (const [prefix, inDirectory] of byDirectory(names)) {
    yield
    const directory = directories.enter(prefix)
    if (!directory) continue
    const plain =
      inDirectory.length < LISTED_FROM
        ? undefined
        : yield* plainFilesIn(directory.path, MOST_OTHERS * inDirectory.length)
    for (const base of inDirectory) {
      if (++seen % NAMES_PER_STEP === 0) yield
      const name = prefix + base
      if (options.ignored(name)) continue
      const path = `${directory.path}/${base}`
      const file = plain?.has(base)
        ? { name, path, directory: directory.found }
        : directories.fileAt(path, name, directory)
      if (file) files.push(file)
    }
  }
  return files
}

/** Base names by their directory, which ends with a slash unless it is the root. */
function byDirectory(names: Iterable<string>): Map<string, string[]> {
  const groups = new Map<string, string[]>()
  for (const name of names) {
    const end = name.lastIndexOf('/') + 1
    const group = groups.get(name.slice(0, end))
    if (group) group.push(name.slice(end))
    else groups.set(name.slice(0, end), [name.slice(end)])
  }
  return groups
}

interface Entered extends Directory {
  found: FoundDirectory
}

/** The directories on the way to the names, each looked at once. */
class Directories {
  readonly #source: LocalSource
  readonly #options: Omit<FindOptions, 'passOver'>
  readonly #entered = new Map<string, Entered | undefined>()

  constructor(source: LocalSource, options: Omit<FindOptions, 'passOver'>) {
    this.#source = source
    this.#options = options
  }

  /**
   * @param prefix its name and a slash; empty for the root
   * @returns undefined if there is no such directory, or it is ignored
   */
  enter(prefix: string): Entered | undefined {
    if (this.#entered.has(prefix)) return this.#entered.get(prefix)
    const entered = prefix === '' ? this.#root() : this.#below(prefix.slice(0, -1))
    this.#entered.set(prefix, entered)
    return entered
  }

  /** @returns undefined if there is no such file */
  fileAt(path: string, name: string, { found }: Entered): FoundFile | undefined {
    const stat = stateIfAny(path)
    if (!stat || stat.isDirectory()) return undefined
    if (stat.isFile()) return { name, path, directory: found }
    if (!stat.isSymbolicLink()) throw special(path, name)
    const target = targetOf({ path, name }, { source: this.#source, followLinks: this.#options.followLinks })
    return target.isDirectory ? undefined : { name, path: target.path }
  }

  #root(): Entered {
    const root = rootOf(this.#source)
    const stat = stateIfAny(root.path)
    if (!stat || !isSame(stat, this.#source.inode))
      throw changed({ name: this.#source.name, path: root.path }, 'it was replaced by another directory')
    return { ...root, found: { path: root.path, root: root.path, dev: stat.dev, ino: stat.ino } }
  }

  #below(name: string): Entered | undefined {
    const end = name.lastIndexOf('/') + 1
    const parent = this.enter(name.slice(0, end))
    if (!parent || this.#options.ignored(name)) return undefined
    const place = `${parent.path}/${name.slice(end)}`
    const stat = stateIfAny(place)
    if (!stat || stat.isFile()) return undefined
    if (stat.isDirectory()) return enteredAt(place, `${name}/`, parent, stat)
    if (!stat.isSymbolicLink()) throw special(place, name)
    const { followLinks } = this.#options
    const target = targetOf({ path: place, name }, { source: this.#source, followLinks })
    if (target.isDirectory) checkEnds({ path: place, name }, target.path, parent.ancestors)
    const behind = target.isDirectory ? stateIfAny(target.path) : undefined
    return behind && enteredAt(target.path, `${name}/`, parent, behind)
  }
}

function enteredAt(path: string, prefix: string, parent: Entered, { dev, ino }: BigIntStats): Entered {
  const { root } = parent.found
  return { path, prefix, ancestors: [...parent.ancestors, path], found: { path, root, dev, ino } }
}

/**
 * The names that a directory lists as regular files; undefined if it cannot be listed or has too many, so each name
 * must be looked up.
 */
function* plainFilesIn(directory: string, most: number): Steps<ReadonlySet<string> | undefined> {
  const names = new Set<string>()
  let seen = 0
  try {
    for (const entry of entriesOf(directory)) {
      if (++seen > most) return undefined
      if (seen % NAMES_PER_STEP === 0) yield
      // U+FFFD may replace invalid UTF-8 (OMS 6.1.2).
      if (entry.isFile() && !entry.name.includes('\ufffd')) names.add(entry.name)
    }
    return names
  } catch (error) {
    if (error instanceof ModelSealError) return undefined
    throw error
  }
}

/** @returns undefined if nothing exists, or can exist, at the path */
function stateIfAny(path: string): BigIntStats | undefined {
  try {
    return lstatSync(path, { bigint: true })
  } catch (error) {
    if (isGone(error) || errno(error) === 'ENAMETOOLONG') return undefined
    throw unreadable(path, 'file', error)
  }
}
