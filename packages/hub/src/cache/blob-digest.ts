import { createHash, type Hash } from 'node:crypto'
import type { SignedContent } from '@modelseal/core/source'
import type { CachedFile } from './blob-store.ts'

/**
 * Checks that content has the digest that is its name in the cache, because other programs believe the name. If the load
 * compares it with the same digest, it is not hashed here as well.
 */
export class BlobDigest {
  readonly #name: string
  readonly #hash: Hash | undefined

  constructor({ blob, size }: CachedFile, signed: SignedContent | undefined) {
    this.#name = blob
    const isCompared =
      signed?.hashType === 'sha256' &&
      signed.size === undefined &&
      signed.digests.length === 1 &&
      signed.digests[0] === blob
    if (isCompared) return
    // Git's object format: the type and the size come before the content.
    this.#hash = blob.length === 64 ? createHash('sha256') : createHash('sha1').update(`blob ${size}\0`)
  }

  update(chunk: Uint8Array): void {
    this.#hash?.update(chunk)
  }

  isRight(): boolean {
    return !this.#hash || this.#hash.digest('hex') === this.#name
  }
}
