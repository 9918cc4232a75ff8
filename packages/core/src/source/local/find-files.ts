import { relative, sep } from 'node:path'
import { ModelSealError, shown } from '../../errors.ts'
import { inTurns, type Steps } from '../turns.ts'
import { utf8EntriesOf } from './entries.ts'
import { checkEnds, targetOf } from './follow-link.ts'
import { hubBlob } from './hub-link.ts'
import type { LocalSource } from './local-source.ts'
import { isSame } from './real-path.ts'
import { changed, special, stateAt, type FoundDirectory, type FoundFile } from './source-file.ts'

/** What {@link findFiles} leaves out. */
export interface FindOptions {
  /** True for a name (relative to the root) that is left out, with all below it. */
  ignored: (name: string) => boolean
  /** True for a model whose links are followed, each giving a file under its own name (OMS 6.1.1). */
  followLinks: boolean
  /**
   * True for a link to a directory of the model that is not followed, since what lies there is looked at under its own name.
   *
   * @param target name of the directory
   */
  passOver?: ((name: string, target: string) => boolean) | undefined
  signal?: AbortSignal | undefined
  /** By default {@link MAX_DIRECTORIES}. */
  maxDirectories?: number
}

/** More files than any model has; keeps a hostile tree from filling the memory. */
const MAX_FILES = 1_000_000
/** Deeper than any model; bounds the stack of directories. */
const MAX_DEPTH = 256
/** More directories than any model has; a few links to directories of links can stand for any number. */
export const MAX_DIRECTORIES = 100_000
/** Names looked at in one step: to ask for the time costs more than to look at a name. */
export const NAMES_PER_STEP = 64

/**
 * Finds the regular files of a model, in no particular order (OMS 6.1), by what its directories say of
 * them. No file is opened.
 *
 * @throws {@link ModelSealError} `SYMLINK_REFUSED`, `FILE_SPECIAL`, `FILE_NAME`, `FILE_UNREADABLE`,
 * `FILE_CHANGED`, `MODEL_TOO_LARGE`, `ABORTED`
 */
export async function findFiles(source: LocalSource, options: FindOptions): Promise<FoundFile[]> {
  return source.kind === 'file' ? [onlyFile(source)] : inTurns(finding(source, options), options.signal)
}

function* finding(source: LocalSource, options: FindOptions): Steps<FoundFile[]> {
  const { maxDirectories = MAX_DIRECTORIES } = options
  const files: FoundFile[] = []
  const directories: Directory[] = [rootOf(source)]
  let seen = 0
  let entered = 0
  for (let directory = directories.pop(); directory; directory = directories.pop()) {
    if (directory.ancestors.length > MAX_DEPTH) throw tooLarge(source, `directories nested more than ${MAX_DEPTH} deep`)
    if (++entered > maxDirectories) throw tooLarge(source, `more than ${maxDirectories} directories`)
    yield
    const found = lookAt(directory, source)
    for (const entry of utf8EntriesOf(directory.path)) {
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
      // On Windows, other things than links are reported as such.
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
  /** What the names in it begin with. */
  prefix: string
  /** This directory and those that led to it, by their paths without links. */
  ancestors: readonly string[]
}

function below(parent: Directory, path: string, name: string): Directory {
  return { path, prefix: `${name}/`, ancestors: [...parent.ancestors, path] }
}

/** A magic link of procfs stays in the path: behind it begins the model. */
export function rootOf({ path }: LocalSource): Directory {
  const root = stateAt(path).isSymbolicLink() ? `${path}/.` : path
  return { path: root, prefix: '', ancestors: [root] }
}

/** A model that is one file is one in a Hugging Face cache, or no link: so it was opened. */
export function onlyFile({ path, name, inode }: LocalSource): FoundFile {
  const own = stateAt(path)
  const blob = own.isSymbolicLink() ? hubBlob(path) : undefined
  const file = { name, path: blob ?? path }
  if (!isSame(blob === undefined ? own : stateAt(blob), inode))
    throw changed(file, 'it is no longer the file that was found')
  return file
}

function lookAt({ path, prefix }: Directory, source: LocalSource): FoundDirectory {
  const stat = stateAt(path)
  // Nothing below a link would be of this model.
  if (!stat.isDirectory())
    throw changed({ name: prefix.slice(0, -1) || source.name, path }, 'it is no longer a directory')
  if (prefix === '' && !isSame(stat, source.inode))
    throw changed({ name: source.name, path }, 'it is no longer the directory that was found')
  return { path, dev: stat.dev, ino: stat.ino }
}

function tooLarge(source: LocalSource, found: string): ModelSealError {
  return new ModelSealError('MODEL_TOO_LARGE', `The model ${shown(source.path)} is too large to handle.`, {
    file: source.path,
    found,
  })
}
