import { describe, expect, test } from 'vitest'
import { accepts, evidenceOf } from '../../testing/evidence.ts'
import { ANY_SIGNER, policyOf, ruleOf } from '../../testing/rules.ts'
import type { TextPattern } from '../schema/text.ts'
import { modelName } from './model-name.ts'

type Names = TextPattern | TextPattern[]

const compiled = (name: Names) => modelName.compile({ name }) ?? []

describe('the name that a rule requires', () => {
  test('is one text or pattern, or a list', () => {
    expect(
      accepts(modelName.schema.name, [undefined, 'a', { pattern: 'a*' }, ['a', { pattern: 'b' }], [], '', 7]),
    ).toEqual([true, true, true, true, false, false, false])
  })

  test('is not required if it is not given', () => {
    expect(modelName.compile({})).toBeUndefined()
  })

  test.each<[Names, string]>([
    ['vad', 'vad'],
    [{ pattern: 'v*' }, 'vad'],
    [['llm', 'vad'], 'vad'],
  ])('%j accepts %s', (names, name) =>
    expect(modelName.check(compiled(names), evidenceOf({ name }))).toEqual({
      passed: 'The model was signed under the name "vad".',
      failure: undefined,
    }),
  )

  test.each<[Names, string | undefined, string, string]>([
    ['vad', 'llm', 'the name "vad"', '"llm"'],
    ['vad', 'vad2', 'the name "vad"', '"vad2"'],
    [['vad', { pattern: 'v?' }], 'llm', 'the name "vad" or "pattern v?"', '"llm"'],
    ['vad', undefined, 'the name "vad"', 'no name (a signature in the format of release 0.2.0)'],
    [{ pattern: '**' }, undefined, 'the name "pattern **"', 'no name (a signature in the format of release 0.2.0)'],
  ])('%j refuses %j', (names, name, expected, found) =>
    expect(modelName.check(compiled(names), evidenceOf({ name }))).toMatchObject({
      failure: {
        code: 'MODEL_NAME_REFUSED',
        expected,
        found,
        hint: expect.stringContaining('the rule "r" requires another model') as string,
      },
    }),
  )

  test.each<[Names, string | undefined, boolean]>([
    ['vad', undefined, true],
    ['vad', 'v*', true],
    ['vad', 'llm', false],
    [['llm', 'vad'], 'v*', true],
    [['llm', 'ocr'], 'v*', false],
    [{ pattern: 'l*' }, 'v*', true],
  ])('%j can be met by a rule that matches the name %j: %s', (names, name, expected) => {
    const circumstances = { rule: ruleOf(name === undefined ? { path: '**' } : { name }), policy: policyOf([]) }
    expect(modelName.canMeet(compiled(names), ANY_SIGNER.key, circumstances)).toBe(expected)
  })

  test('may contain a wildcard by mistake', () => {
    expect(modelName.dangers?.(compiled(['vad', 'v*', { pattern: 'l*' }]))).toEqual([
      {
        field: 'name',
        danger: {
          severity: 'warning',
          code: 'WILDCARD_EXACT',
          message: expect.stringContaining('The name "v*"') as string,
        },
      },
    ])
  })
})
