import { describe, expect, test } from 'vitest'
import { policyOf } from '../testing/rules.ts'
import { refusal } from '../testing/scratch.ts'
import { checkFresh } from './policy.ts'

const NOW = Date.parse('2026-06-15T12:00:00Z')
const HOUR = 3_600_000
const ago = (milliseconds: number) => new Date(NOW - milliseconds).toISOString()
const age = (issued: string, path = '/p.yaml') => ({ path, issued, maxAge: '2h' })
const check = (...ages: ReturnType<typeof age>[]) => checkFresh(policyOf([], { ages }), NOW)

describe('the age of a policy', () => {
  test.each([
    ['it has no maximum', []],
    ['it was issued now', [age(ago(0))]],
    ['it is exactly the maximum', [age(ago(2 * HOUR))]],
    ['clocks differ by a day', [age(ago(-24 * HOUR))]],
    ['each file is recent enough', [age(ago(0)), age(ago(HOUR), '/q.yaml')]],
  ])('is accepted if %s', (_, ages) => expect(() => check(...ages)).not.toThrow())

  test('is refused above the maximum', () => {
    const issued = ago(2 * HOUR + 1)
    expect(() => check(age(issued))).toThrow(
      refusal('POLICY_STALE', {
        file: '/p.yaml',
        expected: 'a policy issued in the last 2h',
        found: `one issued at ${issued}`,
        hint: 'Get the current policy from its author.',
        message: expect.stringContaining('is older than its "maxAge"') as string,
      }),
    )
  })

  test('is refused if it was issued more than a day from now', () => {
    const issued = ago(-24 * HOUR - 1)
    expect(() => check(age(issued))).toThrow(
      refusal('POLICY_STALE', {
        file: '/p.yaml',
        found: `one issued at ${issued}`,
        hint: expect.stringContaining('Check the clock') as string,
        message: expect.stringContaining('in the future') as string,
      }),
    )
  })

  test('is refused if one of several files is too old', () => {
    expect(() => check(age(ago(0)), age(ago(3 * HOUR), '/q.yaml'))).toThrow(
      refusal('POLICY_STALE', { file: '/q.yaml' }),
    )
  })

  test('is refused if it cannot be read', () => {
    expect(() => check({ ...age(ago(0)), maxAge: 'soon' })).toThrow(refusal('POLICY_STALE'))
    expect(() => check(age('yesterday'))).toThrow(refusal('POLICY_STALE'))
  })
})
