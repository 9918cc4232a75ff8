import type { ByteSource } from './byte-source.ts'

/** Maximum length of a varint, and so of a tag or length. */
const MAX_VARINT_BYTES = 10

/** The interface of `BinaryReader` in `@bufbuild/protobuf/wire`, on which the core does not depend. */
interface BytesReader<Type extends number> {
  pos: number
  tag(): [field: number, type: Type]
  uint32(): number
  uint64(): bigint | string
  skip(type: Type): unknown
}

/**
 * Reads the protobuf wire format in one pass. The bytes need not be in memory, and skipped ones are never requested.
 */
export class WireReader<Type extends number> {
  readonly #source: ByteSource
  readonly #Reader: new (bytes: Uint8Array) => BytesReader<Type>
  #window: Uint8Array
  #reader: BytesReader<Type>
  /** Offset of the window in the source. */
  #start = 0

  /** @param Reader the class `BinaryReader` of `@bufbuild/protobuf/wire` */
  constructor(source: ByteSource, Reader: new (bytes: Uint8Array) => BytesReader<Type>) {
    this.#source = source
    this.#Reader = Reader
    this.#window = source.from(0, MAX_VARINT_BYTES)
    this.#reader = new Reader(this.#window)
  }

  /** Offset in bytes from the beginning of the source. */
  get pos(): number {
    return this.#start + this.#reader.pos
  }

  /** @throws RangeError or Error if there is none */
  tag(): [field: number, type: Type] {
    this.#need(MAX_VARINT_BYTES)
    return this.#reader.tag()
  }

  /** @throws RangeError or Error if there is none */
  uint32(): number {
    this.#need(MAX_VARINT_BYTES)
    return this.#reader.uint32()
  }

  /**
   * Values beyond 2^53 are rounded, which is precise enough for a size. @throws RangeError or Error if there is none
   */
  uint64(): number {
    this.#need(MAX_VARINT_BYTES)
    return Number(this.#reader.uint64())
  }

  /**
   * Reads the length of a field.
   *
   * @returns where the field ends; beyond the end of the source if the field is truncated
   */
  endOfField(): number {
    const length = this.uint32()
    return this.pos + length
  }

  /** The bytes from here to `end`, valid until the next call. */
  bytesTo(end: number): Uint8Array {
    const length = end - this.pos
    this.#need(length)
    const bytes = this.#window.subarray(this.#reader.pos, this.#reader.pos + length)
    if (bytes.length < length) throw new RangeError('the data ends in the middle of a field')
    this.#reader.pos += length
    return bytes
  }

  skipTo(end: number): void {
    if (end <= this.#start + this.#window.length) this.#reader.pos = end - this.#start
    else this.#load(end, MAX_VARINT_BYTES)
  }

  /** Skips a varint or a number of fixed length. */
  skipNumber(type: Type): void {
    this.#need(MAX_VARINT_BYTES)
    this.#reader.skip(type)
  }

  #need(bytes: number): void {
    const end = this.#start + this.#window.length
    if (end - this.pos < bytes && end < this.#source.length) this.#load(this.pos, bytes)
  }

  #load(offset: number, least: number): void {
    this.#window = this.#source.from(offset, least)
    this.#reader = new this.#Reader(this.#window)
    this.#start = offset
  }
}
