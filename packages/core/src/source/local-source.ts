import { lstatSync, readdirSync, type BigIntStats, type Dirent } from 'node:fs'
import { lstat, realpath, stat } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { ModelSealError, shown } from '../errors.ts'
import { followLink, linksNotAllowed, LINKS_HINT } from './follow-link.ts'
import { hubBlob } from './hub-link.ts'
import { othersMayWrite } from './ownership.ts'
import { errno, unreadable } from './read-small-file.ts'
import { isSettled } from './settling.ts'

/** What tells one state of one file from any other. */
export interface FileIdentity {
  dev: bigint
  ino: bigint
  /** Bytes. */
  size: number
  mtimeNs: bigint
  ctimeNs: bigint
}

/** One regular file of a model, found but not yet read. */
export interface SourceFile {
  /** Name relative to the model root, with `/` between components. */
  name: string
  /** Absolute path. */
  path: string
  identity: FileIdentity
  /** What lets somebody else than root and this user write to it, as a phrase; absent where nothing does. */
  exposed?: string
  /** True where it had changed so shortly before it was listed that a further change may not show. */
  young?: boolean
  /** A descriptor that is open for reading: the file is read through it, and not by its path. */
  fd?: number
}

/** A model on this machine: a directory tree, or one file. */
export interface LocalSource {
  kind: 'directory' | 'file'
  /** Absolute path of the directory or file, its own links resolved. */
  path: string
  /** The absolute path that the caller gave, links and all. */
  givenPath: string
  /** Last component of the path: the name of the statement's subject. */
  name: string
}

/** What {@link listFiles} leaves out. */
export interface ListOptions {
  /** True for a name (relative to the root) that is left out, with all below it. */
  ignored: (name: string) => boolean
  /** True for a model whose links are followed, each giving a file under its own name (OMS 6.1.1). */
  followLinks: boolean
  signal?: AbortSignal | undefined
}

/** More files than any model has; keeps a hostile tree from filling the memory. */
const MAX_FILES = 1_000_000
/** Deeper than any model; bounds the stack of directories. */
const MAX_DEPTH = 256
/** More directories than any model has; a few links to directories of links can stand for any number. */
export const MAX_DIRECTORIES = 100_000
/** Entries looked at between two turns of the event loop. */
const ENTRIES_PER_TURN = 2_000

/**
 * Finds the model at `path`.
 *
 * @throws {@link ModelSealError} `INVALID_ARGUMENT`, `MODEL_NOT_FOUND`, `SYMLINK_REFUSED` (a single file that is a
 * link), `FILE_SPECIAL`, `FILE_UNREADABLE`
 */
export async function openLocalSource(path: string): Promise<LocalSource> {
  const absolute = absolutePath(path)
  try {
    const own = await lstat(absolute)
    const target = own.isSymbolicLink() ? await stat(absolute) : own
    const name = basename(absolute)
    if (target.isDirectory())
      return { kind: 'directory', path: await realpath(absolute), givenPath: absolute, name: name || 'model' }
    const path = join(await realpath(dirname(absolute)), name)
    // OMS 6.1.1: a symbolic link is never a resource.
    if (own.isSymbolicLink() && !hubBlob(path)) throw linksNotAllowed(absolute, name)
    if (!target.isFile()) throw special(absolute, name)
    return { kind: 'file', path, givenPath: absolute, name }
  } catch (error) {
    if (error instanceof ModelSealError) throw error
    if (errno(error) === 'ENOENT' || errno(error) === 'ENOTDIR') {
      throw new ModelSealError('MODEL_NOT_FOUND', `There is no model at ${shown(path)}.`, {
        file: path,
        hint: `Looked at ${shown(absolute)}; give the path of a model directory or file.`,
        cause: error,
      })
    }
    throw unreadable(path, 'model', error)
  }
}

/**
 * The absolute form of a path that a caller gave.
 *
 * @throws {@link ModelSealError} `INVALID_ARGUMENT` for what is no path
 */
export function absolutePath(path: unknown): string {
  if (typeof path === 'string' && path !== '' && !path.includes('\0')) return resolve(path)
  throw new ModelSealError('INVALID_ARGUMENT', 'A path is needed, of a model or of a file that belongs to one.', {
    expected: 'a string that is not empty, without NUL',
    found: typeof path === 'string' ? shown(path) : typeof path,
  })
}

/**
 * The absolute form of a path whose directories are links: where the file itself is, or will be.
 * What is not there yet is left as it was given.
 */
export async function placeOf(path: string): Promise<string> {
  const absolute = absolutePath(path)
  const directory = await realpath(dirname(absolute)).catch(() => dirname(absolute))
  return join(directory, basename(absolute))
}

/**
 * Lists the regular files of a model, in no particular order (OMS 6.1). Nothing is opened.
 *
 * @throws {@link ModelSealError} `SYMLINK_REFUSED`, `FILE_SPECIAL`, `FILE_NAME`, `FILE_UNREADABLE`,
 * `MODEL_TOO_LARGE`, `ABORTED`
 */
export async function listFiles(source: LocalSource, options: ListOptions): Promise<SourceFile[]> {
  if (source.kind === 'file') return [onlyFile(source)]

  const files: SourceFile[] = []
  const directories: Directory[] = [{ path: source.path, prefix: '', ancestors: [source.path] }]
  let seen = 0
  let entered = 0
  for (let directory = directories.pop(); directory; directory = directories.pop()) {
    if (directory.ancestors.length > MAX_DEPTH) throw tooLarge(source, `directories nested more than ${MAX_DEPTH} deep`)
    if (++entered > MAX_DIRECTORIES) throw tooLarge(source, `more than ${MAX_DIRECTORIES} directories`)
    for (const entry of entriesOf(directory.path)) {
      if (++seen % ENTRIES_PER_TURN === 0) {
        await setImmediate()
        throwIfAborted(options.signal)
      }
      const name = directory.prefix + entry.name
      if (options.ignored(name)) continue
      const path = `${directory.path}/${entry.name}`
      if (entry.isDirectory()) directories.push(below(directory, path, name))
      else add(path, name, directory)
      if (files.length > MAX_FILES) throw tooLarge(source, `more than ${MAX_FILES} files`)
    }
  }
  return files

  function add(path: string, name: string, directory: Directory): void {
    const stat = readState(path)
    if (!stat.isSymbolicLink()) {
      files.push(regularFile(path, name, stat))
      return
    }
    const blob = hubBlob(path)
    if (blob) {
      files.push(regularFile(blob.path, name, blob.stat))
      return
    }
    if (!options.followLinks) throw linksNotAllowed(path, name, LINKS_HINT)
    // OMS 6.1.1: the resource goes by the link's own name.
    const target = followLink(path, name, source.path, directory.ancestors)
    if (target.stat.isDirectory()) directories.push(below(directory, target.path, name))
    else files.push(regularFile(target.path, name, target.stat))
  }
}

interface Directory {
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

/** @throws {@link ModelSealError} `ABORTED` */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw abortedError(signal)
}

export function abortedError(signal?: AbortSignal): ModelSealError {
  return new ModelSealError('ABORTED', 'The operation was aborted by its caller.', { cause: signal?.reason })
}

/** The identity of a file as `lstat` or `fstat` reports it. */
export function identityOf({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): FileIdentity {
  return { dev, ino, size: Number(size), mtimeNs, ctimeNs }
}

function onlyFile({ path, name }: LocalSource): SourceFile {
  const stat = readState(path)
  const blob = stat.isSymbolicLink() ? hubBlob(path) : undefined
  return regularFile(blob?.path ?? path, name, blob?.stat ?? stat)
}

function regularFile(path: string, name: string, stat: BigIntStats): SourceFile {
  if (stat.isSymbolicLink()) throw linksNotAllowed(path, name)
  if (!stat.isFile()) throw special(path, name)
  const identity = identityOf(stat)
  const exposed = othersMayWrite(stat)
  return {
    name,
    path,
    identity,
    ...(exposed === undefined ? {} : { exposed }),
    ...(isSettled(identity) ? {} : { young: true }),
  }
}

function readState(path: string): BigIntStats {
  try {
    return lstatSync(path, { bigint: true })
  } catch (error) {
    throw unreadable(path, 'file', error)
  }
}

function entriesOf(directory: string): Dirent[] {
  try {
    const entries = readdirSync(directory, { withFileTypes: true })
    for (const entry of entries) if (entry.name.includes('\ufffd')) return checkedNames(directory, entries)
    return entries
  } catch (error) {
    throw error instanceof ModelSealError ? error : unreadable(directory, 'directory', error)
  }
}

/** OMS 6.1.2 (7): U+FFFD is either a real character of a name or a stand-in for invalid UTF-8. */
function checkedNames(directory: string, entries: Dirent[]): Dirent[] {
  for (const raw of readdirSync(directory, { encoding: 'buffer' })) {
    const name = raw.toString('utf8')
    if (Buffer.from(name, 'utf8').equals(raw)) continue
    throw new ModelSealError('FILE_NAME', `A file name in ${shown(directory)} is not valid UTF-8.`, {
      file: join(directory, name),
      found: `the bytes ${raw.toString('hex')}`,
      hint: 'Rename the file, or exclude its directory.',
    })
  }
  return entries
}

function special(path: string, name: string): ModelSealError {
  return new ModelSealError(
    'FILE_SPECIAL',
    `${shown(name)} is a socket, FIFO or device, which a model may not contain.`,
    {
      file: name,
      hint: `Remove ${shown(path)} from the model.`,
    },
  )
}

function tooLarge(source: LocalSource, found: string): ModelSealError {
  return new ModelSealError('MODEL_TOO_LARGE', `The model ${shown(source.path)} is too large to handle.`, {
    file: source.path,
    found,
  })
}
