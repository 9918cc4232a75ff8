/** Numbers that look random, from a seed, so that a run can be repeated (xorshift32). */
export class Random {
  #state: number

  constructor(seed: number) {
    this.#state = seed | 0 || 1
  }

  /** A whole number from 0 to `limit`, without it. */
  below(limit: number): number {
    this.#state ^= this.#state << 13
    this.#state ^= this.#state >>> 17
    this.#state ^= this.#state << 5
    return (this.#state >>> 0) % limit
  }

  of<Item>(items: readonly Item[]): Item {
    return items[this.below(items.length)] as Item
  }
}

/** What mutations draw from. */
export interface Material {
  readonly random: Random
  readonly dictionary: readonly Uint8Array[]
  readonly corpus: readonly Uint8Array[]
  readonly longest: number
}

type Mutation = (input: Buffer, material: Material) => Uint8Array

const ODD_BYTES = [0, 1, 0x7f, 0x80, 0xff, 0x0a, 0x22, 0x2c, 0x30, 0x5c, 0x7b, 0x7d]

const MUTATIONS: readonly Mutation[] = [
  flipBit,
  setByte,
  insertWord,
  replaceByWord,
  removePart,
  repeatPart,
  copyPart,
  changeNumber,
  splice,
]

/** Changes an input in one to four places. */
export function mutated(input: Uint8Array, material: Material): Uint8Array {
  let result = Buffer.from(input)
  for (let times = 1 + material.random.below(4); times > 0; times -= 1) {
    result = Buffer.from(material.random.of(MUTATIONS)(result, material))
  }
  return result.subarray(0, material.longest)
}

function flipBit(input: Buffer, { random }: Material): Uint8Array {
  const place = random.below(input.length + 1)
  if (place < input.length) input.writeUInt8(input.readUInt8(place) ^ (1 << random.below(8)), place)
  return input
}

function setByte(input: Buffer, { random }: Material): Uint8Array {
  if (input.length > 0)
    input[random.below(input.length)] = random.below(2) === 0 ? random.of(ODD_BYTES) : random.below(256)
  return input
}

function insertWord(input: Buffer, material: Material): Uint8Array {
  const place = material.random.below(input.length + 1)
  return replaced(input, [place, place], wordOf(material))
}

function replaceByWord(input: Buffer, material: Material): Uint8Array {
  const word = wordOf(material)
  const place = material.random.below(input.length + 1)
  return replaced(input, [place, Math.min(input.length, place + word.length)], word)
}

function removePart(input: Buffer, { random }: Material): Uint8Array {
  return replaced(input, partOf(input, random), new Uint8Array())
}

function repeatPart(input: Buffer, { random }: Material): Uint8Array {
  const [from, to] = partOf(input, random)
  const part = input.subarray(from, to)
  const times = 1 + random.below(random.below(8) === 0 ? 64 : 3)
  return replaced(input, [to, to], Buffer.concat(Array.from({ length: times }, () => part)))
}

function copyPart(input: Buffer, { random }: Material): Uint8Array {
  const [from, to] = partOf(input, random)
  const place = random.below(input.length + 1)
  return replaced(input, [place, place], input.subarray(from, to))
}

/** Changes a number that stands there as text, or else four bytes that may be a length. */
function changeNumber(input: Buffer, { random }: Material): Uint8Array {
  const numbers = [...input.toString('latin1').matchAll(/\d+/g)]
  if (numbers.length > 0 && random.below(4) > 0) {
    const { index, 0: digits } = random.of(numbers)
    const value = BigInt(digits.slice(0, 30))
    const other = random.of([value + 1n, value - 1n, value * 2n, 0n, 2n ** 31n, 2n ** 53n, 2n ** 64n])
    return replaced(input, [index, index + digits.length], Buffer.from(String(other)))
  }
  if (input.length < 4) return input
  input.writeUInt32BE(random.of([0, 1, 0x7f_ff_ff_ff, 0xff_ff_ff_ff, input.length]), random.below(input.length - 3))
  return input
}

function splice(input: Buffer, { random, corpus }: Material): Uint8Array {
  const other = Buffer.from(random.of(corpus))
  return Buffer.concat([
    input.subarray(0, random.below(input.length + 1)),
    other.subarray(random.below(other.length + 1)),
  ])
}

function wordOf({ random, dictionary }: Material): Uint8Array {
  return dictionary.length === 0 ? Buffer.from([random.below(256)]) : random.of(dictionary)
}

function partOf(input: Buffer, random: Random): [from: number, to: number] {
  const from = random.below(input.length + 1)
  const length = random.below(random.below(2) === 0 ? 9 : input.length - from + 1)
  return [from, Math.min(input.length, from + length)]
}

function replaced(input: Buffer, [from, to]: readonly [number, number], by: Uint8Array): Uint8Array {
  return Buffer.concat([input.subarray(0, from), by, input.subarray(to)])
}
