import { describe, expect, test } from 'vitest'
import { ruleOf } from '../../testing/rules.ts'
import type { Rule } from '../rule.ts'
import { compileFileRequirements, type FileRequirements } from './files.ts'
import { strictest } from './strictest.ts'

type Given = Parameters<typeof compileFileRequirements>[0]

function rules(...given: Given[]): [Rule, ...Rule[]] {
  return given.map((require, index) =>
    ruleOf({ path: '**' }, { name: `r${index}`, require: compileFileRequirements(require) }),
  ) as [Rule, ...Rule[]]
}

/** What the rules require together, in both orders, which must not differ. */
function together(...given: Given[]): FileRequirements {
  const [one, other] = [rules(...given), rules(...given.toReversed())].map((all) => strictest(all).require)
  for (const field of ['files', 'isolation', 'receipts'] as const) expect(one?.[field]).toEqual(other?.[field])
  expect(one?.unsigned === undefined).toBe(other?.unsigned === undefined)
  return one as FileRequirements
}

describe('several rules together', () => {
  test('are the rule itself if it is the only one', () => {
    const [rule] = rules({ files: 'loaded' })
    expect(strictest([rule])).toBe(rule)
  })

  test('have the names of all, and the requirements of signatures of none', () => {
    const [first, second] = rules({}, {}) as [Rule, Rule]
    const demand = { requirement: {} as never, wanted: true }
    expect(strictest([{ ...first, demands: [demand] }, second])).toMatchObject({
      name: 'r0 and r1',
      demands: [],
      match: first.match,
      mode: 'enforce',
    })
  })

  test('require only what concerns files, without a prototype', () => {
    const require = together({ pinned: true, maxBundleBytes: 7 }, {})
    expect({ ...require }).toEqual({ files: 'all' })
    expect(Object.getPrototypeOf(require)).toBeNull()
  })

  test.each<[FileRequirements['files'], FileRequirements['files'], FileRequirements['files']]>([
    ['all', 'all', 'all'],
    ['loaded', 'loaded', 'loaded'],
    ['ignore-unsigned', 'ignore-unsigned', 'ignore-unsigned'],
    ['all', 'loaded', 'all'],
    ['all', 'ignore-unsigned', 'all'],
    ['loaded', 'ignore-unsigned', 'all'],
  ])('check %s and %s as %s', (one, other, expected) =>
    expect(together({ files: one }, { files: other }).files).toBe(expected),
  )

  test('check all files if one of three rules differs', () => {
    expect(together({ files: 'loaded' }, { files: 'loaded' }, { files: 'ignore-unsigned' }).files).toBe('all')
  })

  test('allow the unsigned files that all of them allow', () => {
    const both = together({ unsigned: ['a/**', 'b'] }, { unsigned: ['b', 'c'] }).unsigned
    expect(['a/x', 'b', 'b/x', 'c', 'd'].map((name) => both?.(name))).toEqual([false, true, true, false, false])
    const either = together({ files: 'ignore-unsigned' }, { unsigned: 'b' }).unsigned
    expect(['b', 'b/x', 'c'].map((name) => either?.(name))).toEqual([true, true, false])
    const any = together({ files: 'ignore-unsigned' }, { files: 'ignore-unsigned' }).unsigned
    expect(any?.('x')).toBe(true)
  })

  test('allow no unsigned file if one of them allows none', () => {
    expect(together({ unsigned: '**' }, {}).unsigned).toBeUndefined()
    expect(together({ files: 'ignore-unsigned' }, { files: 'loaded' }).unsigned).toBeUndefined()
    expect(together({ files: 'ignore-unsigned' }, {})).not.toHaveProperty('unsigned')
  })

  test('allow the isolation levels that all of them allow', () => {
    expect(together({ isolation: ['memory', 'copy'] }, { isolation: ['copy', 'in-place'] }).isolation).toEqual(['copy'])
    expect(together({ isolation: ['memory'] }, {}).isolation).toEqual(['memory'])
    expect(together({ isolation: ['memory'] }, { isolation: ['copy'] }).isolation).toEqual([])
    expect(together({}, {})).not.toHaveProperty('isolation')
  })

  test('allow receipts of the lowest maximum age, if all of them do', () => {
    const days = (count: number) => ({ maxAge: { months: 0, milliseconds: count * 86_400_000 } })
    expect(together({ receipts: 'allow' }, { receipts: { maxAge: '1d' } }).receipts).toEqual(days(1))
    expect(together({ receipts: { maxAge: 'P1M' } }, { receipts: { maxAge: '40d' } }).receipts?.maxAge.months).toBe(1)
    expect(together({ receipts: 'allow' }, {}).receipts).toBeUndefined()
    expect(together({ receipts: 'allow' }, { receipts: 'allow' }, {}).receipts).toBeUndefined()
    expect(together({}, {})).not.toHaveProperty('receipts')
  })
})
