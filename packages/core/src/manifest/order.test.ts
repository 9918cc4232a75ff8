import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { areSortedByName, compareCodePoints, compareComponents, sortByName, strictlyAscending } from './order.ts'

// U+10FFFF and U+10000 are surrogate pairs in UTF-16, which sort before U+E000 to U+FFFF there.
const BY_CODE_POINT = [
  '',
  'a',
  'ab',
  'b',
  '~',
  'é',
  '\ud7ff',
  '\ue000',
  '\uf8ff',
  'ﬀ',
  'Ａ',
  '\uffff',
  '𐀀',
  '😀',
  '😀a',
  '😁',
  '\u{10ffff}',
]
const anyText = fc.string({ unit: 'binary' }).filter((text) => text.isWellFormed())
const trap = fc.string({
  unit: fc.constantFrom('a', '\ud7ff', '\ue000', '\uffff', '\u{10000}', '\u{10ffff}', '/', '.'),
})

describe('by code point', () => {
  test('sorts characters above U+FFFF after those from U+E000 to U+FFFF', () => {
    expect([...BY_CODE_POINT].reverse().sort(compareCodePoints)).toEqual(BY_CODE_POINT)
    expect([...BY_CODE_POINT].sort()).not.toEqual(BY_CODE_POINT) // the result of a plain sort
  })

  test.each([
    ['any text', anyText],
    ['text with surrogates and U+E000 to U+FFFF', trap],
  ])('sorts like the bytes of UTF-8 (%s)', (_, text) => {
    fc.assert(
      fc.property(text, text, (a, b) => {
        expect(Math.sign(compareCodePoints(a, b))).toBe(Buffer.compare(Buffer.from(a), Buffer.from(b)))
      }),
    )
  })
})

test.each([
  ['any text', anyText],
  ['text with surrogates and U+E000 to U+FFFF', trap],
  ['text without surrogates', fc.string({ unit: fc.constantFrom('a', 'b', '\ud7ff', '\ue000', '\uffff', '/') })],
])('sortByName sorts by code point (%s)', (_, text) => {
  fc.assert(
    fc.property(fc.array(text), (names) => {
      const items = names.map((name) => ({ name }))
      sortByName(items)
      expect(items.map(({ name }) => name)).toEqual(names.sort(compareCodePoints))
    }),
  )
})

test.each([
  ['any text', anyText],
  ['text with surrogates and U+E000 to U+FFFF', trap],
  ['text without surrogates', fc.string({ unit: fc.constantFrom('a', 'b', '\ud7ff', '\ue000', '\uffff', '/') })],
])('areSortedByName is true only of ascending names without repetition (%s)', (_, text) => {
  const asNames = (names: string[]) => names.map((name) => ({ name }))
  fc.assert(
    fc.property(fc.array(text, { maxLength: 4 }), (names) => {
      expect(areSortedByName(asNames(names))).toBe(strictlyAscending(names, compareCodePoints))
      expect(areSortedByName(asNames([...new Set(names)].sort(compareCodePoints)))).toBe(true)
    }),
  )
})

describe('by components, as the reference tool sorts', () => {
  test('sorts a directory before files whose names begin with its name', () => {
    const names = ['model/x', 'model/x/y', 'model/😀', 'model.bin', 'model1', 'model\uffff/a', 'model😀']
    expect([...names].reverse().sort(compareComponents)).toEqual(names)
  })

  test('sorts like the lists of components', () => {
    fc.assert(
      fc.property(trap, trap, (a, b) => {
        expect(Math.sign(compareComponents(a, b))).toBe(Math.sign(byLists(a.split('/'), b.split('/'))))
      }),
    )
  })

  function byLists(a: readonly string[], b: readonly string[]): number {
    for (let i = 0; i < Math.min(a.length, b.length); i++) {
      const order = compareCodePoints(a[i]!, b[i]!)
      if (order !== 0) return order
    }
    return a.length - b.length
  }
})

test('strictlyAscending refuses equal neighbours', () => {
  expect(strictlyAscending(['a', 'b', 'c'], compareCodePoints)).toBe(true)
  expect(strictlyAscending(['a', 'b', 'b'], compareCodePoints)).toBe(false)
  expect(strictlyAscending(['b', 'a'], compareCodePoints)).toBe(false)
  expect(strictlyAscending([], compareCodePoints)).toBe(true)
})
