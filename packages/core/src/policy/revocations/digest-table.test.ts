import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { DigestTable, digestIn, type Digest } from './digest-table.ts'

const digestOf = (hex: string): Digest => digestIn(hex) ?? expect.unreachable()
const sha256 = (content: string) => createHash('sha256').update(content).digest('hex')

describe('a table of digests', () => {
  test('finds what a map finds, in the order in which it was added', () => {
    // Few digests that differ little, so that many are the same or have the same slot.
    const hex = fc
      .tuple(fc.nat(3), fc.nat(7))
      .map(([word, digit]) => `${'00000000'.repeat(word)}${digit}`.padEnd(64, '0'))
    const additions = fc.array(fc.record({ hex, value: fc.nat(3), reserved: fc.option(fc.nat(5)) }))
    fc.assert(
      fc.property(additions, hex, (added, other) => {
        const [table, naive] = [new DigestTable(), new Map<string, Set<number>>()]
        for (const { hex, value, reserved } of added) {
          if (reserved !== null) table.reserve(reserved)
          expect(table.add(hex, value)).toBe(true)
          naive.set(hex, (naive.get(hex) ?? new Set()).add(value))
        }
        for (const one of [...naive.keys(), other])
          expect(table.get(digestOf(one))).toEqual([...(naive.get(one) ?? [])])
      }),
    )
  })

  test('finds each of many digests, and no others', () => {
    const table = new DigestTable()
    for (let index = 0; index < 3_000; index++) table.add(sha256(`${index}`), index % 3)
    for (let index = 0; index < 3_000; index++) {
      expect(table.get(digestOf(sha256(`${index}`)))).toEqual([index % 3])
      expect(table.get(digestOf(sha256(`other ${index}`)))).toEqual([])
    }
  })

  test.each([1, 16, 17, 100])(
    'finds all of %i digests that were announced, and as many that are announced later',
    (count) => {
      const table = new DigestTable()
      const names = ['first', 'second', 'third'].flatMap((part) => {
        table.reserve(count)
        return Array.from({ length: count }, (_, index) => {
          const hex = sha256(`${part} ${index}`)
          table.add(hex, 1)
          return hex
        })
      })
      expect(names.filter((hex) => table.get(digestOf(hex)).length === 0)).toEqual([])
    },
  )

  test('takes little time for a digest that is added a hundred thousand times', () => {
    const table = new DigestTable()
    const hex = sha256('')
    for (let value = 0; value < 100_000; value++) table.add(hex, value)
    expect(table.get(digestOf(hex))).toHaveLength(100_000)
  })

  test('does not take digests of another length than the first', () => {
    const table = new DigestTable()
    expect(table.add('0'.repeat(128), 1)).toBe(true)
    expect(table.add('0'.repeat(64), 1)).toBe(false)
    expect(table.get(digestOf('0'.repeat(64)))).toEqual([])
  })

  test('does not find a digest that is the beginning of another', () => {
    const table = new DigestTable()
    table.add('0'.repeat(64), 1)
    // So many that some have its slot.
    const longer = Array.from({ length: 1_000 }, (_, index) => '0'.repeat(64) + `${index}`.padStart(64, '0'))
    expect(longer.filter((hex) => table.get(digestOf(hex)).length > 0)).toEqual([])
  })

  test.each(['', '0', 'abcdef0', 'ABCDEF00', '0000000g', 'abcdef0 ', '0'.repeat(136)])('has no digest %j', (text) => {
    expect(digestIn(text)).toBeUndefined()
    expect(new DigestTable().add(text, 0)).toBe(false)
  })
})
