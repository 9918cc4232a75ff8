import { describe, expect, test } from 'vitest'
import { evidenceOf, NOW, signatureBy } from '../../testing/evidence.ts'
import { ANY_SIGNER, policyOf, ruleOf } from '../../testing/rules.ts'
import type { Validity } from '../signature-time.ts'
import { keyValidity, validityFailure } from './key-validity.ts'

const period = (notBefore: string | undefined, notAfter: string | undefined): Validity => ({
  notBefore: notBefore === undefined ? -Infinity : Date.parse(notBefore),
  notAfter: notAfter === undefined ? Infinity : Date.parse(notAfter),
})
const MAY = '2026-05-01T00:00:00.000Z'
const JUNE = '2026-06-01T00:00:00.000Z'
const JULY = '2026-07-01T00:00:00.000Z'
const stamped = (at: string) => ({ time: { at, source: 'rfc3161', authority: 'CN=TSA' } }) as const

describe('the validity of a key', () => {
  test('is required by every rule', () => {
    expect(keyValidity.compile({})).toBe(true)
    expect(keyValidity.canMeet(true, ANY_SIGNER.key, { rule: ruleOf({ path: '**' }), policy: policyOf([]) })).toBe(true)
  })

  test('does not concern a signature by a key without periods', () => {
    expect(keyValidity.check(true, evidenceOf())).toBeUndefined()
    expect(validityFailure({ signature: signatureBy(), validities: [], now: NOW })).toBeUndefined()
  })

  test.each<[string, Validity[], Parameters<typeof evidenceOf>[0]]>([
    ['contains the current time', [period(JUNE, JULY)], {}],
    ['has no end', [period(JUNE, undefined)], {}],
    ['has no beginning', [period(undefined, JULY)], {}],
    ['begins now', [{ notBefore: NOW, notAfter: Infinity }], {}],
    ['is one of several', [period(undefined, MAY), period(JUNE, JULY)], {}],
    ['contains the time of a timestamp', [period(MAY, JUNE)], stamped('2026-05-15T00:00:00Z')],
    ['contains the current time, which a timestamp exceeds', [period(JUNE, JULY)], stamped('2026-07-02T00:00:00Z')],
  ])('is met by a period that %s', async (_, validities, signature) => {
    const outcome = await keyValidity.check(true, evidenceOf(signature, { validities }))
    expect(outcome?.failure).toBeUndefined()
    expect(outcome?.passed).toMatch(/^The key "release" was valid at 2026-0[56]-15T/)
  })

  const CURRENT = 'no trusted time, so the current time applies: 2026-06-15T12:00:00.000Z'
  test.each<[string, Validity[], Parameters<typeof evidenceOf>[0], string, string]>([
    ['has ended', [period(undefined, JUNE)], {}, `a time until ${JUNE}`, CURRENT],
    ['ends now', [{ notBefore: -Infinity, notAfter: NOW }], {}, 'a time until 2026-06-15T12:00:00.000Z', CURRENT],
    ['has not begun', [period(JULY, undefined)], {}, `a time from ${JULY}`, CURRENT],
    [
      'is before or after',
      [period(MAY, JUNE), period(JULY, undefined)],
      {},
      `a time from ${MAY} until ${JUNE} or a time from ${JULY}`,
      CURRENT,
    ],
    [
      'begins after the time of a timestamp',
      [period(JUNE, JULY)],
      stamped('2026-05-15T00:00:00Z'),
      `a time from ${JUNE} until ${JULY}`,
      '2026-05-15T00:00:00.000Z',
    ],
  ])('is not met by a period that %s', async (_, validities, signature, expected, found) => {
    const failure = { code: 'KEY_OUTSIDE_VALIDITY', expected, found }
    expect(await keyValidity.check(true, evidenceOf(signature, { validities }))).toMatchObject({ failure })
    expect(validityFailure({ signature: signatureBy(signature), validities, now: NOW })).toMatchObject(failure)
  })
})
