import { parse, resolve } from 'node:path'
import { causeOf, codeOf, isError, propertyOf } from '../../any-realm.ts'
import { shown } from '../../errors.ts'

/** By what Node.js calls the permission: the option that grants it. */
const OPTIONS: ReadonlyMap<unknown, string> = new Map([
  ['WorkerThreads', '--allow-worker'],
  ['ChildProcess', '--allow-child-process'],
  ['Net', '--allow-net'],
  ['WASI', '--allow-wasi'],
])

/**
 * What to do where it is Node.js that denied something, because of the options that it was started with, and not the operating
 * system: under `--permission`, whatever no option allows.
 *
 * @param cause what was thrown
 * @param place a directory that has to be writable, where the path that was denied is of a file that is to lie in it
 * @returns a sentence without its full stop; undefined where Node.js denied nothing
 */
export function denialRemedy(cause: unknown, place?: string): string | undefined {
  // Loaders of addons try several files, and say of each why not.
  let error = cause
  for (let depth = 0; depth < MAX_CAUSES && error !== undefined; depth++, error = causeOf(error)) {
    const remedy = remedyOf(error, place)
    if (remedy !== undefined) return remedy
  }
  return undefined
}

const MAX_CAUSES = 8

function remedyOf(cause: unknown, place: string | undefined): string | undefined {
  const code = codeOf(cause)
  if (code === 'ERR_DLOPEN_DISABLED')
    return permissionModel() === undefined
      ? 'Start Node.js without --no-addons'
      : 'Node.js runs with --permission: start it with --allow-addons as well'
  if (code !== 'ERR_ACCESS_DENIED') return undefined
  const option = optionFor(cause, place)
  return `Node.js runs with --permission: start it with ${option} as well`
}

/** {@link denialRemedy} as a sentence of its own. */
export function denialHint(cause: unknown, place?: string): string | undefined {
  const remedy = denialRemedy(cause, place)
  return remedy && `${remedy}.`
}

function optionFor(cause: unknown, place: string | undefined): string {
  const permission = isError(cause) ? propertyOf(cause, 'permission') : undefined
  const resource = isError(cause) ? propertyOf(cause, 'resource') : undefined
  const path = typeof resource === 'string' && resource !== '' ? resource : undefined
  if (permission === 'FileSystemRead') return `--allow-fs-read=${pathOrAll(path)}`
  if (permission === 'FileSystemWrite') return `--allow-fs-write=${pathOrAll(place ?? path)}`
  // symlink() names neither: "fs.symlink API requires full fs.read and fs.write permissions."
  return OPTIONS.get(permission) ?? ALL_FILES
}

/** False where Node.js would deny to write to the path, which `access()` does not tell: it asks the operating system alone. */
export function permitsWriting(path: string): boolean {
  return permissionModel()?.has('fs.write', path) ?? true
}

/** Undefined without `--permission`, whatever the types of Node.js say. */
function permissionModel(): NodeJS.ProcessPermission | undefined {
  return process.permission
}

const ALL_FILES = '--allow-fs-read=* and --allow-fs-write=*'

/** Owners and modes are checked from the root down: who may read that may read everything. */
function pathOrAll(path: string | undefined): string {
  if (path === undefined || path === parse(path).root) return '*'
  // Without a working directory, it stays as it is.
  try {
    return shown(resolve(path))
  } catch {
    return shown(path)
  }
}
