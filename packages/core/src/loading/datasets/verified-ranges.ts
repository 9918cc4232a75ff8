import { at } from '../../at.ts'
import { shown, withHint, type ModelSealError } from '../../errors.ts'
import type { HashType } from '../../hashing/algorithms.ts'
import { StreamHasher } from '../../hashing/stream-hasher.ts'
import { hashedArrival } from '../../manifest/arriving/arrival.ts'
import { ArrivalDigests } from '../../manifest/arriving/arrival-digests.ts'
import { SignedComparison } from '../../manifest/arriving/signed-comparison.ts'
import { isMismatch, mismatch } from '../../manifest/mismatch.ts'
import { HEAD_BYTES } from '../../manifest/plain-content.ts'
import { withoutPrototype } from '../../snapshot.ts'
import { Landing } from '../../source/answers/pieces.ts'
import { BodyBuffer } from '../../source/body-buffer.ts'
import { ignoresRanges } from '../../source/http/request.ts'
import { lanes } from '../../source/lanes.ts'
import type { SourceBody } from '../../source/model-source.ts'
import { MAX_SHARD_BYTES, type SignedParts } from '../files/signed-parts.ts'
import { memoryFor, type Ranges } from './ranges.ts'
import { RecentParts } from './recent-parts.ts'
import { READS_AT_A_TIME, type ShardCache } from './shard-cache.ts'

/** Size of the parts of which our own digests are made while a file is hashed that was signed whole: 4 MiB. */
const OWN_SHARD_BYTES = 4 * 1024 * 1024
/** Shards that one request waits for at a time. */
const SHARDS_AT_A_TIME = 4

/** What ranges of a file are compared with. */
interface Shards {
  readonly hashType: HashType
  readonly shardSize: number
  /** Of the file, in bytes. */
  readonly size: number
  readonly digests: readonly string[]
  /** True if the digests were made here, while the whole file was compared with its signed digest. */
  readonly isOwn: boolean
}

/** One shard of a file. */
interface Shard {
  readonly name: string
  readonly shards: Shards
  /** Counted from 0. */
  readonly index: number
}

interface Range {
  readonly start: number
  readonly end: number
}

/** Reads ranges of signed files. Every byte that it returns is from memory that was hashed and compared. */
export class VerifiedRanges implements Ranges {
  readonly #parts: SignedParts
  readonly #comparison: SignedComparison
  readonly #cache: ShardCache
  readonly #shards = new Map<string, Promise<Shards>>()

  constructor(parts: SignedParts, cache: ShardCache) {
    this.#parts = parts
    this.#comparison = new SignedComparison(parts.files, parts.manifest)
    this.#cache = cache
  }

  async size(name: string): Promise<number> {
    return (await this.#shardsOf(name)).size
  }

  /**
   * @throws {@link ModelSealError} `FILE_NOT_SIGNED`, `FILE_MISMATCH`, `FILE_MISSING`, `FILE_REVOKED`, `FILE_TOO_LARGE`, `ABORTED`, and
   * what the source throws
   */
  async read(name: string, start: number, end: number): Promise<ArrayBuffer> {
    const shards = await this.#shardsOf(name)
    const buffer = memoryFor(name, end - start)
    const { shardSize } = shards
    const first = Math.floor(start / shardSize)
    const count = end > start ? Math.ceil(end / shardSize) - first : 0
    const indexes = Array.from({ length: count }, (_, place) => first + place)
    const copied = lanes(indexes, SHARDS_AT_A_TIME, async (index) => {
      const bytes = await this.#verified({ name, shards, index })
      const offset = index * shardSize
      const part = bytes.subarray(Math.max(start - offset, 0), end - offset)
      buffer.set(part, Math.max(offset - start, 0))
    })
    await Promise.all(copied)
    return buffer.buffer
  }

  async *pieces(name: string): AsyncGenerator<Uint8Array<ArrayBuffer>> {
    const shards = await this.#shardsOf(name)
    for (let index = 0; index * shards.shardSize < shards.size; index++)
      yield (await this.#verified({ name, shards, index })).slice()
  }

  clear(): void {
    this.#cache.clear()
  }

  #shardsOf(name: string): Promise<Shards> {
    let shards = this.#shards.get(name)
    if (!shards) {
      shards = this.#findShards(name)
      this.#shards.set(name, shards)
      // What failed is tried again.
      shards.catch(() => this.#shards.delete(name))
    }
    return shards
  }

  async #findShards(name: string): Promise<Shards> {
    const { digests, size } = this.#comparison.expected(name)
    const { hashType, shardSize } = this.#comparison.digests
    // The policy revokes files by digests of whole files, which no shard tells.
    const isUnknown = this.#parts.further.hashTypes.length > 0
    if (size === undefined || shardSize > MAX_SHARD_BYTES || isUnknown)
      return this.#cache.inTurn(() => this.#hashedWhole(name))
    return { hashType, shardSize, size, digests, isOwn: false }
  }

  /** Compares the whole file with its signed digests, and makes digests of its parts in the same pass. */
  #hashedWhole(name: string): Promise<Shards> {
    return this.#fetched(name, undefined, async ({ size: announced, chunks }, landing) => {
      const { further, limit } = this.#parts
      const { size: known } = this.#comparison.expected(name)
      const own = { hashType: 'sha256', partBytes: OWN_SHARD_BYTES } as const
      const digests = new ArrivalDigests(this.#comparison.digests, further, [own])
      const recent = new RecentParts(OWN_SHARD_BYTES, this.#cache.maxBytes / 2 / READS_AT_A_TIME)
      let size = 0
      let head = Buffer.alloc(0)
      const arrived = (chunk: Uint8Array) => {
        size += chunk.length
        if (known !== undefined && size > known)
          throw this.#comparison.wrongSize(name, { expected: known, found: `${size} bytes or more` })
        limit?.admit(name, size)
        if (head.length < HEAD_BYTES) head = Buffer.concat([head, chunk.subarray(0, HEAD_BYTES - head.length)])
      }
      // eslint-disable-next-line @typescript-eslint/require-await -- a failure is that of the piece
      const write = async (piece: Uint8Array) => recent.add(piece)
      const found = await hashedArrival({ begun: undefined, chunks, arrived, landing, announced }, digests, { write })
      if (known !== undefined && known !== size)
        throw this.#comparison.wrongSize(name, { expected: known, found: `${size} bytes` }, head)
      digests.check(name, found, (main) => this.#comparison.check(name, main, head))
      for (const [index, part] of recent.end()) this.#cache.add(keyOf(name, index), part)
      const { hashType, partBytes: shardSize } = own
      return { hashType, shardSize, size, digests: at(found, found.length - 1), isOwn: true }
    })
  }

  #verified(shard: Shard): Promise<Uint8Array<ArrayBuffer>> {
    return this.#cache.get(keyOf(shard.name, shard.index), () => this.#readShard(shard))
  }

  #readShard(shard: Shard): Promise<Uint8Array<ArrayBuffer>> {
    const { name, shards, index } = shard
    const { hashType, shardSize, size, digests } = shards
    const range = rangeOf(shard)
    const length = range.end - range.start
    // Not every source can read parts of files.
    const asked = length === size ? undefined : range
    return this.#fetched(name, asked, async ({ chunks }: SourceBody): Promise<Uint8Array<ArrayBuffer>> => {
      const buffer = new BodyBuffer(name, length)
      const hasher = new StreamHasher(hashType, shardSize)
      let bytes = 0
      for await (const chunk of chunks as AsyncIterable<Uint8Array>) {
        bytes += chunk.length
        if (bytes > length) throw this.#differs(shard, `${length} bytes`, `${bytes} bytes or more`)
        for (const own of buffer.add(chunk)) hasher.update(own)
      }
      const found = buffer.finish()
      if (bytes !== length) throw this.#differs(shard, `${length} bytes`, `${bytes} bytes`, found)
      const [digest = ''] = hasher.digests()
      const expected = at(digests, index)
      if (digest !== expected) throw this.#differs(shard, `${hashType}:${expected}`, `${hashType}:${digest}`, found)
      return found
    })
  }

  #differs(shard: Shard, expected: string, found: string, head?: Uint8Array): ModelSealError {
    const { name, shards, index } = shard
    const { start, end } = rangeOf(shard)
    const problem = {
      code: 'FILE_MISMATCH',
      file: name,
      expected: `${expected} from byte ${start} to ${end}`,
      found,
    } as const
    const hint = shards.isOwn
      ? 'The file changed after it was compared with its signature. Make sure that nothing writes to the dataset while it is read.'
      : undefined
    const beginning = index === 0 && head ? Buffer.from(head.subarray(0, HEAD_BYTES)) : undefined
    return mismatch(this.#parts.files.path, [problem], () => beginning, hint)
  }

  /** Asks for a file, or a range of it. If a cache of the source had something else, asks once more. */
  async #fetched<T>(
    name: string,
    range: Range | undefined,
    take: (body: SourceBody, landing: Landing) => Promise<T>,
    again?: true,
  ): Promise<T> {
    const { files, reader } = this.#parts
    const signed = this.#comparison.expected(name)
    // What is compared is not in the hands of the source.
    const asked = { name, signed: { ...signed, digests: [...signed.digests] }, range, again }
    const answer = { cached: false }
    const landing = new Landing()
    try {
      const taken = await reader.read(
        `file ${shown(name)}`,
        (signal, receive) => files.read(withoutPrototype({ ...asked, range: range && { ...range }, signal }), receive),
        async (body) => {
          answer.cached = body.cached === true
          return { value: await take(body, landing) }
        },
        landing,
      )
      if (taken) return taken.value
      throw this.#comparison.missing(name)
    } catch (error) {
      if (answer.cached && !again && isMismatch(error)) return this.#fetched(name, range, take, true)
      throw range && ignoresRanges(error) ? withHint(error as ModelSealError, NO_RANGES) : error
    }
  }
}

const NO_RANGES =
  'The server does not support range requests, which reading parts of a dataset needs. Use another server, or download the dataset first.'

function rangeOf({ shards: { shardSize, size }, index }: Shard): Range {
  return { start: index * shardSize, end: Math.min((index + 1) * shardSize, size) }
}

/** Unambiguous, because a number has no colon. */
function keyOf(name: string, index: number): string {
  return `${index}:${name}`
}
