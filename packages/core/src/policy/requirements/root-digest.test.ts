import { describe, expect, test } from 'vitest'
import { accepts, evidenceOf, signatureBy } from '../../testing/evidence.ts'
import { ANY_SIGNER, policyOf, ruleOf } from '../../testing/rules.ts'
import { Revocations } from '../revocations/revocations.ts'
import { rootDigest } from './root-digest.ts'

const found = signatureBy().manifest.rootDigest
const other = 'a'.repeat(64)
const compiled = (given: string | string[]) => rootDigest.compile({ rootDigest: given }) ?? []

describe('the root digest that a rule requires', () => {
  test('is one or a list, with or without the algorithm', () => {
    const values = [undefined, other, `sha256:${other}`, [other], [], 'aa', other.toUpperCase(), `sha1:${other}`]
    expect(accepts(rootDigest.schema.rootDigest, values)).toEqual([true, true, true, true, false, false, false, false])
  })

  test('is not required if it is not given', () => {
    expect(rootDigest.compile({})).toBeUndefined()
  })

  test.each([[found], [`sha256:${found}`], [[other, found]]])('%j accepts the model', (given) =>
    expect(rootDigest.check(compiled(given), evidenceOf())).toEqual({
      passed: `The root digest is sha256:${found}.`,
      failure: undefined,
    }),
  )

  test('refuses another model', () => {
    expect(rootDigest.check(compiled([other, `sha256:${'b'.repeat(64)}`]), evidenceOf())).toMatchObject({
      failure: {
        code: 'ROOT_DIGEST_REFUSED',
        expected: `sha256:${other} or sha256:${'b'.repeat(64)}`,
        found: `sha256:${found}`,
        hint: expect.stringContaining('the rule "r" requires another model') as string,
      },
    })
  })

  test.each([
    [[other], [other], false],
    [[other, found], [other], true],
    [[other, found], [other, found], false],
    [[found], [other], true],
  ])('%j can be met if %j are revoked: %s', (given, rootDigests, expected) => {
    const revocations = new Revocations()
    revocations.add({ rootDigests })
    const circumstances = { rule: ruleOf({ path: '**' }), policy: policyOf([], { revocations }) }
    expect(rootDigest.canMeet(compiled(given), ANY_SIGNER.key, circumstances)).toBe(expected)
  })
})
