const HEADER_BYTES = 8

/** The input that is being tried, where the thread that watches can read it even if the other hangs or dies. */
export class SharedInput {
  readonly memory: SharedArrayBuffer
  readonly #numbers: Int32Array
  readonly #bytes: Uint8Array

  constructor(memory: SharedArrayBuffer | number) {
    this.memory = typeof memory === 'number' ? new SharedArrayBuffer(HEADER_BYTES + memory) : memory
    this.#numbers = new Int32Array(this.memory, 0, 2)
    this.#bytes = new Uint8Array(this.memory, HEADER_BYTES)
  }

  set(input: Uint8Array): void {
    this.#bytes.set(input)
    this.#numbers[1] = input.length
    Atomics.add(this.#numbers, 0, 1)
  }

  /** How many inputs were set. */
  get count(): number {
    return Atomics.load(this.#numbers, 0)
  }

  get input(): Uint8Array {
    return this.#bytes.slice(0, this.#numbers[1])
  }
}
