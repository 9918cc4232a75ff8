import { describe, expect, test } from 'vitest'
import { inLowerCase, isCaseless, lowerCase } from './caseless.ts'
import { contradictions } from './contradictions.ts'
import type { ConditionText } from './schema.ts'

const found = (where: ConditionText[], type = 'https://example.org/review/v1') => contradictions(where, type)

describe('conditions contradict each other', () => {
  test.each<[string, ConditionText[], number[]]>([
    [
      'with two values',
      [
        { field: 'a', equals: 1 },
        { field: 'a', equals: 2 },
      ],
      [1],
    ],
    [
      'not with one',
      [
        { field: 'a', equals: 1 },
        { field: 'a', equals: 1 },
      ],
      [],
    ],
    [
      'not about two fields',
      [
        { field: 'a', equals: 1 },
        { field: 'b', equals: 2 },
      ],
      [],
    ],
    [
      'with lists that share nothing',
      [
        { field: 'a', oneOf: ['x', 'y'] },
        { field: 'a', oneOf: ['z'] },
      ],
      [1],
    ],
    [
      'not with lists that share a value',
      [
        { field: 'a', oneOf: ['x', 'y'] },
        { field: 'a', oneOf: ['y', 'z'] },
      ],
      [],
    ],
    [
      'with a value that is not in the list',
      [
        { field: 'a', oneOf: ['x'] },
        { field: 'a', equals: 'y' },
      ],
      [1],
    ],
    ['with a value below the limit', [{ field: 'a', equals: 1, atLeast: 2 }], [0]],
    ['not with a value at the limit', [{ field: 'a', equals: 2, atLeast: 2, atMost: 2 }], []],
    [
      'with limits that cross',
      [
        { metric: 'a', atLeast: 2 },
        { metric: 'a', atMost: 1 },
      ],
      [1],
    ],
    [
      'with limits that cross, the other way round',
      [
        { metric: 'a', atMost: 1 },
        { metric: 'a', atLeast: 2 },
      ],
      [1],
    ],
    [
      'not with limits that meet',
      [
        { metric: 'a', atLeast: 1 },
        { metric: 'a', atMost: 1 },
      ],
      [],
    ],
    [
      'not with limits on one side',
      [
        { metric: 'a', atLeast: 1 },
        { metric: 'a', atLeast: 2 },
      ],
      [],
    ],
    [
      'with a pattern and a limit',
      [
        { field: 'a', pattern: '*' },
        { field: 'a', atLeast: 1 },
      ],
      [1],
    ],
    ['with a pattern and an upper limit', [{ field: 'a', pattern: '*', atMost: 1 }], [0]],
    [
      'not with a pattern only',
      [
        { field: 'a', pattern: 'x*' },
        { field: 'a', exists: true },
      ],
      [],
    ],
    [
      'with a pattern and another text',
      [
        { field: 'a', pattern: 'x*' },
        { field: 'a', equals: 'y' },
      ],
      [1],
    ],
    ['with a metric that has to be text', [{ metric: 'a', equals: 'x' }], [0]],
    ['with a metric that has to be one of texts', [{ metric: 'a', oneOf: ['x', 'y'] }], [0]],
    ['not with a metric that may be a number', [{ metric: 'a', oneOf: ['x', 1] }], []],
    ['not with a field that has to be text', [{ field: 'a', equals: 'x' }], []],
    [
      'not about two slices',
      [
        { metric: 'a', atMost: 1 },
        { metric: 'a', slice: 's', atLeast: 2 },
      ],
      [],
    ],
    [
      'not about two units',
      [
        { metric: 'a', atMost: 1 },
        { metric: 'a', unit: 's', atLeast: 2 },
      ],
      [],
    ],
    [
      'not about two datasets',
      [
        { metric: 'a', atMost: 1 },
        { metric: 'a', dataset: `sha256:${'d'.repeat(64)}`, atLeast: 2 },
      ],
      [],
    ],
    [
      'not about a field and a metric',
      [
        { metric: 'a', atMost: 1 },
        { field: 'a', atLeast: 2 },
      ],
      [],
    ],
    [
      'each with those before it that can be met',
      [
        { field: 'a', equals: 1 },
        { field: 'a', equals: 2 },
        { field: 'a', atLeast: 1 },
        { field: 'a', atMost: 0 },
      ],
      [1, 3],
    ],
  ])('%s', (_, where, positions) => {
    expect(found(where)).toEqual(positions)
  })

  test('without regard to case where the field is compared so', () => {
    const licences = (...values: string[]) => values.map((equals) => ({ field: 'licence', equals }))
    expect(found(licences('MIT', 'mit'), 'model-card')).toEqual([])
    expect(found(licences('MIT', 'mit'), 'https://example.org/review/v1')).toEqual([1])
    expect(found(licences('MIT', 'apache-2.0'), 'model-card')).toEqual([1])
  })
})

describe('values are compared without regard to case', () => {
  test('in every comparison', () => {
    expect(inLowerCase({ field: 'A', equals: 'B', oneOf: ['C', 1, true], pattern: 'D*', exists: true })).toEqual({
      field: 'A',
      equals: 'b',
      oneOf: ['c', 1, true],
      pattern: 'd*',
      exists: true,
    })
    expect(Object.keys(inLowerCase({ field: 'A', atLeast: 1 }))).toEqual(['field', 'atLeast'])
  })

  test('if they are letters of ASCII', () => {
    expect(lowerCase('AZ-\u212a\u00c4')).toBe('az-\u212a\u00c4')
    expect([lowerCase(1), lowerCase(true)]).toEqual([1, true])
  })

  test('in fields of kinds that say so', () => {
    expect(isCaseless({ field: 'licence' }, 'data-card')).toBe(true)
    expect(isCaseless({ metric: 'licence' }, 'model-card')).toBe(false)
    expect(isCaseless({ field: 'builder' }, 'provenance')).toBe(false)
  })
})
