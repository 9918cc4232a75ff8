import { readdirSync } from 'node:fs'
import { posix } from 'node:path'

/** Code whose mutants the unit tests beside it must kill. */
export interface Scope {
  name: string
  folder: string
  /** Files of the folder that are mutated; default: all. */
  only?: readonly string[]
}

const FLOORS = ['policy', 'verification', 'bundle', 'x509', 'manifest', 'loading', 'receipts', 'attestation']

/** Adapters: what reads the files of models, and so finds other files that they name. */
const READERS = {
  onnxruntime: ['external-references.ts', 'model-files.ts', 'model-format.ts', 'tensor-bytes.ts'],
  tfjs: ['claimed-format.ts', 'model-json.ts', 'model-place.ts', 'saved-model-assets.ts'],
}

export const SCOPES: readonly Scope[] = [
  ...FLOORS.map((floor) => ({ name: `core-${floor}`, folder: `packages/core/src/${floor}` })),
  ...Object.entries(READERS).map(([name, only]) => ({ name, folder: `packages/${name}/src`, only })),
]

/** The files of a scope that are mutated, by name. */
export function sourcesOf({ folder, only }: Scope): string[] {
  if (only) return only.map((name) => `${folder}/${name}`)
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))
    .map((name) => `${folder}/${name.replaceAll('\\', '/')}`)
    .sort()
}

/** The folders of these files. */
export function foldersOf(scope: Scope): string[] {
  return [...new Set(sourcesOf(scope).map((file) => posix.dirname(file)))]
}

/**
 * Where the tests beside the files of a folder are: in this folder, and in those above it up to that of the scope. Others reach
 * the code, too, but run it in passing, and take long.
 */
export function testFolders(folder: string, scope: Scope): string[] {
  return folder === scope.folder ? [folder] : [folder, ...testFolders(posix.dirname(folder), scope)]
}
