import { existsSync, statSync } from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'
import { basename, dirname, join, relative, sep } from 'node:path'
import { ModelSealError } from '../../errors.ts'
import { isGone, unreadable } from '../file-errors.ts'
import type {
  BundleCandidate,
  BundleGroup,
  ClaimsCandidate,
  ModelDirectory,
  ModelFiles,
  ModelSource,
  NamePattern,
  SourceBody,
  SourceSession,
  PlainModel,
} from '../model-source.ts'
import { BUNDLE_TO_READ, READ_ONLY, readSmallFile } from '../read-small-file.ts'
import { ownSource } from '../own-sources.ts'
import { MAX_BUNDLES } from '../answers/source-answers.ts'
import { UNTIMED } from '../answers/source-reader.ts'
import { inTurns, type Steps } from '../turns.ts'
import { bundlesInside, byCodePoints } from './bundles-inside.ts'
import { entriesOf } from './entries.ts'
import { NAMES_PER_STEP } from './find-files.ts'
import { localClaims } from './local-claims.ts'
import { modelNotFound, openLocalSource, type LocalSource } from './local-source.ts'
import { filePieces } from './file-pieces.ts'
import { special } from './source-file.ts'

/** Number of bytes to read at a time. */
const PIECE_BYTES = 128 * 1024

/** @param path absolute */
export function localModelSource(path: string): ModelSource {
  return ownSource({ place: { path }, open: ({ signal }) => new LocalSession(path, signal) })
}

/**
 * The files of a directory or of a single file on this machine.
 *
 * @param source the directory or file at the path
 */
export function localFiles(source: LocalSource): ModelFiles {
  const { path, name, kind } = source
  const isFile = kind === 'file'
  return {
    path,
    name,
    isFile,
    local: source,
    read: async (request, receive) => {
      const opened = await openFile(isFile ? path : join(path, request.name), request.name)
      if (!opened) return
      try {
        await receive(await bodyOf(opened, request.name, request.range))
      } finally {
        await opened.close()
      }
    },
  }
}

class LocalSession implements SourceSession {
  readonly timeouts = UNTIMED
  readonly #path: string
  readonly #signal: AbortSignal | undefined
  #source: Promise<LocalSource> | undefined

  constructor(path: string, signal: AbortSignal | undefined) {
    this.#path = path
    this.#signal = signal
  }

  async model(): Promise<ModelFiles> {
    return localFiles(await this.#opened())
  }

  /**
   * For a directory: `DIR/model.sig`, else `DIR.sig`; further signers in `DIR.*.sig`. For a file: `FILE.sig` and `FILE.*.sig`, else
   * those of the directories above that have a `model.sig`.
   */
  async *bundles(names?: readonly NamePattern[]): AsyncGenerator<BundleGroup> {
    const source = await this.#opened()
    if (source.kind === 'directory') {
      yield names ? await this.#inside(source.path, names) : await this.#ofModel(source)
      // Only reached if there is no bundle so far.
      if (!names) yield { candidates: [], looked: [], nested: await inTurns(nestedModel(source.path), this.#signal) }
      return
    }
    const { path } = source
    if (!names)
      yield {
        candidates: await beside(path, `${path}.sig`, this.#signal),
        looked: [`${path}.sig`, join(dirname(path), 'model.sig')],
      }
    for (const directory of directoriesAbove(path)) {
      const about = directoryAt(directory, path)
      if (names) yield { ...(await this.#inside(directory, names)), directory: about, unordered: true }
      else if (exists(join(directory, 'model.sig')))
        yield { candidates: await ofDirectory(directory, this.#signal), directory: about, looked: [] }
    }
  }

  async *claims(files: ModelFiles): AsyncGenerator<ClaimsCandidate> {
    yield* await localClaims(files, this.#signal)
  }

  async *directories(): AsyncGenerator<ModelDirectory> {
    const { path } = await this.#opened()
    for (const directory of directoriesAbove(path)) yield directoryAt(directory, path)
  }

  /** Links are followed: nothing is verified here, and programs must work as they do without modelseal. */
  unverified(): PlainModel {
    const path = this.#path
    try {
      const found = statSync(path, { bigint: true })
      const directory = found.isDirectory()
      const root = directory ? path : dirname(path)
      const { dev, ino } = directory ? found : statSync(root, { bigint: true })
      const name = basename(root) || 'model'
      const files = localFiles({ kind: 'directory', path: root, inode: { dev, ino }, givenPath: root, name })
      return directory ? { files } : { files, entry: basename(path), names: [basename(path)] }
    } catch (error) {
      if (!isGone(error)) throw unreadable(path, 'model', error)
      throw modelNotFound(path, error)
    }
  }

  /** A directory behind a link has neighbours at both ends; those of the given path come first. */
  async #ofModel({ path, givenPath }: LocalSource): Promise<BundleGroup> {
    const inside = await ofDirectory(givenPath, this.#signal)
    return {
      candidates: inside.length > 0 ? inside : await ofDirectory(path, this.#signal),
      looked: [join(path, 'model.sig'), `${path}.sig`],
    }
  }

  /** Cached unless it failed. */
  #opened(): Promise<LocalSource> {
    this.#source ??= openLocalSource(this.#path).catch((error: unknown) => {
      this.#source = undefined
      throw error
    })
    return this.#source
  }

  async #inside(directory: string, names: readonly NamePattern[]): Promise<BundleGroup> {
    const found = await bundlesInside(directory, names, this.#signal)
    return {
      candidates: found.slice(0, MAX_BUNDLES + 1).map((name) => candidateAt(`${directory}/${name}`)),
      looked: [],
    }
  }
}

function directoryAt(directory: string, path: string): ModelDirectory {
  return {
    entry: relative(directory, path).split(sep).join('/'),
    files: async () => localFiles(await openLocalSource(directory)),
  }
}

async function ofDirectory(directory: string, signal: AbortSignal | undefined): Promise<BundleCandidate[]> {
  const inside = join(directory, 'model.sig')
  return beside(directory, exists(inside) ? inside : `${directory}.sig`, signal)
}

/** `PATH.sig`, if it exists, then `PATH.*.sig` by name. */
async function beside(path: string, first: string, signal: AbortSignal | undefined): Promise<BundleCandidate[]> {
  const own = exists(first) ? [first] : []
  const further = await inTurns(furtherBeside(path), signal)
  return [...own, ...further.map((name) => join(dirname(path), name))].map(candidateAt)
}

/**
 * The first names of the form `PATH.*.sig`, ordered by code points: one more than are read, because a directory can have any
 * number of them.
 */
function* furtherBeside(path: string): Steps<string[]> {
  const base = basename(path)
  const names: string[] = []
  let seen = 0
  try {
    for (const { name } of entriesOf(dirname(path))) {
      if (++seen % NAMES_PER_STEP === 0) yield
      if (!name.startsWith(`${base}.`) || !name.endsWith('.sig') || name.length <= base.length + 4) continue
      const last = names[MAX_BUNDLES]
      if (last !== undefined && byCodePoints(name, last) > 0) continue
      names.push(name)
      names.sort(byCodePoints).splice(MAX_BUNDLES + 1)
    }
  } catch (error) {
    // If the directory cannot be listed, `PATH.sig` can still be read.
    if (!(error instanceof ModelSealError)) throw error
    return []
  }
  return names
}

/** The only directory inside this one, apart from hidden ones, if it has a bundle: archives often contain such a directory. */
function* nestedModel(directory: string): Steps<string | undefined> {
  let only: string | undefined
  let seen = 0
  try {
    for (const entry of entriesOf(directory)) {
      if (++seen % NAMES_PER_STEP === 0) yield
      if (!entry.isDirectory() || entry.name.startsWith('.')) continue
      if (only !== undefined) return undefined
      only = join(directory, entry.name)
    }
  } catch (error) {
    if (!(error instanceof ModelSealError)) throw error
    return undefined
  }
  return only !== undefined && (existsSync(join(only, 'model.sig')) || existsSync(`${only}.sig`)) ? only : undefined
}

function candidateAt(path: string): BundleCandidate {
  return {
    path,
    read: async ({ maxBytes = Infinity }, receive) => {
      const bytes = await readSmallFile(path, { ...BUNDLE_TO_READ, maxBytes })
      return receive({ size: bytes.length, chunks: [bytes] })
    },
  }
}

function* directoriesAbove(path: string): Generator<string> {
  for (let directory = dirname(path); ; directory = dirname(directory)) {
    yield directory
    if (dirname(directory) === directory) return
  }
}

function exists(path: string): boolean {
  try {
    statSync(path)
    return true
  } catch (error) {
    if (isGone(error)) return false
    throw unreadable(path, 'signature bundle', error)
  }
}

/** @returns undefined if there is no such file */
async function openFile(path: string, name: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, READ_ONLY)
  } catch (error) {
    if (isGone(error)) return undefined
    throw unreadable(name, 'file', error)
  }
}

async function bodyOf(
  handle: FileHandle,
  name: string,
  range?: { readonly start: number; readonly end: number },
): Promise<SourceBody> {
  const found = await handle.stat()
  if (!found.isFile()) throw special(name, name)
  const { start, end } = range ?? { start: 0, end: Infinity }
  const chunks = filePieces(handle, { start, end }, PIECE_BYTES)
  return { size: Math.max(Math.min(end, found.size) - start, 0), chunks }
}
