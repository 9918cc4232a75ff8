import type { HashType } from '../../hashing/algorithms.ts'
import { StreamHasher } from '../../hashing/stream-hasher.ts'
import type { Manifest } from '../../manifest/manifest.ts'
import type { Verdict } from '../../results.ts'
import { nextTurn } from '../../source/aborted.ts'
import type { FileRequest } from '../../source/size-limit.ts'
import type { IsolationLevel } from '../placing/isolation.ts'
import type { PlacedFiles, PlaceOptions } from '../placing/placed-files.ts'
import type { ServedFiles } from './served-files.ts'

/** Is notified of everything that is handed out from a model. */
export interface HandOuts {
  read(file: HandedOut): void
  /** A directory from which a runtime may load, and the names that were placed in it. */
  placed(files: PlacedFiles, names: readonly string[], verdict: Verdict): void
  /** The placed files are removed. */
  over(): void
}

/** A buffer that was handed out, and its content at that time. */
export interface HandedOut {
  name: string
  bytes: Uint8Array
  content: ContentDigests
  /** The verdict of the load. Its `model.format` is the one that the caller stated. */
  verdict: Verdict
}

/** The content of a buffer, as digests of its parts. */
interface ContentDigests {
  hashType: HashType
  /** Size of each part in bytes; Infinity for a single digest. */
  partBytes: number
  digests: readonly string[]
}

/** True if the bytes are the ones that were handed out. Hashing long buffers yields to the event loop. */
export async function holds(bytes: Uint8Array, { hashType, partBytes, digests }: ContentDigests): Promise<boolean> {
  const found = await digestsOf(bytes, hashType, partBytes)
  return found.length === digests.length && found.every((digest, index) => digest === digests[index])
}

/** Hands out the files of a model and reports each one. */
export class WatchedFiles implements ServedFiles {
  readonly #files: ServedFiles
  readonly #manifest: Manifest | undefined
  readonly #handOuts: HandOuts
  readonly #verdict: Verdict

  /** @param manifest manifest of the signature; undefined if the files are not verified */
  constructor(files: ServedFiles, manifest: Manifest | undefined, handOuts: HandOuts, verdict: Verdict) {
    this.#files = files
    this.#manifest = manifest
    this.#handOuts = handOuts
    this.#verdict = verdict
  }

  get names(): readonly string[] {
    return this.#files.names
  }

  get used(): readonly IsolationLevel[] {
    return this.#files.used
  }

  size(name: string): number {
    return this.#files.size(name)
  }

  get notes(): readonly string[] {
    return this.#files.notes
  }

  inMemory(names: readonly string[]): boolean {
    return this.#files.inMemory(names)
  }

  async read(name: string): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = await this.#files.read(name)
    await this.#tell(name, bytes)
    return bytes
  }

  async readAll(requests: readonly FileRequest[]): Promise<Uint8Array<ArrayBuffer>[]> {
    const buffers = await this.#files.readAll(requests)
    for (const [index, bytes] of buffers.entries()) await this.#tell(requests[index]?.name ?? '', bytes)
    return buffers
  }

  async place(names: readonly string[], options?: PlaceOptions): Promise<PlacedFiles> {
    const files = await this.#files.place(names, options)
    this.#handOuts.placed(files, names, this.#verdict)
    return files
  }

  confirm(): void {
    this.#files.confirm()
  }

  async dispose(): Promise<void> {
    this.#handOuts.over()
    await this.#files.dispose()
  }

  async #tell(name: string, bytes: Uint8Array): Promise<void> {
    this.#handOuts.read({ name, bytes, content: await this.#contentOf(name, bytes), verdict: this.#verdict })
  }

  /** The signed digests if the whole file was handed out; otherwise digests that are computed here. */
  async #contentOf(name: string, bytes: Uint8Array): Promise<ContentDigests> {
    if (this.#manifest && bytes.length === this.#files.size(name)) {
      const { hashType, shardSize = Infinity } = this.#manifest.serialization
      return { hashType, partBytes: shardSize, digests: this.#manifest.listed(name).digests }
    }
    return { hashType: 'sha256', partBytes: Infinity, digests: await digestsOf(bytes, 'sha256', Infinity) }
  }
}

/** Number of bytes that are hashed at a time, which takes a few milliseconds. */
const TURN_BYTES = 8 * 1024 * 1024

async function digestsOf(bytes: Uint8Array, hashType: HashType, partBytes: number): Promise<string[]> {
  const hasher = new StreamHasher(hashType, partBytes)
  for (let start = 0; start < bytes.length; start += TURN_BYTES) {
    if (start > 0) await nextTurn(undefined)
    hasher.update(bytes.subarray(start, start + TURN_BYTES))
  }
  return bytes.length === 0 && Number.isFinite(partBytes) ? [] : hasher.digests()
}
