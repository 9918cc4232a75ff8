import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { attackRuns } from '../testing/runs.ts'
import { consistencyProof, inclusionProof, provesConsistency, provesInclusion, rootOfRange } from './proofs.ts'
import { emptyRoot, GrowingTree, hashLeaf, subtreesOf } from './tree.ts'

// The definitions of RFC 6962 section 2.1, as they are written there.

const sha256 = (...parts: Uint8Array[]) => createHash('sha256').update(Buffer.concat(parts)).digest()
const split = (n: number) => {
  let k = 1
  while (k * 2 < n) k *= 2
  return k
}
/** Roots by what tells the lists of these tests apart: all are parts of {@link entriesOf}, except for a last entry. */
const known = new Map<string, Buffer>()
function MTH(D: readonly Buffer[]): Buffer {
  const list = `${D.length} from ${String(D[0])} to ${String(D.at(-1))}`
  const root = known.get(list) ?? definedMTH(D)
  known.set(list, root)
  return root
}
function definedMTH(D: readonly Buffer[]): Buffer {
  if (D.length === 0) return sha256()
  if (D.length === 1) return sha256(Buffer.from([0]), D[0]!)
  const k = split(D.length)
  return sha256(Buffer.from([1]), MTH(D.slice(0, k)), MTH(D.slice(k)))
}
function PATH(m: number, D: readonly Buffer[]): Buffer[] {
  if (D.length === 1) return []
  const k = split(D.length)
  return m < k ? [...PATH(m, D.slice(0, k)), MTH(D.slice(k))] : [...PATH(m - k, D.slice(k)), MTH(D.slice(0, k))]
}
function SUBPROOF(m: number, D: readonly Buffer[], b: boolean): Buffer[] {
  if (m === D.length) return b ? [] : [MTH(D)]
  const k = split(D.length)
  return m <= k
    ? [...SUBPROOF(m, D.slice(0, k), b), MTH(D.slice(k))]
    : [...SUBPROOF(m - k, D.slice(k), false), MTH(D.slice(0, k))]
}

const entriesOf = (size: number) => Array.from({ length: size }, (_, index) => Buffer.from(`entry ${index}`))
const nodesOf = (entries: readonly Buffer[]) => (level: number, index: number) =>
  MTH(entries.slice(index * 2 ** level, (index + 1) * 2 ** level))
const hex = (hashes: readonly Buffer[]) => hashes.map((hash) => hash.toString('hex'))
const headOf = (entries: readonly Buffer[]) => ({ size: entries.length, root: MTH(entries) })

/** A range of sizes, with both ends of complete subtrees. */
const SIZES = [...Array.from({ length: 34 }, (_, size) => size), 63, 64, 65, 100, 127, 128, 129]

test('the roots of a growing tree are those of RFC 6962', () => {
  const tree = new GrowingTree()
  for (const [size, entry] of entriesOf(130).entries()) {
    expect(tree.root()).toEqual(MTH(entriesOf(size)))
    expect(tree.size).toBe(size)
    tree.add(hashLeaf(entry))
  }
  expect(emptyRoot()).toEqual(MTH([]))
})

test('a tree continues from its complete subtrees', () => {
  for (const size of SIZES) {
    const nodeAt = nodesOf(entriesOf(size))
    const tree = new GrowingTree(subtreesOf(size).map(({ level, index }) => ({ level, hash: nodeAt(level, index) })))
    expect([tree.size, tree.root()]).toEqual([size, MTH(entriesOf(size))])
    tree.add(hashLeaf(Buffer.from(`entry ${size}`)))
    expect(tree.root()).toEqual(MTH(entriesOf(size + 1)))
  }
})

test('the subtrees of the largest trees are found', () => {
  expect(subtreesOf(2 ** 53 - 1)).toHaveLength(53)
  expect(subtreesOf(2 ** 40 + 1)).toEqual([
    { level: 40, index: 0 },
    { level: 0, index: 2 ** 40 },
  ])
  const asked: number[] = []
  const nodeAt = (level: number) => (asked.push(level), Buffer.alloc(32))
  rootOfRange(nodeAt, 0, 2 ** 53 - 1)
  expect(asked).toEqual(Array.from({ length: 53 }, (_, index) => 52 - index))
})

describe('proofs', () => {
  test('are those of RFC 6962, and are valid', () => {
    for (const size of SIZES) {
      const entries = entriesOf(size)
      const [nodeAt, head] = [nodesOf(entries), headOf(entries)]
      for (const [index, entry] of entries.entries()) {
        const proof = inclusionProof(nodeAt, index, size)
        expect(hex(proof)).toEqual(hex(PATH(index, entries)))
        expect(provesInclusion(proof, hashLeaf(entry), index, head)).toBe(true)
      }
      for (let earlier = 1; earlier <= size; earlier++) {
        const proof = consistencyProof(nodeAt, earlier, size)
        expect(hex(proof)).toEqual(hex(SUBPROOF(earlier, entries, true)))
        expect(provesConsistency(proof, headOf(entries.slice(0, earlier)), head)).toBe(true)
      }
      expect(provesConsistency(consistencyProof(nodeAt, 0, size), headOf([]), head)).toBe(true)
    }
  })

  const tampered = (proof: readonly Buffer[], { at, how }: { at: number; how: string }) => {
    const changed = proof.map((hash) => Buffer.from(hash))
    const place = at % Math.max(changed.length, 1)
    if (how === 'bit' && changed[place]) changed[place][at % 32]! ^= 1
    else if (how === 'cut') changed.splice(place, 1)
    else if (how === 'swap') changed.reverse()
    else changed.splice(place, 0, Buffer.alloc(32, at))
    return changed
  }
  const change = fc.record({ at: fc.nat(255), how: fc.constantFrom('bit', 'cut', 'swap', 'more') })
  const differ = (one: readonly Buffer[], other: readonly Buffer[]) => hex(one).join() !== hex(other).join()

  test('of another entry, place or tree, or with other hashes, are not valid', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 70 }), fc.nat(), fc.nat(), change, (size, a, b, how) => {
        const entries = entriesOf(size)
        const [nodeAt, head] = [nodesOf(entries), headOf(entries)]
        const [index, other] = [a % size, b % (size + 3)]
        const leaf = hashLeaf(entries[index]!)
        const proof = inclusionProof(nodeAt, index, size)
        const wrong = tampered(proof, how)
        if (differ(proof, wrong)) expect(provesInclusion(wrong, leaf, index, head)).toBe(false)
        if (other !== index) expect(provesInclusion(proof, leaf, other, head)).toBe(false)
        expect(provesInclusion(proof, hashLeaf(Buffer.from('x')), index, head)).toBe(false)

        const earlier = headOf(entries.slice(0, index))
        const consistency = consistencyProof(nodeAt, index, size)
        const wrongProof = tampered(consistency, how)
        if (differ(consistency, wrongProof)) expect(provesConsistency(wrongProof, earlier, head)).toBe(false)
        if (index > 0) {
          const forked = headOf([...entries.slice(0, index - 1), Buffer.from('x')])
          expect(provesConsistency(consistency, forked, head)).toBe(false)
        }
        expect(provesConsistency(consistency, head, earlier)).toBe(false)
      }),
      { numRuns: attackRuns(300) },
    )
  })
})
