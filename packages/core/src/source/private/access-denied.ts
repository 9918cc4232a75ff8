import { parse, resolve } from 'node:path'
import { causeOf, codeOf, isError, propertyOf } from '../../any-realm.ts'
import { shown } from '../../errors.ts'

/** The option that grants each permission, by the name in errors of Node.js. */
const OPTIONS: ReadonlyMap<unknown, string> = new Map([
  ['WorkerThreads', '--allow-worker'],
  ['ChildProcess', '--allow-child-process'],
  ['Net', '--allow-net'],
  ['WASI', '--allow-wasi'],
])

/**
 * What to do if Node.js, not the operating system, denied access because of its command line options: under
 * `--permission`, everything that no option allows.
 *
 * @param cause the error that was thrown
 * @param place the directory that must be writable, if access to a new file in it was denied
 * @returns a sentence without its full stop; undefined if Node.js did not deny access
 */
export function denialRemedy(cause: unknown, place?: string): string | undefined {
  // Addon loaders try several files and attach the error of each as a cause.
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

/** {@link denialRemedy} as a complete sentence. */
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
  // symlink() names neither the permission nor the path: "fs.symlink API requires full fs.read and fs.write
  // permissions."
  return OPTIONS.get(permission) ?? ALL_FILES
}

/**
 * False if Node.js would deny writing to the path. `access()` does not show that, because it asks only the operating
 * system.
 */
export function permitsWriting(path: string): boolean {
  return permissionModel()?.has('fs.write', path) ?? true
}

/** Undefined without `--permission`, although the types of Node.js say otherwise. */
function permissionModel(): NodeJS.ProcessPermission | undefined {
  return process.permission
}

const ALL_FILES = '--allow-fs-read=* and --allow-fs-write=*'

/** Owners and modes are checked from the root down, and read access to the root is read access to everything. */
function pathOrAll(path: string | undefined): string {
  if (path === undefined || path === parse(path).root) return '*'
  // Without a working directory, a relative path stays as it is.
  try {
    return shown(resolve(path))
  } catch {
    return shown(path)
  }
}
