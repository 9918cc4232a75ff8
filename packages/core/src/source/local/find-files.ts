import { relative, sep } from 'node:path'
import { at } from '../../at.ts'
import { ModelSealError, shown } from '../../errors.ts'
import { inTurns, type Steps } from '../turns.ts'
import { utf8EntriesOf } from './entries.ts'
import { checkEnds, targetOf } from './follow-link.ts'
import { hubBlob } from './hub-link.ts'
import type { LocalSource } from './local-source.ts'
import { isSame } from './real-path.ts'
import { changed, special, stateAt, type FoundDirectory, type FoundFile } from './source-file.ts'

/** Which files {@link findFiles} skips, and whether it follows links. */
export interface FindOptions {
  /** True for a name (relative to the root) that is skipped together with everything below it. */
  ignored: (name: string) => boolean
  /** Whether links are followed; each gives a file under the link's own name (OMS 6.1.1). */
  followLinks: boolean
  /**
   * True for a link to a directory of the model that is skipped, because its files are found under their own names.
   *
   * @param target name of the directory
   */
  passOver?: ((name: string, target: string) => boolean) | undefined
  /** True for an ignored name that need not be UTF-8. What is not is given as U+FFFD. */
  mayBeOther?: ((name: string) => boolean) | undefined
  signal?: AbortSignal | undefined
}

/** More files than any model has; keeps a hostile tree from exhausting memory. */
const MAX_FILES = 1_000_000
/** Deeper than any model; bounds the stack of directories. */
const MAX_DEPTH = 256
/** More directories than any model has; a few links to directories of links can multiply into any number. */
export const MAX_DIRECTORIES = 100_000
/** Names per step: reading the clock costs more than looking at a name. */
export const NAMES_PER_STEP = 64

/**
 * Lists the regular files of a model, in no particular order (OMS 6.1), from its directory entries. No file is opened.
 *
 * @throws {@link ModelSealError} `SYMLINK_REFUSED`, `FILE_SPECIAL`, `FILE_NAME`, `FILE_UNREADABLE`, `FILE_CHANGED`,
 * `MODEL_TOO_LARGE`, `ABORTED`
 */
export async function findFiles(
  source: LocalSource,
  options: FindOptions,
  maxDirectories = MAX_DIRECTORIES,
): Promise<FoundFile[]> {
  return source.kind === 'file' ? [onlyFile(source)] : inTurns(finding(source, options, maxDirectories), options.signal)
}

function* finding(source: LocalSource, options: FindOptions, maxDirectories: number): Steps<FoundFile[]> {
  const files: FoundFile[] = []
  const directories: Directory[] = [rootOf(source)]
  let seen = 0
  let entered = 0
  for (let directory = directories.pop(); directory; directory = directories.pop()) {
    if (directory.ancestors.length > MAX_DEPTH) throw tooLarge(source, `directories nested more than ${MAX_DEPTH} deep`)
    if (++entered > maxDirectories) throw tooLarge(source, `more than ${maxDirectories} directories`)
    yield
    const { found, size } = lookAt(directory, source)
    const mayBeOther = (base: string) => options.mayBeOther?.(directory.prefix + base) ?? false
    for (const entry of utf8EntriesOf({ path: directory.path, size }, mayBeOther)) {
      if (++seen % NAMES_PER_STEP === 0) yield
      if (!entry) continue
      const name = directory.prefix + entry.name
      if (options.ignored(name)) continue
      const path = `${directory.path}/${entry.name}`
      if (entry.isFile()) files.push({ name, path, directory: found })
      else if (entry.isDirectory()) directories.push(below(directory, path, name))
      else if (entry.isSymbolicLink()) addTarget(path, name, directory)
      else throw special(path, name)
      if (files.length > MAX_FILES) throw tooLarge(source, `more than ${MAX_FILES} files`)
    }
  }
  return files

  function addTarget(path: string, name: string, directory: Directory): void {
    const stat = stateAt(path)
    if (!stat.isSymbolicLink()) {
      // Windows also reports things other than links as links.
      if (stat.isDirectory()) directories.push(below(directory, path, name))
      else if (stat.isFile()) files.push({ name, path })
      else throw special(path, name)
      return
    }
    const target = targetOf({ path, name }, { source, followLinks: options.followLinks })
    if (!target.isDirectory) files.push({ name, path: target.path })
    else if (!options.passOver?.(name, relative(source.path, target.path).split(sep).join('/'))) {
      checkEnds({ path, name }, target.path, directory.ancestors)
      directories.push(below(directory, target.path, name))
    }
  }
}

export interface Directory {
  /** Absolute, without links. */
  path: string
  /** Prefix of the names in it. */
  prefix: string
  /** Paths of this directory and of those that led to it, without links. */
  ancestors: readonly string[]
}

function below(parent: Directory, path: string, name: string): Directory {
  return { path, prefix: `${name}/`, ancestors: [...parent.ancestors, path] }
}

/** A magic link of procfs stays in the path; the model starts behind it. */
export function rootOf({ path }: LocalSource): Directory {
  const root = stateAt(path).isSymbolicLink() ? `${path}/.` : path
  return { path: root, prefix: '', ancestors: [root] }
}

/** A single file is either not a link or one of a Hugging Face cache: openLocalSource() refuses all others. */
export function onlyFile({ path, name, inode }: LocalSource): FoundFile {
  const own = stateAt(path)
  const blob = own.isSymbolicLink() ? hubBlob(path) : undefined
  const file = { name, path: blob ?? path }
  if (!isSame(blob === undefined ? own : stateAt(blob), inode)) throw changed(file, 'it was replaced by another file')
  return file
}

function lookAt({ path, prefix, ancestors }: Directory, source: LocalSource): { found: FoundDirectory; size: number } {
  const stat = stateAt(path)
  // Files below a link would not belong to this model.
  if (!stat.isDirectory())
    throw changed({ name: prefix.slice(0, -1) || source.name, path }, 'it is no longer a directory')
  if (prefix === '' && !isSame(stat, source.inode))
    throw changed({ name: source.name, path }, 'it was replaced by another directory')
  return { found: { path, root: at(ancestors, 0), dev: stat.dev, ino: stat.ino }, size: Number(stat.size) }
}

function tooLarge(source: LocalSource, found: string): ModelSealError {
  return new ModelSealError('MODEL_TOO_LARGE', `Cannot read the model ${shown(source.path)}: it is too large.`, {
    file: source.path,
    found,
  })
}
