import type { Random } from './random.ts'

// Protobuf as a tree that can be mutated, and written in unusual ways.

export type WireValue = WireField[] | Uint8Array | string | bigint

export interface WireField {
  number: number
  value: WireValue
  /** Written as a group instead of with a length. */
  group?: boolean
  /** 1 or 5: a number of fixed length instead of a varint. */
  fixed?: 1 | 5
  /** The number of bytes by which tag, length and varint are longer than necessary. */
  padding?: number
}

/** A message of the given fields, in the given order. */
export function fields(...pairs: readonly [number, WireValue | number][]): WireField[] {
  return pairs.map(([number, value]) => ({ number, value: typeof value === 'number' ? BigInt(value) : value }))
}

export function written(message: readonly WireField[]): Buffer {
  return Buffer.concat(message.map(writtenField))
}

function writtenField({ number, value, group, fixed, padding = 0 }: WireField): Buffer {
  const tag = (type: number) => varint(BigInt(number) * 8n + BigInt(type), padding)
  if (typeof value === 'bigint') {
    if (fixed === undefined) return Buffer.concat([tag(0), varint(value, padding)])
    const bytes = Buffer.alloc(8)
    bytes.writeBigUInt64LE(BigInt.asUintN(64, value))
    return Buffer.concat([tag(fixed), bytes.subarray(0, fixed === 1 ? 8 : 4)])
  }
  const bytes = Array.isArray(value) ? written(value) : Buffer.from(value)
  if (group) return Buffer.concat([tag(3), bytes, tag(4)])
  return Buffer.concat([tag(2), varint(BigInt(bytes.length), padding), bytes])
}

function varint(value: bigint, padding: number): Buffer {
  let rest = BigInt.asUintN(64, value)
  const bytes: number[] = []
  do {
    bytes.push(Number(rest & 0x7fn) | 0x80)
    rest >>= 7n
  } while (rest > 0n)
  for (let i = 0; i < padding; i++) bytes.push(0x80)
  bytes[bytes.length - 1]! &= 0x7f
  return Buffer.from(bytes)
}

/** Changes a tree at some places, in ways that protobuf parsers may interpret differently. */
export function mutate(random: Random, message: WireField[], changes: number): void {
  for (let i = 0; i < changes; i++) {
    const messages = [...messagesIn(message)].filter(({ length }) => length > 0)
    if (messages.length === 0) return
    const chosen = random.pick(messages)
    random.pick(MUTATIONS)(random, chosen, random.below(chosen.length), message)
  }
}

function* messagesIn(message: WireField[]): Generator<WireField[]> {
  yield message
  for (const { value } of message) if (Array.isArray(value)) yield* messagesIn(value)
}

type Mutation = (random: Random, message: WireField[], at: number, root: WireField[]) => void

const MUTATIONS: readonly Mutation[] = [
  function twice(random, message, at) {
    message.splice(random.below(message.length + 1), 0, structuredClone(message[at]!))
  },
  function elsewhere(random, message, at) {
    const [field] = message.splice(at, 1)
    message.splice(random.below(message.length + 1), 0, field!)
  },
  // Parsers merge several occurrences of a field that is not repeated.
  function inTwoParts(random, message, at) {
    const field = message[at]!
    if (!Array.isArray(field.value)) return
    const cut = random.below(field.value.length + 1)
    const rest = { ...field, value: field.value.slice(cut) }
    field.value = field.value.slice(0, cut)
    message.splice(at + 1 + random.below(message.length - at), 0, rest)
  },
  function emptyPart(random, message, at) {
    message.splice(random.below(message.length + 1), 0, { number: message[at]!.number, value: [] })
  },
  function removed(_random, message, at) {
    message.splice(at, 1)
  },
  function unknown(random, message) {
    const value = random.pick<WireValue>([7n, 'unknown', random.bytes(5), [], 1n << 63n])
    const number = random.pick([17, 99, 1000, 19_000, 536_870_911])
    message.splice(random.below(message.length + 1), 0, { number, value })
  },
  function asGroup(_random, message, at) {
    message[at]!.group = true
  },
  function asFixed(random, message, at) {
    message[at]!.fixed = random.pick([1, 5] as const)
  },
  function otherType(random, message, at) {
    message[at]!.value = random.pick<WireValue>([0n, 1n, (1n << 32n) + 1n, '', 'w0.bin'])
  },
  function padded(random, message, at) {
    message[at]!.padding = random.pick([1, 1, 2, 3, 4, 8, 9, 10])
  },
  function otherNumber(random, message, at) {
    const field = message[at]!
    field.number = random.pick([field.number + 1, Math.max(1, field.number - 1), random.below(30) + 1])
  },
  // A field that is valid in one place may be valid in another, where other code reads it.
  function transplanted(random, message, at, root) {
    const target = random.pick([...messagesIn(root)])
    target.splice(random.below(target.length + 1), 0, structuredClone(message[at]!))
  },
  function nested(_random, message, at) {
    const field = message[at]!
    if (Array.isArray(field.value)) field.value = [{ number: field.number, value: field.value }, ...field.value]
  },
]

/** Damages bytes: truncated, changed, repeated, or with junk added. */
export function damaged(random: Random, bytes: Buffer): Buffer {
  const at = random.below(bytes.length + 1)
  const until = Math.min(bytes.length, at + random.below(16))
  const change = random.below(5)
  if (change === 0) return bytes.subarray(0, at)
  if (change === 1) return Buffer.concat([bytes.subarray(0, at), random.bytes(until - at), bytes.subarray(until)])
  if (change === 2) return Buffer.concat([bytes.subarray(0, at), bytes.subarray(until)])
  if (change === 3) return Buffer.concat([bytes.subarray(0, until), bytes.subarray(at)])
  return Buffer.concat([bytes.subarray(0, at), random.bytes(random.below(4)), bytes.subarray(at)])
}
