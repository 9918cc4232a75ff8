import type { HashType } from '../../hashing/algorithms.ts'
import { CallingThreadHasher, type PieceHasher, type WantedDigests } from '../../hashing/arriving/piece-hasher.ts'
import { ThreadHasher } from '../../hashing/arriving/thread-hasher.ts'
import { pieceThread } from '../../hashing/pool.ts'
import type { Comparison } from './comparison.ts'
import type { FurtherDigests } from '../contents.ts'

/** A smaller file is hashed on the calling thread, because starting another one costs more. */
const THREAD_BYTES = 8 * 1024 * 1024

/** All digests of one file, which are computed in the same pass as it arrives. */
export class ArrivalDigests {
  readonly #hasMain: boolean
  readonly #further: FurtherDigests
  /** There may be more of them by the time the file has arrived. */
  readonly #furtherTypes: readonly HashType[]
  readonly wanted: readonly WantedDigests[]

  /** @param also further digests, which are last in what is found, and which nothing is compared with here */
  constructor(digests: Comparison['digests'], further: FurtherDigests, also: readonly WantedDigests[] = []) {
    const main = digests ? [{ hashType: digests.hashType, partBytes: digests.shardSize }] : []
    this.#hasMain = digests !== undefined
    this.#further = further
    this.#furtherTypes = further.hashTypes
    this.wanted = [...main, ...this.#furtherTypes.map((hashType) => ({ hashType, partBytes: Infinity })), ...also]
  }

  /** @param announced length of the file in bytes; only a hint */
  hasher(announced = 0): PieceHasher {
    const thread = this.wanted.length > 0 && announced >= THREAD_BYTES ? pieceThread() : undefined
    return thread ? new ThreadHasher(thread, this.wanted) : new CallingThreadHasher(this.wanted)
  }

  /**
   * @param found the digests of the file
   * @returns those that are compared with the manifest
   * @throws {@link ModelSealError} if the file is refused by one of the further digests
   */
  check(name: string, found: readonly string[][], main: (digests: readonly string[]) => void): void {
    const [first = [], ...rest] = this.#hasMain ? found : [[], ...found]
    main(first)
    for (const [index, type] of this.#furtherTypes.entries()) this.#further.check(name, type, rest[index]?.[0] ?? '')
  }
}
