import { isAbsolute } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

let from: string | undefined

/** In a thread that runs code from no file: the file of the thread that started it. */
export function findPackagesFrom(file: string): void {
  from = file
}

/** The file that this code is in: that of a bundle, where a program was bundled. Never one of the working directory. */
export function ownFile(): string {
  if (from !== undefined) return from
  // Bundlers leave one of them undefined, or the place where the program was built.
  if (typeof __filename === 'string' && isAbsolute(__filename)) return __filename
  const url = import.meta.url as string | undefined
  return url?.startsWith('file:') ? fileURLToPath(url) : process.execPath
}

/**
 * Loads a package of CommonJS that may be absent. Bundlers do not see that it is loaded: they would fail where it is
 * absent, and could not put a native addon into a bundle.
 */
export function optionalPackage(name: string): unknown {
  return process.getBuiltinModule('node:module').createRequire(pathToFileURL(ownFile()))(name)
}
