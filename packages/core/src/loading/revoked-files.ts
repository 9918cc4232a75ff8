import { isHashType, type HashType } from '../hashing/algorithms.ts'
import { at } from '../hashing/batches.ts'
import { wholeFile } from '../hashing/hash-file.ts'
import { hashFiles } from '../hashing/hash-files.ts'
import type { Contents, HashedAmount } from '../manifest/contents.ts'
import type { Serialization } from '../manifest/serialization.ts'
import type { Revocations } from '../policy/revocations.ts'
import type { SignatureBounds } from '../policy/signature-time.ts'
import type { SourceFile } from '../source/source-file.ts'
import type { AllowedIsolation, IsolationLevel } from './isolation.ts'
import { Placing, type PlacedFiles, type PlaceOptions } from './placed-files.ts'
import type { CheckedFiles, FileRequest } from './served-files.ts'

interface Lookup {
  revocations: Revocations
  /** When the model was signed, as far as that is proven. */
  when?: SignatureBounds | undefined
  signal?: AbortSignal | undefined
}

/**
 * Serves the files of a manifest, each looked up among the revoked files first. Digests that the
 * manifest has were looked up when it was judged; this computes the others, which costs a second
 * hashing where the model was signed in shards or with another algorithm than the revocations'.
 */
export class UnrevokedContents implements CheckedFiles {
  readonly #contents: Contents
  readonly #allowed: AllowedIsolation
  readonly #placing: Placing
  readonly #lookup: Lookup
  readonly #algorithms: readonly HashType[]
  readonly #cleared = new Set<string>()

  #read = false

  constructor(contents: Contents, allowed: AllowedIsolation, lookup: Lookup) {
    this.#contents = contents
    this.#allowed = allowed
    this.#placing = new Placing(contents, allowed)
    this.#lookup = lookup
    this.#algorithms = hashTypesBeside(contents.serialization, lookup.revocations)
  }

  get names(): readonly string[] {
    return this.#contents.names
  }

  get used(): IsolationLevel[] {
    return [...(this.#read ? (['memory'] as const) : []), ...this.#placing.used]
  }

  get checked(): HashedAmount {
    return this.#contents.checked
  }

  size(name: string): number {
    return this.#contents.file(name).identity.size
  }

  inMemory(names: readonly string[]): boolean {
    return this.#allowed.inMemory(names.reduce((sum, name) => sum + this.size(name), 0))
  }

  async read(name: string): Promise<Uint8Array<ArrayBuffer>> {
    const [bytes] = await this.readAll([{ name }])
    return bytes ?? new Uint8Array()
  }

  async readAll(requests: readonly FileRequest[]): Promise<Uint8Array<ArrayBuffer>[]> {
    this.#allowed.checkReading()
    const names = requests.map(({ name }) => name)
    const buffers = await this.#contents.readAll(names)
    await this.#clear(names.map((name) => this.#contents.file(name)))
    this.#read = true
    return buffers
  }

  async place(names: readonly string[], options?: PlaceOptions): Promise<PlacedFiles> {
    const placed = await this.#placing.place(names, options)
    await this.#clear(names.map((name) => this.#contents.file(name)))
    return placed
  }

  confirm(): void {
    this.#placing.confirm()
  }

  dispose(): Promise<void> {
    return this.#placing.dispose()
  }

  async checkRest(): Promise<void> {
    await this.#contents.checkRest()
    await this.#clear(this.#contents.sourceFiles)
  }

  /** Hashing refuses a file that is not the one that was listed, so these are the bytes that were read. */
  async #clear(files: readonly SourceFile[]): Promise<void> {
    const open = files.filter(({ name }) => !this.#cleared.has(name))
    await refuseRevoked(open, this.#algorithms, this.#lookup)
    for (const { name } of open) this.#cleared.add(name)
  }
}

/**
 * Hashes whole files and looks the digests up.
 *
 * @throws {@link ModelSealError} `FILE_REVOKED`, and what hashing throws
 */
export async function refuseRevoked(
  files: readonly SourceFile[],
  algorithms: readonly HashType[],
  { revocations, when, signal }: Lookup,
): Promise<void> {
  if (files.length === 0) return
  for (const hashType of algorithms) {
    const results = await hashFiles(
      files.map((file) => wholeFile(file)),
      { hashType, signal },
    )
    for (const [index, { name }] of files.entries()) {
      const revoked = revocations.file(name, hashType, at(at(results, index).digests, 0), when)
      if (revoked) throw revoked
    }
  }
}

/** Those by which files are revoked, and whose digests the manifest does not have. */
export function hashTypesBeside({ method, hashType }: Serialization, revocations: Revocations): HashType[] {
  return hashTypesOf(revocations).filter((type) => method === 'shards' || type !== hashType)
}

export function hashTypesOf({ fileAlgorithms }: Revocations): HashType[] {
  return [...fileAlgorithms].filter(isHashType)
}
