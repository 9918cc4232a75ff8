import { describe, expect, test } from 'vitest'
import { ruleOf } from '../../testing/rules.ts'
import type { Rule } from '../rule.ts'
import type { MatchText } from '../schema/match.ts'
import { RuleOrder } from './unreachable.ts'

/** A match, or one in the policy file of another directory. */
type Written = MatchText | { elsewhere: MatchText }

function rulesOf(written: readonly Written[]): Rule[] {
  return written.map((match, index) =>
    'elsewhere' in match
      ? ruleOf(match.elsewhere, { name: `${index}`, file: '/other/p.yaml' })
      : ruleOf(match, { name: `${index}`, file: '/srv/p.yaml' }),
  )
}

/** The name of the rule that covers the last one. */
function coveringLast(...written: Written[]): string | undefined {
  const rules = rulesOf(written)
  return new RuleOrder(rules).coveredBy(rules.at(-1) as Rule)?.name
}

/** The name of the rule that is reached around the first one. */
function reachedAroundFirst(...written: Written[]): string | undefined {
  const rules = rulesOf(written)
  return new RuleOrder(rules).reachedAround(rules[0] as Rule)?.name
}

const [A, B] = ['a', 'b'].map((digit) => `sha256:${digit.repeat(64)}`) as [string, string]

describe('a rule covers a later one', () => {
  test.each<[Written, Written]>([
    [{ path: 'a' }, { path: 'a' }],
    [{ path: 'a/*' }, { path: 'a/*' }],
    [{ path: '**' }, { path: 'a' }],
    [{ path: '**' }, { path: '**' }],
    [{ path: '**' }, { path: '*/x' }],
    [{ path: 'a/**' }, { path: 'a/b' }],
    [{ path: 'a/**' }, { path: 'a/**' }],
    [{ path: 'a/**' }, { path: 'a/*/c/**' }],
    [{ path: 'a/b/**' }, { path: 'a/b/c/d' }],
    [{ path: 'a/b/c/**' }, { path: 'a/b/c/d' }],
    [{ path: '/a/**' }, { path: '/a/b' }],
    [{ path: '/**' }, { path: '/a/b' }],
    [{ path: ['x', 'a/**'] }, { path: ['a/b', 'x'] }],
    [{ path: '../a' }, { path: '../a' }],
    [{ path: '**' }, { path: 'a', url: 'https://a/**', name: 'n' }],
    [{ url: 'https://a/**' }, { url: 'https://a/m' }],
    [{ url: 'https://a/**' }, { path: 'x', url: 'https://a/m' }],
    [{ source: 'hf://a/**' }, { source: 'hf://a/m' }],
    [{ name: 'n' }, { name: 'n' }],
    [{ name: 'n/**' }, { path: 'a', name: 'n/x' }],
    [{ path: '**' }, { path: 'a', format: 'onnx' }],
    [{ format: 'onnx' }, { path: 'a', format: 'onnx' }],
    [
      { path: '**', format: ['onnx', 'saved-model'] },
      { path: 'a', format: 'onnx' },
    ],
    [{ format: 'any' }, { path: 'a' }],
    [{ memory: 'any' }, { memory: 'any' }],
    [{ memory: 'any' }, { memory: A }],
    [{ memory: [A, B] }, { memory: [B] }],
    [{ path: '/srv/**' }, { elsewhere: { path: '/srv/m' } }],
    [{ url: '**' }, { elsewhere: { url: 'https://a/m' } }],
  ])('%j covers %j', (earlier, later) => expect(coveringLast(earlier, later)).toBe('0'))

  test.each<[Written, Written]>([
    [{ path: 'a' }, { path: 'b' }],
    [{ path: 'a' }, { path: 'a/b' }],
    [{ path: 'a/*' }, { path: 'a/b' }],
    [{ path: 'a/**' }, { path: 'a' }],
    [{ path: 'a/**' }, { path: 'ab/c' }],
    [{ path: 'a/b/**' }, { path: 'a/c' }],
    [{ path: 'a/**' }, { path: '**' }],
    [{ path: 'a/**' }, { path: 'a/../b' }],
    [{ path: '**' }, { path: '../b' }],
    [{ path: '**' }, { path: '/srv/a' }],
    [{ path: 'a/**' }, { path: ['a/b', 'c'] }],
    [{ path: ['a/**', 'c'] }, { path: ['a/b', 'd'] }],
    [{ path: '*/**' }, { path: '*/x' }],
    [{ path: '?/**' }, { path: '?/x' }],
    [{ path: '{a,b}/**' }, { path: '{a,b}/x' }],
    [{ path: '\\a/**' }, { path: '\\a/x' }],
    [{ path: 'x/**/y' }, { path: 'x/a/y' }],
    [{ path: '**', url: 'https://a/**' }, { path: 'a' }],
    [
      { path: '**', url: 'https://a/**' },
      { path: 'a', url: 'https://b/m' },
    ],
    [{ path: '**', source: 'hf://a/**' }, { path: 'a' }],
    [
      { path: '**', source: 'hf://a/**' },
      { path: 'a', source: 'hf://b/m' },
    ],
    [{ path: '**', name: 'n' }, { path: 'a' }],
    [
      { path: '**', name: 'n' },
      { path: 'a', name: 'm' },
    ],
    [{ url: 'https://a/**' }, { url: 'https://b/**' }],
    [{ path: '**', format: 'onnx' }, { path: 'a' }],
    [
      { path: '**', format: 'onnx' },
      { path: 'a', format: 'saved-model' },
    ],
    [
      { path: '**', format: 'onnx' },
      { path: 'a', format: ['onnx', 'saved-model'] },
    ],
    [{ memory: A }, { memory: 'any' }],
    [{ memory: A }, { memory: [A, B] }],
    [{ memory: 'any' }, { path: 'a' }],
    [{ format: 'onnx' }, { memory: 'any', format: 'onnx' }],
    [{ format: 'onnx' }, { memory: A, format: 'onnx' }],
    [{ path: ['x', '*/a/**'] }, { path: ['x', '/a/m'] }],
    [{ path: ['x', 'a/**/y'] }, { path: ['x', 'a/z'] }],
    [{ path: ['x', 'b'] }, { path: ['x', 'undefined'] }],
    [{ path: '**' }, { elsewhere: { path: 'a' } }],
    [{ path: 'a' }, { elsewhere: { path: 'a' } }],
  ])('%j does not cover %j', (earlier, later) => expect(coveringLast(earlier, later)).toBeUndefined())

  test('and the first of several that do is found', () => {
    expect(coveringLast({ path: 'x' }, { path: 'a/**' }, { path: '**' }, { path: 'a/b' })).toBe('1')
    expect(coveringLast({ path: 'x' }, { path: '**' }, { path: 'a/b' }, { path: 'a/b' })).toBe('1')
    expect(coveringLast({ path: '**', format: 'onnx' }, { path: '**' }, { path: 'a' })).toBe('1')
    expect(coveringLast({ path: '**' }, { path: '**', format: 'onnx' }, { path: 'a', format: 'onnx' })).toBe('0')
  })

  test('but no earlier one, and not itself', () => {
    const rules = rulesOf([{ path: 'a' }, { path: '**' }])
    expect(new RuleOrder(rules).coveredBy(rules[0] as Rule)).toBeUndefined()
    expect(new RuleOrder(rules).coveredBy(rules[1] as Rule)).toBeUndefined()
  })

  test('even if that is not one of those that were given', () => {
    const [rule, other] = rulesOf([{ path: '**' }, { path: 'a' }]) as [Rule, Rule]
    expect(new RuleOrder([rule]).coveredBy(other)).toBe(rule)
    expect(new RuleOrder([]).coveredBy(other)).toBeUndefined()
  })
})

describe('a rule with a name lets through to a later one', () => {
  test.each<[Written, Written]>([
    [{ name: 'n' }, { name: 'm' }],
    [{ name: 'n' }, { path: 'a' }],
    [{ path: 'a', name: 'n' }, { path: 'a' }],
    [{ path: './a', name: 'n' }, { path: 'a' }],
    [{ path: 'a', name: 'n' }, { path: './a' }],
    [{ path: 'a./b', name: 'n' }, { path: 'a./b' }],
    [{ path: 'a/*', name: 'n' }, { path: 'a/b' }],
    [{ path: 'a/b', name: 'n' }, { path: 'a/*' }],
    [{ path: 'a/**', name: 'n' }, { path: 'a/b/c' }],
    [{ path: 'a/b/c', name: 'n' }, { path: 'a/**' }],
    [{ path: '*', name: 'n' }, { path: 'b/c' }],
    [{ path: ['x', 'a'], name: 'n' }, { path: ['y', 'a'] }],
    [{ path: '{x,a}', name: 'n' }, { path: '{y,a}' }],
    [{ path: '/a', name: 'n' }, { path: 'b' }],
    [{ path: 'b', name: 'n' }, { path: '/a' }],
    [{ path: 'a', name: 'n' }, { elsewhere: { path: 'b' } }],
    [{ path: '/a', name: 'n' }, { elsewhere: { path: '/a' } }],
    [{ url: 'https://a/*', name: 'n' }, { url: 'https://a/m' }],
    [{ url: 'https://a/*', name: 'n' }, { path: 'a' }],
    [{ source: 'hf://a/*', name: 'n' }, { source: 'hf://a/m' }],
    [{ format: 'onnx', name: 'n' }, { path: 'a' }],
    [
      { path: 'a', name: 'n' },
      { path: 'a', format: 'onnx' },
    ],
    [{ format: ['onnx', 'tfjs-graph'], name: 'n' }, { format: ['saved-model', 'onnx'] }],
  ])('%j lets through to %j', (named, later) => expect(reachedAroundFirst(named, later)).toBe('1'))

  test.each<[Written, Written]>([
    [{ path: 'a' }, { path: 'a' }],
    [{ path: 'a', name: 'n' }, { path: 'b' }],
    [{ path: 'a/b', name: 'n' }, { path: 'a' }],
    [{ path: 'a', name: 'n' }, { path: 'a/b' }],
    [{ path: 'a/x', name: 'n' }, { path: 'b/*' }],
    [{ path: 'a/x/*', name: 'n' }, { path: 'a/y/*' }],
    [{ path: '/a', name: 'n' }, { path: '/b' }],
    [{ path: '/a', name: 'n' }, { elsewhere: { path: '/b' } }],
    [{ path: ['a', 'b'], name: 'n' }, { path: ['c', 'd'] }],
    [{ url: 'https://a/*', name: 'n' }, { url: 'https://b/*' }],
    [{ source: 'hf://a/*', name: 'n' }, { source: 'hf://b/*' }],
    [{ format: 'onnx', name: 'n' }, { format: 'saved-model' }],
    [{ memory: 'any', name: 'n' }, { path: 'a' }],
    [{ name: 'n' }, { memory: 'any' }],
  ])('%j does not let through to %j', (named, later) => expect(reachedAroundFirst(named, later)).toBeUndefined())

  test('which is the first of several', () => {
    expect(reachedAroundFirst({ path: 'a', name: 'n' }, { path: 'b' }, { path: 'a' }, { path: '**' })).toBe('2')
  })

  test('but to no earlier one', () => {
    const rules = rulesOf([{ path: 'a' }, { path: 'a', name: 'n' }])
    expect(new RuleOrder(rules).reachedAround(rules[1] as Rule)).toBeUndefined()
  })
})

describe('the number of comparisons is limited', () => {
  const named = ruleOf({ path: 'a', name: 'n' })
  const [other, earlier, later] = [ruleOf({ memory: 'any' }), ruleOf({ path: '**' }), ruleOf({ path: 'b/c' })]

  test('for rules that may be reached around one', () => {
    // One for each rule after it, and one for the globs of the last.
    const order = new RuleOrder([named, other, other, ruleOf({ path: 'b' })], 5)
    expect(order.reachedAround(named)).toBeUndefined()
    expect(order.complete).toBe(true)
    expect(order.reachedAround(named)).toBeUndefined()
    expect(order.complete).toBe(false)
  })

  test('for rules that cover one', () => {
    const order = new RuleOrder([earlier, later], 2)
    expect(order.coveredBy(later)).toBe(earlier)
    expect(order.complete).toBe(true)
    expect(order.coveredBy(later)).toBe(earlier)
    expect(order.complete).toBe(false)
    expect(order.coveredBy(later)).toBeUndefined()
  })

  test('and globs that are no longer compared may match the same', () => {
    const rules = [named, ruleOf({ path: 'b' })]
    expect(new RuleOrder(rules, 2).reachedAround(named)).toBeUndefined()
    expect(new RuleOrder(rules, 1).reachedAround(named)).toBe(rules[1])
    expect(new RuleOrder(rules, 0).reachedAround(named)).toBeUndefined()
  })

  test('but not reached by an ordinary policy', () => {
    const rules = Array.from({ length: 100 }, (_, index) => ruleOf({ path: `a/${index}`, name: 'n' }))
    const order = new RuleOrder(rules)
    for (const rule of rules) expect([order.coveredBy(rule), order.reachedAround(rule)]).toEqual([undefined, undefined])
    expect(order.complete).toBe(true)
  })
})
