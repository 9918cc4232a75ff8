import type { Random } from './random.ts'

// DER as a tree of tags, lengths and values (X.690) that can be mutated, and written as no encoder would.

export interface DerNode {
  /** The identifier octets. */
  tag: Buffer
  /** The content: values, or bytes if it is not DER. */
  content: DerNode[] | Buffer
  /** An incorrect way to write the length. */
  length?: Buffer
  /** Bytes after the content. */
  end?: Buffer
}

const CONSTRUCTED = 0x20
const OCTET_STRING = 0x04
const BIT_STRING = 0x03

/** @returns undefined if the bytes are not a sequence of complete values */
export function derNodes(bytes: Buffer): DerNode[] | undefined {
  const nodes: DerNode[] = []
  for (let at = 0; at < bytes.length;) {
    const header = headerAt(bytes, at)
    if (!header || header.end > bytes.length) return undefined
    const value = bytes.subarray(header.start, header.end)
    const [tag] = bytes.subarray(at) as unknown as [number]
    // Extensions, for example, contain DER in octet strings.
    const nested = tag & CONSTRUCTED || tag === OCTET_STRING ? derNodes(value) : undefined
    nodes.push({ tag: bytes.subarray(at, at + 1), content: nested && value.length > 0 ? nested : value })
    at = header.end
  }
  return nodes
}

function headerAt(bytes: Buffer, at: number): { start: number; end: number } | undefined {
  const first = bytes[at + 1]
  if (first === undefined || (bytes[at]! & 0x1f) === 0x1f || first === 0x80) return undefined
  if (first < 0x80) return { start: at + 2, end: at + 2 + first }
  const count = first & 0x7f
  if (count > 4 || at + 2 + count > bytes.length) return undefined
  const start = at + 2 + count
  return { start, end: start + bytes.readUIntBE(at + 2, count) }
}

export function writtenDer(nodes: readonly DerNode[]): Buffer {
  return Buffer.concat(
    nodes.flatMap(({ tag, content, length, end = Buffer.alloc(0) }) => {
      const value = Array.isArray(content) ? writtenDer(content) : content
      return [tag, length ?? derLength(value.length), value, end]
    }),
  )
}

function derLength(length: number): Buffer {
  if (length < 0x80) return Buffer.of(length)
  const digits = length < 0x100 ? 1 : length < 0x10000 ? 2 : 4
  const bytes = Buffer.alloc(1 + digits, 0x80 + digits)
  bytes.writeUIntBE(length, 1, digits)
  return bytes
}

/** The first value in a sequence, however long the sequence claims to be: the part that an X.509 signature covers. */
export function signedPart(der: Buffer): Buffer | undefined {
  const first = der[1] ?? 0
  const start = first < 0x80 ? 2 : 2 + (first & 0x7f)
  const inner = headerAt(der, start)
  return inner && der.subarray(start, inner.end)
}

/**
 * Changes a structure at some places, possibly inserting parts of others.
 *
 * @param others structures of the same kind, whose parts can be inserted
 */
export function mutatedDer(random: Random, der: Buffer, others: readonly Buffer[]): Buffer {
  const root = derNodes(der) ?? []
  for (let count = 1 + random.geometric(0.3); count > 0; count--) {
    const lists = [...listsIn(root)].filter(({ length }) => length > 0)
    if (lists.length === 0) break
    const list = random.pick(lists)
    const foreign = [...listsIn(derNodes(random.pick(others)) ?? [])].flat()
    random.pick(MUTATIONS)(random, list, random.below(list.length), foreign)
  }
  const bytes = writtenDer(root)
  if (random.chance(0.1)) return bytes.subarray(0, random.below(bytes.length + 1))
  return random.chance(0.05) ? Buffer.concat([bytes, random.bytes(1 + random.below(4))]) : bytes
}

function* listsIn(nodes: DerNode[]): Generator<DerNode[]> {
  yield nodes
  for (const { content } of nodes) if (Array.isArray(content)) yield* listsIn(content)
}

type Mutation = (random: Random, list: DerNode[], at: number, foreign: readonly DerNode[]) => void

const LENGTHS = [
  '80',
  '81',
  '8100',
  '8200',
  '84ffffffff',
  '847fffffff',
  '8880000000000000ff',
  '8affffffffffffffffffff',
  'ff',
]

const MUTATIONS: readonly Mutation[] = [
  function twice(random, list, at) {
    list.splice(random.below(list.length + 1), 0, structuredCloneOf(list[at]!))
  },
  function removed(_random, list, at) {
    list.splice(at, 1)
  },
  function moved(random, list, at) {
    const [node] = list.splice(at, 1)
    list.splice(random.below(list.length + 1), 0, node!)
  },
  function exchanged(random, list, at, foreign) {
    if (foreign.length > 0) list[at] = structuredCloneOf(random.pick(foreign))
  },
  function sameKindExchanged(random, list, at, foreign) {
    const same = foreign.filter(({ tag }) => tag.equals(list[at]!.tag))
    if (same.length > 0) list[at] = structuredCloneOf(random.pick(same))
  },
  function otherTag(random, list, at) {
    const tags = [0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x0c, 0x13, 0x16, 0x17, 0x18, 0x24, 0x30, 0x31, 0xa0, 0xa3, 0x80]
    list[at]!.tag = random.pick([
      Buffer.of(random.pick(tags)),
      Buffer.from('1f8100', 'hex'),
      Buffer.from('bfffff7f', 'hex'),
    ])
  },
  function otherLength(random, list, at) {
    list[at]!.length = Buffer.from(random.pick(LENGTHS), 'hex')
  },
  // X.690 10.1: DER has the shortest length.
  function longLength(random, list, at) {
    const { content } = list[at]!
    const { length } = Array.isArray(content) ? writtenDer(content) : content
    const bytes = Buffer.alloc(2 + random.below(4))
    bytes[0] = 0x80 + bytes.length - 1
    bytes.writeUIntBE(length % 2 ** (8 * (bytes.length - 1)), 1, bytes.length - 1)
    list[at]!.length = bytes
  },
  function indefinite(_random, list, at) {
    const node = list[at]!
    node.tag = Buffer.of(node.tag[0]! | CONSTRUCTED)
    node.length = Buffer.of(0x80)
    node.end = Buffer.alloc(2)
  },
  function deeper(random, list, at) {
    let inside = writtenDer([list[at]!])
    for (let depth = random.pick([0, 1, 100, 3000]); depth > 0; depth--)
      inside = Buffer.concat([Buffer.of(0x30), derLength(inside.length), inside])
    list[at] = { tag: Buffer.of(0x30), content: inside }
  },
  function many(random, list, at) {
    const count = random.pick([10, 100, 2000])
    list.splice(at, 0, ...Array.from({ length: count }, () => structuredCloneOf(list[at]!)))
    if (writtenDer(list).length > MOST_BYTES) list.splice(at, count)
  },
  function otherBytes(random, list, at) {
    const node = list[at]!
    const bytes = Buffer.from(Array.isArray(node.content) ? writtenDer(node.content) : node.content)
    if (bytes.length > 0) bytes[random.below(bytes.length)]! ^= 1 << random.below(8)
    node.content = random.pick([
      bytes,
      bytes,
      bytes,
      Buffer.alloc(0),
      Buffer.concat([Buffer.of(0), bytes]),
      random.bytes(9),
    ])
  },
  function huge(random, list, at) {
    list[at]!.content = Buffer.alloc(random.pick([300, 5000, 60_000]), random.pick([0, 0x30, 0x80, 0xff]))
  },
  // X.690 8.6, 8.7: BER allows strings in pieces.
  function inPieces(_random, list, at) {
    const node = list[at]!
    if (Array.isArray(node.content) || ![OCTET_STRING, BIT_STRING].includes(node.tag[0]!)) return
    node.content = [{ tag: node.tag, content: node.content }]
    node.tag = Buffer.of(node.tag[0]! | CONSTRUCTED)
  },
]

/** Slightly more than a bundle can contain in one certificate. */
const MOST_BYTES = 100_000

/** `structuredClone` does not preserve buffers as buffers. */
function structuredCloneOf(node: DerNode): DerNode {
  const { content } = node
  return { ...node, content: Array.isArray(content) ? content.map(structuredCloneOf) : Buffer.from(content) }
}
