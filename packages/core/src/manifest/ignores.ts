import { isAbsolute, relative, resolve, sep } from 'node:path'
import { ModelSealError, shown } from '../errors.ts'
import type { LocalSource } from '../source/local/local-source.ts'
import { ignorePathFault } from './names.ts'

/** OMS 6.2: paths that are left out by default, only at the top level of the model. */
export const GIT_PATHS: readonly string[] = ['.git', '.gitattributes', '.github', '.gitignore']

/**
 * A predicate that leaves out exactly the given names and everything below them (OMS 6.2.1).
 */
export function ignoring(names: Iterable<string>): (name: string) => boolean {
  const ignored = new Set(names)
  // Enumeration asks for a directory before its contents, so an ignored subtree is never reached.
  return (name) => ignored.has(name)
}

/**
 * Turns paths that a user wants to ignore into names relative to the model root. Relative paths are
 * relative to the model. Paths outside the model match nothing and are dropped.
 *
 * @throws {@link ModelSealError} `INVALID_ARGUMENT` for a glob, or for the model itself
 */
export function ignoredNames(source: LocalSource, paths: Iterable<string>): string[] {
  if (source.kind === 'file') return []
  const names: string[] = []
  for (const path of paths) {
    const name = nameWithin(source, path)
    if (name === undefined) continue
    const fault = name === '' ? 'it is the model itself' : ignorePathFault(name)
    if (fault)
      throw new ModelSealError('INVALID_ARGUMENT', `Cannot ignore the path ${shown(path)}: ${fault}.`, {
        file: path,
      })
    names.push(name)
  }
  return names
}

/** The name of a path relative to the model root, or undefined if it is outside the model. */
export function nameWithin(source: LocalSource, path: string): string | undefined {
  // An absolute path may contain the links that led to the model, or their targets.
  for (const root of [source.path, source.givenPath]) {
    const name = relative(root, resolve(root, path)).split(sep).join('/')
    if (name !== '..' && !name.startsWith('../') && !isAbsolute(name)) return name
  }
  return undefined
}

/**
 * Turns paths that a user names into names relative to the model root. Returns undefined, which means the
 * whole model, for a model that is a single file.
 *
 * @throws {@link ModelSealError} `FILE_NOT_SIGNED` for a path outside the model
 */
export function namesWithin(source: LocalSource, paths: readonly string[]): string[] | undefined {
  if (source.kind === 'file') return undefined
  return paths.map((path) => {
    const name = nameWithin(source, path)
    if (name) return name
    throw new ModelSealError('FILE_NOT_SIGNED', `Cannot check the path ${shown(path)}: it is outside the model.`, {
      file: path,
    })
  })
}
