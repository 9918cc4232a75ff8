import { describe, expect, test } from 'vitest'
import { ModelSealError, type FileProblem } from '../errors.ts'
import { refusal } from '../testing/scratch.ts'
import { digestProblem, isMismatch, isOfOtherModel, mismatch, notSigned, otherModelHint } from './mismatch.ts'

describe('the digests of a file', () => {
  test.each([
    [['a'], ['a']],
    [
      ['a', 'b'],
      ['a', 'b'],
    ],
    [[], []],
  ])('%j and %j are the same', (expected, found) => {
    expect(digestProblem('w', 'sha256', expected, found)).toBeUndefined()
  })

  test.each([
    [['a'], ['b'], 'sha256:a', 'sha256:b'],
    [['a', 'b', 'c'], ['a', 'x', 'y'], 'sha256:b for shard 2 of 3', 'sha256:x'],
    [['a', 'b'], ['a'], 'sha256:b for shard 2 of 2', 'sha256:nothing'],
    [['a'], [], 'sha256:a', 'sha256:nothing'],
    [[], ['a'], 'sha256:nothing', 'sha256:a'],
    [['a'], ['a', 'b'], 'sha256:nothing', 'sha256:b'],
  ])('%j and %j are not', (signed, there, expected, found) => {
    expect(digestProblem('w', 'sha256', signed, there)).toEqual({ code: 'FILE_MISMATCH', file: 'w', expected, found })
  })
})

test('recognizes the refusal of changed content', () => {
  expect(isMismatch(new ModelSealError('FILE_MISMATCH', 'x'))).toBe(true)
  expect(isMismatch(notSigned('a'))).toBe(false)
  expect(isMismatch({ code: 'FILE_MISMATCH' })).toBe(false)
})

test('names the file that is not signed', () => {
  expect(notSigned('a\n')).toEqual(
    refusal('FILE_NOT_SIGNED', {
      file: 'a\n',
      message: expect.stringContaining('Cannot read the file "a\\u{a}": it is not covered') as string,
    }),
  )
})

describe('the refusal of a model', () => {
  const problem = (code: FileProblem['code'], file: string): FileProblem => ({ code, file })
  const refused = (...problems: FileProblem[]) => mismatch('models/m', problems, () => undefined, 'Fix it.')
  const many = (code: FileProblem['code'], count: number) =>
    Array.from({ length: count }, (_, i) => problem(code, String(i).padStart(5, '0')))

  test('says what is wrong with each file, sorted by kind and name', () => {
    const changed = { ...problem('FILE_MISMATCH', 'c'), expected: 'sha256:1', found: 'sha256:2' }
    const error = refused(
      problem('FILE_UNSIGNED', 'b'),
      problem('FILE_MISSING', 'd'),
      problem('FILE_MISSING', 'a'),
      changed,
    )
    expect(error).toEqual(
      refusal('FILE_MISMATCH', { file: 'c', expected: 'sha256:1', found: 'sha256:2', hint: 'Fix it.' }),
    )
    expect(error.message).toBe(
      'The content of "c" is not what was signed (model "models/m"). The signed file "a" is missing. ' +
        'The signed file "d" is missing. The file "b" is not covered by the signature. ' +
        'Expected sha256:1, found sha256:2. Fix it.',
    )
    expect(error.problems?.map(({ file }) => file)).toEqual(['c', 'a', 'd', 'b'])
  })

  test.each([
    [5, ''],
    [6, ' 1 more files differ.'],
    [999, ' 994 more files differ.'],
    [1_000, ' At least 995 more files differ.'],
    [1_001, ' At least 995 more files differ.'],
  ])('names five of %d files', (count, rest) => {
    const { message, problems } = refused(...many('FILE_MISSING', count))
    expect(message).toMatch(new RegExp(`"00004" is missing\\.${rest.replaceAll('.', '\\.')} Fix it\\.$`))
    expect(message).not.toContain('00005')
    expect(problems).toHaveLength(Math.min(count, 1_000))
  })

  test('lists up to 1,000 problems of each kind', () => {
    const codes = ['FILE_MISSING', 'FILE_MISMATCH', 'FILE_UNSIGNED'] as const
    const { problems } = refused(...codes.flatMap((code) => many(code, 1_001)))
    for (const code of codes) expect(problems?.filter((one) => one.code === code)).toHaveLength(1_000)
  })
})

describe('a manifest is of another model', () => {
  const manifest = { modelName: 'vad', files: new Map([['a', { name: 'a', digests: [] }]]) }
  test.each([
    ['with the same name', 'vad', ['b'], false],
    ['with a file in common', 'asr', ['b', 'a'], false],
    ['with another name and other files', 'asr', ['b'], true],
    ['with another name and no files', 'asr', [], true],
  ])('%s: %s, %j: %s', (_, name, files, expected) => {
    expect(isOfOtherModel(manifest, name, files)).toBe(expected)
  })

  test('and the refusal says of which', () => {
    expect(otherModelHint({ modelName: 'v"ad' })).toContain('belongs to the model "v\\"ad"')
  })
})
