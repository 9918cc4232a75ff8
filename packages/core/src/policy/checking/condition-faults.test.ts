import { describe, expect, test } from 'vitest'
import type { NamedKind } from '../../attestation/kinds/named-kinds.ts'
import type { ConditionText } from '../attestations/schema.ts'
import { conditionFaults } from './condition-faults.ts'

const KIND: NamedKind = {
  name: 'review',
  what: 'a review',
  types: [],
  fields: ['by', 'result', 'dataset', 'base'],
  values: { result: ['PASSED', 'FAILED'] },
  digests: { only: ['dataset'], among: ['base'] },
  hasMetrics: true,
}
const BARE: NamedKind = { name: 'bare', what: 'a bare one', types: [], fields: ['by'], hasMetrics: false }
const HEX = 'a'.repeat(64)
const DIGEST = `sha256:${HEX}`

const faults = (condition: object, kind: NamedKind | undefined = KIND) =>
  conditionFaults(condition as ConditionText, kind).map(({ code, what }) => `${code} ${what}`)
const unmeetable = (what: string) => [`REQUIREMENT_UNMEETABLE ${what}`]
const misspelt = (what: string) => [`CONDITION_MISSPELT ${what}`]

describe('a condition that nothing can meet', () => {
  test.each<[object, string]>([
    [{ field: 'by', atLeast: 1 }, 'the field "by" is text, and "atLeast" compares numbers'],
    [{ field: 'by', atMost: 1 }, 'the field "by" is text, and "atMost" compares numbers'],
    [{ field: 'by', equals: 7 }, 'the field "by" is text, which never equals the number 7; write it in quotes: "7"'],
    [{ field: 'by', equals: true }, 'the field "by" is text, which never equals true; write it in quotes: "true"'],
    [{ metric: 'm', equals: 'low' }, 'metrics are numbers, which never equal the text "low"'],
    [{ metric: 'm', equals: '0.9' }, 'metrics are numbers, which never equal the text "0.9"; write 0.9 without quotes'],
    [{ metric: 'm', equals: true }, 'metrics are numbers, which never equal true'],
    [{ field: 'result', equals: 'passed' }, 'no result of a review is "passed"; write one of PASSED, FAILED'],
    [
      { field: 'dataset', equals: 'glue' },
      'the field "dataset" has only digests, and "glue" is none; write sha256: and 64 lowercase hex digits',
    ],
    ...[
      HEX,
      HEX.toUpperCase(),
      `SHA256:${HEX}`,
      `sha-256:${HEX}`,
      `sha256=${HEX}`,
      `sha256-${HEX}`,
      `sha256${HEX}`,
    ].map((text): [object, string] => [
      { field: 'dataset', equals: text },
      `the field "dataset" has only digests, and "${text}" is none; write ${DIGEST}`,
    ]),
    ...[`x${HEX}`, `${HEX}a`, `sha512:${HEX}`, `${DIGEST}x`, `x${DIGEST}`].map((text): [object, string] => [
      { field: 'dataset', equals: text },
      `the field "dataset" has only digests, and "${text}" is none; write sha256: and 64 lowercase hex digits`,
    ]),
    [
      { field: 'result', oneOf: ['passed', 'failed'] },
      'no result of a review is "passed"; write one of PASSED, FAILED',
    ],
    [
      { field: 'result', equals: 'PASSED', oneOf: ['passed', 'PASSED'] },
      'no result of a review is "passed"; write one of PASSED, FAILED',
    ],
  ])('is %j', (condition, what) => expect(faults(condition)).toEqual(unmeetable(what)))

  test('is found for a kind without digests and values', () => {
    expect(faults({ field: 'by', equals: 1 }, BARE)).toHaveLength(1)
    expect(faults({ field: 'by', equals: 'x' }, BARE)).toEqual([])
  })
})

describe('a value that is never found', () => {
  test.each<[object, string]>([
    [
      { field: 'result', oneOf: ['PASSED', 'failed'] },
      'A value of the condition can never be found: no result of a review is "failed"; write one of PASSED, FAILED.',
    ],
    [
      { metric: 'm', oneOf: [1, 'low'] },
      'A value of the condition can never be found: metrics are numbers, which never equal the text "low".',
    ],
    [
      { field: 'base', equals: HEX },
      `The field "base" has its digests as sha256:HEX, so that "${HEX}" is a name. Write ${DIGEST}.`,
    ],
  ])('is in %j', (condition, what) => expect(faults(condition)).toEqual(misspelt(what)))
})

describe('a wildcard in a condition', () => {
  test.each<[object, string]>([
    [{ field: 'by', equals: 'A*' }, 'The value "A*" of the condition is compared exactly, with its *.'],
    [{ field: 'base', equals: 'org/*' }, 'The value "org/*" of the condition is compared exactly, with its *.'],
    [{ field: 'by', oneOf: ['A', '{a,b}'] }, 'The value "{a,b}" of the condition is compared exactly, with its {a,b}.'],
  ])('is in %j', (condition, words) =>
    expect(conditionFaults(condition as ConditionText, KIND)).toEqual([
      { code: 'WILDCARD_EXACT', what: expect.stringContaining(words) as string },
    ]),
  )
})

describe('nothing is wrong with', () => {
  test.each<[object, NamedKind | undefined]>([
    [{ field: 'by', equals: 'Ann' }, KIND],
    [{ field: 'by', oneOf: ['Ann', 'Bo'] }, KIND],
    [{ field: 'by', pattern: 'A*' }, KIND],
    [{ field: 'result', equals: 'PASSED' }, KIND],
    [{ field: 'toString', equals: 'x' }, KIND],
    [{ field: 'dataset', equals: DIGEST }, KIND],
    [{ field: 'base', equals: DIGEST }, KIND],
    [{ field: 'base', equals: 'org/base' }, KIND],
    [{ metric: 'm', equals: 0.9 }, KIND],
    [{ metric: 'm', oneOf: [1, 2] }, undefined],
    [{ metric: 'm', atLeast: 1 }, KIND],
    [{ field: 'level', atLeast: 1, atMost: 2 }, undefined],
    [{ field: 'level', equals: 1 }, undefined],
    [{ field: 'dataset', equals: HEX }, undefined],
    [{ field: 'result', equals: 'passed' }, undefined],
  ])('%j', (condition, kind) => expect(conditionFaults(condition as ConditionText, kind)).toEqual([]))
})
