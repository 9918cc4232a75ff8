import { LineCounter, parseDocument } from 'yaml'
import { expect, test } from 'vitest'
import { duplicateKeys, keyName } from './duplicate-keys.ts'

/** Parsed without the parser's own check for duplicates. */
function faultsOf(text: string, limit = 100) {
  const { contents } = parseDocument(text, { uniqueKeys: false, lineCounter: new LineCounter() })
  return duplicateKeys(contents, limit)
}

test.each([
  ['the same text', 'a: 1\na: 2', 5],
  ['quoted and plain text', '"a": 1\na: 2', 7],
  ['a number and its text', '1: x\n"1": y', 5],
  ['a truth value and its text', 'true: x\n"true": y', 8],
  ['two ways to write a number', '1: x\n0x1: y', 5],
  ['no value and empty text', '~: x\n"": y', 5],
  ['a flow map', '{ a: 1, a: 2 }', 8],
  ['a map in a list in a map', 'a:\n  - { b: 1 }\n  - { b: 1, c: 2, b: 3 }', 34],
  ['the name of a method of all objects', '__proto__: 1\n__proto__: 2', 13],
])('finds a duplicate key: %s', (_, text, offset) => {
  expect(faultsOf(text)).toEqual([{ sentence: expect.stringContaining('must be unique') as string, offset }])
})

test.each([
  ['keys of different maps', 'a: { b: 1 }\nc: { b: 1 }'],
  ['a key within its own value', 'a: { a: { a: 1 } }'],
  ['keys of different case', 'a: 1\nA: 2'],
  ['names of methods of objects', 'constructor: 1\ntoString: 2'],
  ['a value like a key', 'a: b\nb: a'],
  ['no document', ''],
])('accepts %s', (_, text) => {
  expect(faultsOf(text)).toEqual([])
})

test('refuses keys that are collections', () => {
  expect(faultsOf('[a]: 1').map(({ sentence }) => sentence)).toEqual(['A key is a list or a map; expected text.'])
})

test('lists faults in the order of the text, up to the limit', () => {
  const text = 'a: { x: 1, x: 2, x: 3 }\nb: 1\na: 2\nb: 3'
  expect(faultsOf(text).map(({ offset }) => offset)).toEqual([11, 17, 29, 34])
  expect(faultsOf(text, 2)).toHaveLength(2)
})

test('names a key like the field that it denotes', () => {
  expect(keyName(null)).toBe('')
  expect(keyName({})).toBeUndefined()
})
