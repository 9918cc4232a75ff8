import { StreamHasher } from '../../hashing/stream-hasher.ts'
import type { Comparison } from './comparison.ts'
import type { FurtherDigests } from '../contents.ts'

/** Computes all digests of one file in the same pass, as it arrives. */
export class ArrivalHashing {
  readonly #main: StreamHasher | undefined
  readonly #further: FurtherDigests
  readonly #others: readonly { readonly type: FurtherDigests['hashTypes'][number]; readonly hasher: StreamHasher }[]

  constructor(digests: Comparison['digests'], further: FurtherDigests) {
    this.#main = digests && new StreamHasher(digests.hashType, digests.shardSize)
    this.#further = further
    this.#others = further.hashTypes.map((type) => ({ type, hasher: new StreamHasher(type, Infinity) }))
  }

  update(bytes: Uint8Array): void {
    this.#main?.update(bytes)
    for (const { hasher } of this.#others) hasher.update(bytes)
  }

  digests(): string[] {
    return this.#main?.digests() ?? []
  }

  /** @throws {@link ModelSealError} if the file is refused by one of the further digests */
  checkFurther(name: string): void {
    for (const { type, hasher } of this.#others) this.#further.check(name, type, hasher.digests()[0] ?? '')
  }
}
