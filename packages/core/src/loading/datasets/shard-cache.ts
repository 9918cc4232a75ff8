/** Shards, or files that are hashed whole, that are read at the same time. Each takes as much memory as is kept of it. */
export const READS_AT_A_TIME = 4

/**
 * Keeps verified shards up to a number of bytes. Those that were not used for the longest time make room for others. Requests for a
 * shard that is being read share one read.
 */
export class ShardCache {
  readonly maxBytes: number
  readonly #kept = new Map<string, Uint8Array<ArrayBuffer>>()
  readonly #reading = new Map<string, Promise<Uint8Array<ArrayBuffer>>>()
  readonly #waiting: (() => void)[] = []
  #running = 0
  #bytes = 0

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes
  }

  /** How much is kept. */
  get bytes(): number {
    return this.#bytes
  }

  /**
   * @param read reads and verifies the shard. A failure is not remembered
   * @returns memory that others use, too: it must be neither changed nor handed out
   */
  get(key: string, read: () => Promise<Uint8Array<ArrayBuffer>>): Promise<Uint8Array<ArrayBuffer>> {
    const kept = this.#kept.get(key)
    if (kept) {
      this.#kept.delete(key)
      this.#kept.set(key, kept)
      return Promise.resolve(kept)
    }
    let reading = this.#reading.get(key)
    if (!reading) {
      reading = this.#read(key, read)
      this.#reading.set(key, reading)
    }
    return reading
  }

  /** Keeps a shard that was verified, unless it is larger than the cache. */
  add(key: string, shard: Uint8Array<ArrayBuffer>): void {
    if (shard.length > this.maxBytes || this.#kept.has(key)) return
    this.#kept.set(key, shard)
    this.#bytes += shard.length
    for (const [oldest, { length }] of this.#kept) {
      if (this.#bytes <= this.maxBytes) return
      this.#kept.delete(oldest)
      this.#bytes -= length
    }
  }

  /** Forgets everything. */
  clear(): void {
    this.#kept.clear()
    this.#bytes = 0
  }

  /** Does work that takes memory when it is its turn. It must not wait for other such work. */
  async inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running >= READS_AT_A_TIME) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    else this.#running++
    try {
      return await work()
    } finally {
      const next = this.#waiting.shift()
      if (next) next()
      else this.#running--
    }
  }

  async #read(key: string, read: () => Promise<Uint8Array<ArrayBuffer>>): Promise<Uint8Array<ArrayBuffer>> {
    try {
      const shard = await this.inTurn(read)
      this.add(key, shard)
      return shard
    } finally {
      this.#reading.delete(key)
    }
  }
}
