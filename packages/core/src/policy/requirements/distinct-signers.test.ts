import { describe, expect, test } from 'vitest'
import { countDistinctSigners, type NamedSigner } from './distinct-signers.ts'

/** A signature by a signer of these names that meets these entries of the list. */
function signature(names: string, ...entries: number[]): NamedSigner {
  return { names: names.split(' '), signers: entries, validities: [] }
}

describe('distinct signers', () => {
  test('are none without a signature', () => {
    expect(countDistinctSigners([])).toBe(0)
  })

  test('do not include a signer that meets no entry', () => {
    expect(countDistinctSigners([signature('a')])).toBe(0)
    expect(countDistinctSigners([signature('a'), signature('b', 0)])).toBe(1)
  })

  test('are as many as entries, if each has its own', () => {
    expect(countDistinctSigners([signature('a', 0), signature('b', 1), signature('c', 2)])).toBe(3)
  })

  test('count an entry once, however many signers meet it', () => {
    expect(countDistinctSigners([signature('a', 0), signature('b', 0), signature('c', 0)])).toBe(1)
  })

  test('count a signer once, however many entries it meets', () => {
    expect(countDistinctSigners([signature('a', 0, 1, 2)])).toBe(1)
    expect(countDistinctSigners([signature('a', 0), signature('a', 1)])).toBe(1)
  })

  test('are not the same for a name that only begins alike', () => {
    expect(countDistinctSigners([signature('key:a', 0), signature('key:ab', 1)])).toBe(2)
  })

  test('are the same if they share one of several names', () => {
    expect(countDistinctSigners([signature('a b', 0), signature('b c', 1)])).toBe(1)
    expect(countDistinctSigners([signature('a b', 0), signature('c d', 1)])).toBe(2)
  })

  test('are the same if a third signature has a name of each, in any order', () => {
    const three = [signature('a', 0), signature('b', 1), signature('a b', 2)]
    const [first, second, third] = three as [NamedSigner, NamedSigner, NamedSigner]
    expect(countDistinctSigners([first, second])).toBe(2)
    for (const order of [three, [third, first, second], [first, third, second]])
      expect(countDistinctSigners(order)).toBe(1)
  })

  test('keep all names of merged signatures for those that follow', () => {
    expect(
      countDistinctSigners([signature('a b', 0), signature('b c', 1), signature('c d', 2), signature('d', 3)]),
    ).toBe(1)
    expect(countDistinctSigners([signature('a', 0), signature('a b', 1), signature('a', 2)])).toBe(1)
  })

  test('gain no entry when they are merged', () => {
    expect(countDistinctSigners([signature('a', 0), signature('a', 0), signature('b', 0)])).toBe(1)
  })

  test('leave others alone when they are merged', () => {
    expect(countDistinctSigners([signature('a', 0), signature('x', 1), signature('a', 2)])).toBe(2)
    expect(countDistinctSigners([signature('x', 1), signature('a', 0), signature('a', 0)])).toBe(2)
  })

  test('may count for any entry that one of their signatures meets', () => {
    // a and b both meet entry 0, and only the other signature of a meets another entry.
    expect(countDistinctSigners([signature('a', 0), signature('b', 0), signature('a', 1)])).toBe(2)
    expect(countDistinctSigners([signature('a', 1), signature('b', 0), signature('a', 0)])).toBe(2)
  })

  test('give way to others who meet fewer entries', () => {
    expect(countDistinctSigners([signature('a', 0, 1), signature('b', 0)])).toBe(2)
    expect(
      countDistinctSigners([signature('a', 0, 1), signature('b', 1, 2), signature('c', 0), signature('d', 1)]),
    ).toBe(3)
    expect(countDistinctSigners([signature('a', 0, 1), signature('b', 0, 1), signature('c', 0, 1)])).toBe(2)
  })

  test('take over an entry for good', () => {
    // b takes entry 0 from a, which moves to 1; c finds neither free.
    expect(countDistinctSigners([signature('a', 0, 1), signature('b', 0), signature('c', 0, 1)])).toBe(2)
    expect(countDistinctSigners([signature('a', 0), signature('b', 0, 1), signature('c', 1)])).toBe(2)
    expect(countDistinctSigners([signature('a', 0), signature('b', 0, 1), signature('c', 1, 2)])).toBe(3)
  })
})
