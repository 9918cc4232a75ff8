import { readdir, stat } from 'node:fs/promises'
import { endianness } from 'node:os'
import { join } from 'node:path'
import type * as pkcs11js from 'pkcs11js'
import { isError, messageOf } from '../../any-realm.ts'
import { ModelSealError, shown } from '../../errors.ts'
import { denialHint } from '../../source/private/access-denied.ts'
import { optionalPackage } from '../../source/optional-package.ts'
import { errno } from '../../source/file-errors.ts'
import type { Pkcs11Uri } from './uri.ts'

/** Where distributions install modules: Fedora and openSUSE, Arch, Debian. */
const MODULE_DIRECTORIES = [
  '/usr/lib64/pkcs11',
  '/usr/lib/pkcs11',
  '/usr/lib/x86_64-linux-gnu/pkcs11',
  '/usr/lib/aarch64-linux-gnu/pkcs11',
  '/usr/lib/softhsm',
]

const MODULE_ENDING = /\.(?:so|dylib|dll)$/i

/** An initialized module, and the constants of its package. */
export interface Pkcs11Module {
  pkcs11: pkcs11js.PKCS11
  constants: Pkcs11Package
  /** Path of the module, for messages. */
  path: string
}

export type Pkcs11Package = typeof pkcs11js

/**
 * Initializes a module while `use` runs. A module that the process already uses stays as it is.
 *
 * @throws {@link ModelSealError} `PKCS11_MODULE`, and what `use` throws
 */
export function withModule<T>(constants: Pkcs11Package, path: string, use: (module: Pkcs11Module) => T): T {
  const pkcs11 = new constants.PKCS11()
  try {
    const finalize = initialized(pkcs11, constants, path)
    try {
      return use({ pkcs11, constants, path })
    } finally {
      if (finalize) quietly(() => pkcs11.C_Finalize())
    }
  } finally {
    pkcs11.close()
  }
}

/** Clean-up must not hide the error that made it necessary. */
export function quietly(cleanUp: () => void): void {
  try {
    cleanUp()
  } catch {
    // The token is gone, and the session with it.
  }
}

/** @returns whether we must finalize the module */
function initialized(pkcs11: pkcs11js.PKCS11, constants: Pkcs11Package, path: string): boolean {
  try {
    pkcs11.load(path)
    pkcs11.C_Initialize()
    return true
  } catch (cause) {
    if (returnValue(cause) === constants.CKR_CRYPTOKI_ALREADY_INITIALIZED) return false
    throw new ModelSealError('PKCS11_MODULE', `Cannot load the PKCS#11 module ${shown(path)}.`, {
      file: path,
      found: shown(messageOf(cause)),
      hint: 'Use the shared library that came with the token, built for this platform.',
      cause,
    })
  }
}

/** The CK_RV of an error of the package; undefined for any other error. */
export function returnValue(error: unknown): number | undefined {
  // PKCS#11 functions set their return value; a library that cannot be loaded sets 0.
  return isError(error) && 'code' in error && typeof error.code === 'number' && error.code !== 0
    ? error.code
    : undefined
}

/** A CK_ULONG, in native byte order. */
export function unsignedLong(bytes: Buffer): bigint {
  const ordered = endianness() === 'LE' ? Buffer.from(bytes).reverse() : bytes
  return BigInt(`0x${ordered.toString('hex')}`)
}

/**
 * Loads the optional package for PKCS#11.
 *
 * @throws {@link ModelSealError} `PKCS11_UNAVAILABLE`
 */
export function loadPkcs11Package(): Pkcs11Package {
  try {
    return optionalPackage('pkcs11js') as Pkcs11Package
  } catch (cause) {
    // ESM and CommonJS use different codes. The name tells a missing package from a missing addon.
    const missing = /MODULE_NOT_FOUND$/.test(errno(cause)) && messageOf(cause).includes("'pkcs11js'")
    throw new ModelSealError(
      'PKCS11_UNAVAILABLE',
      missing
        ? 'Cannot sign with a PKCS#11 token: the optional package pkcs11js is not installed.'
        : 'Cannot sign with a PKCS#11 token: the optional package pkcs11js is installed, but its native addon cannot be loaded.',
      {
        hint: missing
          ? 'Install it beside @modelseal/core: "npm install pkcs11js@2".'
          : (denialHint(cause) ??
            'Build it on this machine: "npm rebuild pkcs11js", with install scripts allowed and a C++ compiler installed.'),
        cause,
      },
    )
  }
}

/**
 * Finds the module that a URI names (RFC 7512 2.3 `module-path`, `module-name`).
 *
 * @param directories where to search for a name; by default where distributions install modules
 * @returns the path of a file
 * @throws {@link ModelSealError} `PKCS11_URI_INVALID`, `PKCS11_MODULE`
 */
export async function findModule(
  { modulePath, moduleName }: Pkcs11Uri,
  directories: readonly string[] = MODULE_DIRECTORIES,
): Promise<string> {
  if (modulePath !== undefined && !(await isDirectory(modulePath))) return modulePath
  if (moduleName === undefined) throw namesNoModule()
  // RFC 7512 2.3: with a name, the path says where to search.
  const searched = modulePath === undefined ? directories : [modulePath]
  for (const directory of searched) {
    const file = (await filesOf(directory)).find((name) => isCalled(name, moduleName))
    if (file !== undefined) return join(directory, file)
  }
  throw new ModelSealError('PKCS11_MODULE', `Cannot find the PKCS#11 module ${shown(moduleName)}.`, {
    expected: `the file ${shown(`lib${moduleName}.so`)} or ${shown(`${moduleName}.so`)} in ${searched.map(shown).join(', ')}`,
    hint: 'Install it, or give its path as module-path.',
  })
}

/**
 * Does not need the package for PKCS#11.
 *
 * @throws {@link ModelSealError} `PKCS11_URI_INVALID`
 */
export function checkNamesModule({ modulePath, moduleName }: Pkcs11Uri): void {
  if (modulePath === undefined && moduleName === undefined) throw namesNoModule()
}

function namesNoModule(): ModelSealError {
  return new ModelSealError('PKCS11_URI_INVALID', 'Invalid PKCS#11 URI: it does not name the module of the token.', {
    hint: 'Add "?module-path=/usr/lib/softhsm/libsofthsm2.so" or "?module-name=softhsm2" to it.',
  })
}

async function isDirectory(path: string): Promise<boolean> {
  try {
    const found = await stat(path)
    if (found.isFile() || found.isDirectory()) return found.isDirectory()
  } catch (cause) {
    throw new ModelSealError('PKCS11_MODULE', `Cannot open the PKCS#11 module ${shown(path)}: ${errno(cause)}.`, {
      file: path,
      hint: 'Give the path of the shared library that came with the token.',
      cause,
    })
  }
  throw new ModelSealError(
    'PKCS11_MODULE',
    `Cannot open the PKCS#11 module ${shown(path)}: it is not a regular file.`,
    { file: path },
  )
}

async function filesOf(directory: string): Promise<string[]> {
  try {
    return (await readdir(directory)).sort()
  } catch {
    return [] // most machines have only one or two of the usual directories
  }
}

/** With or without `lib` and the file extension, case-insensitively, like the reference tool. */
function isCalled(file: string, name: string): boolean {
  return MODULE_ENDING.test(file) && bareName(file) === bareName(name)
}

function bareName(name: string): string {
  return name.toLowerCase().replace(MODULE_ENDING, '').replace(/^lib/, '')
}
