import { describe, expect, test } from 'vitest'
import { LineCounter, parseDocument } from 'yaml'
import { ModelSealError } from '../../errors.ts'
import { refusal } from '../../testing/scratch.ts'
import { PolicyText } from './policy-text.ts'

function textOf(source: string): PolicyText {
  const lineCounter = new LineCounter()
  const document = parseDocument(source, { lineCounter })
  return new PolicyText({ path: '/p.yaml', what: 'policy' }, document, lineCounter)
}

const TEXT = textOf('a: &x one\nlist:\n  - b: two\n  - three\nnone:\n1: &y { c: &z [] }\n')

describe('the position', () => {
  test.each<[PropertyKey[], string | undefined, number[]]>([
    [[], undefined, [1, 1]],
    [[], 'a', [1, 1]],
    [[], 'list', [2, 1]],
    [['a'], undefined, [1, 7]],
    [['list', 0, 'b'], undefined, [3, 8]],
    [['list', 0], 'b', [3, 5]],
    [['list', 1], undefined, [4, 5]],
    [[1, 'c'], undefined, [6, 15]],
    // Of the nearest container.
    [['gone', 'more'], undefined, [1, 1]],
    [[], 'gone', [1, 1]],
    [['list', 0], 'gone', [3, 5]],
    [['list', 7, 'b'], undefined, [3, 3]],
    [['a', 'b'], 'c', [1, 7]],
  ])('of %j and its field %j is %j', (at, key, [line, column]) => {
    expect(TEXT.position(at, key)).toEqual({ line, column })
  })

  test('is not known without content', () => {
    expect(textOf('').position(['a'])).toBeUndefined()
  })
})

test.each<[PropertyKey[], string | undefined]>([
  [['a'], 'x'],
  [[1], 'y'],
  [[1, 'c'], 'z'],
  [['list'], undefined],
  [['none'], undefined],
  [['gone'], undefined],
  [[], undefined],
])('the anchor of %j is %j', (at, name) => {
  expect(TEXT.anchorAt(at)).toBe(name)
})

describe('a fault', () => {
  test('has the position of its value', () => {
    expect(TEXT.fault(['list', 1], 'It is wrong.', { expected: 'four' })).toEqual(
      refusal('POLICY_INVALID', { file: '/p.yaml', line: 4, column: 5, expected: 'four' }),
    )
    expect(textOf('').fault([], 'It is wrong.')).toEqual(
      refusal('POLICY_INVALID', { file: '/p.yaml', line: undefined, column: undefined }),
    )
  })

  test('of a file that a value names has its own code', () => {
    const cause = new ModelSealError('KEY_INVALID', 'It is no key.', { file: '/a.pub' })
    expect(TEXT.faultFrom(['a'], cause)).toEqual(
      refusal('KEY_INVALID', {
        file: '/p.yaml',
        line: 1,
        column: 7,
        cause,
        message: expect.stringMatching(/"\/p\.yaml".* line 1, column 7: It is no key\.$/) as string,
      }),
    )
  })
})
