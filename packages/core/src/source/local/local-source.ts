import { existsSync, lstatSync, statSync } from 'node:fs'
import { basename, dirname, join, relative, sep } from 'node:path'
import { absolutePath, plainPlace, workingDirectory } from '../../absolute-path.ts'
import { ModelSealError, shown } from '../../errors.ts'
import { meantUrl } from './meant-url.ts'
import { linksNotAllowed } from './follow-link.ts'
import { hubBlob } from './hub-link.ts'
import { isGone, unreadable } from '../file-errors.ts'
import { realPathIfAny, realPlace, type Inode } from './real-path.ts'
import { special } from './source-file.ts'

export { absolutePath } from '../../environment.ts'

/** A model on this machine: a directory tree, or one file. */
export interface LocalSource {
  kind: 'directory' | 'file'
  /** Absolute path of the directory or file, with links resolved as {@link realPlace} does. */
  path: string
  /** The inode at the path. */
  inode: Inode
  /** The absolute path that the caller gave, with its links. */
  givenPath: string
  /** Last component of the path: the name of the subject in the statement. */
  name: string
}

/**
 * Finds the model at `path`.
 *
 * @throws {@link ModelSealError} `INVALID_ARGUMENT`, `MODEL_NOT_FOUND`, `SYMLINK_REFUSED` (a single file that is a
 * link), `PATH_AMBIGUOUS`, `FILE_SPECIAL`, `FILE_UNREADABLE`
 */
export function openLocalSource(path: string): Promise<LocalSource> {
  return new Promise((resolve) => {
    resolve(localSourceAt(path))
  })
}

/** Looks at once: in the pool of Node.js, a look at a name takes ten times as long. */
function localSourceAt(path: string): LocalSource {
  const absolute = absolutePath(path)
  try {
    const own = lstatSync(absolute, { bigint: true })
    const target = own.isSymbolicLink() ? statSync(absolute, { bigint: true }) : own
    const name = basename(absolute)
    if (target.isDirectory()) {
      const { path, inode } = realPlace(absolute)
      return { kind: 'directory', path, inode, givenPath: absolute, name: name || 'model' }
    }
    const path = join(realPlace(dirname(absolute)).path, name)
    // OMS 6.1.1: a symbolic link is never a resource.
    if (own.isSymbolicLink() && !hubBlob(path)) throw linksNotAllowed(absolute, name)
    if (!target.isFile()) throw special(absolute, name)
    return { kind: 'file', path, inode: { dev: target.dev, ino: target.ino }, givenPath: absolute, name }
  } catch (error) {
    if (error instanceof ModelSealError) throw error
    if (isGone(error)) throw modelNotFound(path, error)
    throw unreadable(path, 'model', error)
  }
}

/** @param path as the caller gave it */
export function modelNotFound(path: string, cause: unknown): ModelSealError {
  const absolute = absolutePath(path)
  // An absolute path is already in the message.
  const place = absolute === path ? '' : ` Resolved to ${shown(absolute)}.`
  const hint = `${missingHint(path, absolute)}${place}`
  return new ModelSealError('MODEL_NOT_FOUND', `There is no model at ${shown(path)}.`, { file: path, hint, cause })
}

/** What the caller may have meant by a path that does not exist. */
function missingHint(given: string, absolute: string): string {
  const meant = meantUrl(given)
  if (meant !== undefined) return `If you mean ${shown(plainPlace(meant))}, write it in this way.`
  const directory = workingDirectory()
  const name = directory === undefined ? '' : relative(directory, absolute).split(sep).join('/')
  const path = 'Give the path of a model directory or file.'
  if (/^~[\w.-]*(?:\/|$)/.test(name))
    return `${path} Only a shell replaces "~" with a home directory: write that directory out, or use os.homedir().`
  const url = `rite ${shown(`hf://${name}`)}, which @modelseal/hub loads.`
  if (/^[A-Za-z0-9][\w-]*$/.test(name)) return `${path} If ${shown(name)} is the id of a model on Hugging Face, w${url}`
  const isHubId = /^[A-Za-z0-9][\w-]*(?:\.[\w-]+)*\/[A-Za-z0-9][\w.-]*$/.test(name) && !existsSync(dirname(absolute))
  return isHubId ? `${shown(name)} looks like the id of a model on Hugging Face. W${url}` : path
}

/**
 * The absolute path of a file that exists or will be created, with the links of its directories resolved. Components
 * that do not exist stay as they are.
 *
 * @throws {@link ModelSealError} `INVALID_ARGUMENT`, `PATH_AMBIGUOUS`
 */
export function localPlace(path: string): string {
  const absolute = absolutePath(path)
  return join(realPathIfAny(dirname(absolute)), basename(absolute))
}
