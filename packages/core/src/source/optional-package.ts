import { isAbsolute } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

let from: string | undefined

/** For a thread whose code is not in a file: sets the file of the thread that started it. */
export function findPackagesFrom(file: string): void {
  from = file
}

/** The file that contains this code; in a bundled program, the bundle. Never derived from the working directory. */
export function ownFile(): string {
  if (from !== undefined) return from
  // Bundlers leave one of them undefined, or set it to the path at build time.
  if (typeof __filename === 'string' && isAbsolute(__filename)) return __filename
  const url = import.meta.url as string | undefined
  return url?.startsWith('file:') ? fileURLToPath(url) : process.execPath
}

/**
 * Loads a CommonJS package that may not be installed. Hidden from bundlers, which would fail if it is missing and
 * cannot bundle native addons.
 */
export function optionalPackage(name: string): unknown {
  return process.getBuiltinModule('node:module').createRequire(pathToFileURL(ownFile()))(name)
}
