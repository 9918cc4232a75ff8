import { randomFillSync } from 'node:crypto'

/** A digest in the form in which tables compare it. */
export interface Digest {
  /** 32 bits each. */
  words: Uint32Array
  hash: number
}

/** @returns undefined for what is not lowercase hex of whole words, up to 512 bits: no table has it */
export function digestIn(hex: string): Digest | undefined {
  const count = readHex(hex, scratch)
  return count === 0 ? undefined : { words: scratch.slice(0, count), hash: hashOf(scratch, 0, count) }
}

/**
 * Numbers by digest, for lists of a million digests: each takes its own size and some six bytes, all of it outside the heap. What is
 * added stays.
 */
export class DigestTable {
  /** Words of a digest, as in the first that was added. */
  #width = 0
  /** Number of digests for which there is place. */
  #size = 0
  /** Number of digests that were announced. There is place for them from the next one on that would have none. */
  #announced = 0
  #rows = new Uint32Array(0)
  /** The number of each row; undefined as long as all are 0. */
  #values: Uint32Array | undefined
  /** Further numbers of a row. */
  readonly #further = new Map<number, Set<number>>()
  /** Open addressing: each slot has the number of a row plus one, or 0. */
  #slots = new Uint32Array(1)
  #count = 0

  /** Announces further digests, so that they do not have to move while they are added. */
  reserve(more: number): void {
    this.#announced = Math.max(this.#announced, this.#count + more)
  }

  /** @returns false for what is not a digest, or one of another length than the first, which is not added */
  add(hex: string, value: number): boolean {
    const count = readHex(hex, scratch)
    this.#width ||= count
    if (count === 0 || count !== this.#width) return false
    if (this.#count === this.#size) this.#grow()
    const slot = this.#slotOf(scratch, 0, hashOf(scratch, 0, count))
    const known = this.#slots[slot] ?? 0
    if (known > 0) this.#addFurther(known - 1, value)
    else {
      const row = this.#count++
      this.#slots[slot] = row + 1
      for (let word = 0; word < count; word++) this.#rows[row * count + word] = scratch[word] ?? 0
      if (value > 0) this.#values ??= new Uint32Array(this.#size)
      if (this.#values) this.#values[row] = value
    }
    return true
  }

  /** By a half at least, so that the cost for each digest stays the same. */
  #grow(): void {
    this.#size = Math.max(this.#announced, Math.ceil(this.#count * 1.5), 16)
    this.#rows = enlarged(this.#rows, this.#size * this.#width)
    this.#values &&= enlarged(this.#values, this.#size)
    this.#slots = new Uint32Array(Math.ceil(this.#size * 1.5))
    for (let row = 0; row < this.#count; row++) {
      const start = row * this.#width
      this.#slots[this.#slotOf(this.#rows, start, hashOf(this.#rows, start, this.#width))] = row + 1
    }
  }

  /** The numbers of a digest in the order in which they were added, each once. */
  get({ words, hash }: Digest): readonly number[] {
    if (words.length !== this.#width) return NONE
    const row = (this.#slots[this.#slotOf(words, 0, hash)] ?? 0) - 1
    return row < 0 ? NONE : [this.#valueOf(row), ...(this.#further.get(row) ?? [])]
  }

  /** Numbers can be many for one digest, so they are not slots of their own. */
  #addFurther(row: number, value: number): void {
    if (value === this.#valueOf(row)) return
    const further = this.#further.get(row) ?? new Set()
    this.#further.set(row, further.add(value))
  }

  #valueOf(row: number): number {
    return this.#values?.[row] ?? 0
  }

  /** The slot of a digest, or the empty one in which it belongs. A third of them is empty at least. */
  #slotOf(words: Uint32Array, start: number, hash: number): number {
    const { length } = this.#slots
    for (let slot = Math.floor((hash / 2 ** 32) * length); ; slot = slot + 1 === length ? 0 : slot + 1) {
      const row = (this.#slots[slot] ?? 0) - 1
      if (row < 0 || this.#isRow(row, words, start)) return slot
    }
  }

  #isRow(row: number, words: Uint32Array, start: number): boolean {
    const first = row * this.#width
    for (let word = 0; word < this.#width; word++) if (this.#rows[first + word] !== words[start + word]) return false
    return true
  }
}

const NONE: readonly number[] = []

function enlarged(array: Uint32Array, length: number): Uint32Array<ArrayBuffer> {
  const larger = new Uint32Array(length)
  larger.set(array)
  return larger
}

/** The longest digest. */
const MAX_WORDS = 16

/** Whoever writes a list could otherwise choose digests that all have the same slot. */
const SEEDS = randomFillSync(new Uint32Array(MAX_WORDS))

/** Mixes each word as MurmurHash3 does. */
function hashOf(words: Uint32Array, start: number, count: number): number {
  let hash = 0
  for (let index = 0; index < count; index++) {
    let word = (words[start + index] ?? 0) ^ (SEEDS[index] ?? 0)
    word = Math.imul(word ^ (word >>> 16), 0x85ebca6b)
    word = Math.imul(word ^ (word >>> 13), 0xc2b2ae35)
    hash = (hash + (word ^ (word >>> 16))) | 0
  }
  return hash >>> 0
}

/** The digest that is being read. Typed arrays take long to make. */
const scratch = new Uint32Array(MAX_WORDS)

/** Values of hex digits by their character codes; anything else is larger than any. */
const DIGITS = new Uint8Array(128).fill(16)
for (let value = 0; value < 16; value++) DIGITS[value.toString(16).charCodeAt(0)] = value

/** @returns the number of words; 0 for what is not lowercase hex of whole words */
function readHex(hex: string, words: Uint32Array): number {
  const count = hex.length / 8
  if (count > words.length || !Number.isInteger(count)) return 0
  let all = 0
  for (let word = 0, index = 0; word < count; word++) {
    let value = 0
    for (const end = index + 8; index < end; index++) {
      const digit = DIGITS[hex.charCodeAt(index)] ?? 16
      all |= digit
      value = (value << 4) | digit
    }
    words[word] = value
  }
  return all < 16 ? count : 0
}
