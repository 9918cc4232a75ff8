import { afterEach, describe, expect, test, vi } from 'vitest'
import { atOnce } from '../source/turns.ts'
import { refusal } from '../testing/scratch.ts'
import { parseStrictJson, strictJsonSteps } from './json.ts'

afterEach(() => void vi.restoreAllMocks())

const bounds = { what: 'bundle', maxValues: 1_000 }
const inPieces = (text: string, size: number) => atOnce(strictJsonSteps(Buffer.from(text), bounds, size))

describe('pieces of JSON', () => {
  const TEXT = '[1,2,{"a":[3,44],"b":5},[],6]'

  /** The value, and what was passed to `JSON.parse`. */
  function parsed(parse: () => unknown) {
    const spy = vi.spyOn(JSON, 'parse').mockClear()
    const value = parse()
    return { value, pieces: spy.mock.calls.map(([text]) => text) }
  }

  test('are as long as was asked for, and each is parsed once', () => {
    const { value, pieces } = parsed(() => inPieces(TEXT, 1))
    expect(value).toEqual([1, 2, { a: [3, 44], b: 5 }, [], 6])
    expect(pieces).toEqual(['[1]', '[2]', '[3]', '[44]', '"a"', '{"b":5}', '[[]]', '[6]'])
    expect(parsed(() => inPieces(TEXT, 4)).pieces).toEqual(['{"a":[3,44]}', '{"b":5}', '[1,2]', '[[],6]'])
  })

  test('are not made of a short text', () => {
    expect(parsed(() => parseStrictJson(Buffer.from(TEXT), bounds)).pieces).toEqual([TEXT])
  })

  test('have some 16 KiB', () => {
    const text = `[${Array<string>(20)
      .fill(`"${'x'.repeat(5_000)}"`)
      .join(',')}]`
    const { value, pieces } = parsed(() => parseStrictJson(Buffer.from(text), bounds))
    expect(value).toHaveLength(20)
    expect(pieces.map((piece) => piece.length)).toEqual([20_013, 20_013, 20_013, 20_013, 20_013])
  })

  test('are joined by white space of every kind', () => {
    const text = ' \n\r\t[ \n\r\t[1,2] \n\r\t, \n\r\t{ \n\r\t"a" \n\r\t: \n\r\t[3] \n\r\t} \n\r\t] \n\r\t'
    expect(inPieces(text, 0)).toEqual([[1, 2], { a: [3] }])
  })

  test('have properties like those of JSON.parse', () => {
    const text = '{"__proto__":[1],"toString":2,"a":3}'
    expect(Object.getOwnPropertyDescriptors(inPieces(text, 0))).toEqual(
      Object.getOwnPropertyDescriptors(JSON.parse(text) as object),
    )
  })

  test.each([
    ['[1,2}', 'mismatched brackets'],
    ['[{"a":1,"b":2]}', 'mismatched brackets'],
    ['[[1,2],', 'the text ends too early'],
    ['[[1,2]],[3,4]', 'more than one value'],
    ['[[1,2][3,4]]', 'a comma is missing'],
    ['[12 [3,4]]', 'a comma is missing'],
    ['{"a":12 "b":[3,4]}', 'unexpected text'],
    ['{[1,2]}', 'a key is missing'],
    ['{"a":1,[1,2]}', 'a key is missing'],
    ['[,[1,2]]', 'a value is missing'],
    ['{,"a":[1,2]}', 'a value is missing'],
    ['[1,2] x', 'unexpected text'],
    ['1[1,2]', 'unexpected text'],
    ['[[1,2]x,3]', 'unexpected text'],
    ['{"a"x:[1,2]}', 'unexpected text'],
    ['{"a" [1,2]}', 'a colon is missing'],
    ['{"a";[1,2]}', 'a colon is missing'],
  ])('are refused if what joins them is wrong: %s', (text, reason) => {
    expect(() => inPieces(text, 0)).toThrow(
      refusal('JSON_INVALID', { cause: expect.objectContaining({ message: reason }) as Error }),
    )
  })
})
