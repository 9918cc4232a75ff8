import { describe, expect, test } from 'vitest'
import { accepts, evidenceOf, NOW } from '../../testing/evidence.ts'
import { ANY_SIGNER, policyOf, ruleOf } from '../../testing/rules.ts'
import { signatureAge } from './signature-age.ts'

type Given = Parameters<typeof signatureAge.compile>[0]

function checked(given: Given, notBefore: string | undefined, at?: string) {
  const signer = notBefore === undefined ? {} : { method: 'certificate' as const, notBefore }
  const time = at === undefined ? {} : { time: { at, source: 'rfc3161', authority: 'CN=TSA' } as const }
  return signatureAge.check(signatureAge.compile(given) ?? [], evidenceOf({ signer, ...time }))
}

const iso = (daysAgo: number) => new Date(NOW - daysAgo * 86_400_000).toISOString()

describe('a limit of the age of a signature', () => {
  test('is a duration or a time', () => {
    expect(accepts(signatureAge.schema.maxSignatureAge, [undefined, '30d', 'P1M', '30', 30])).toEqual([
      true,
      true,
      true,
      false,
      false,
    ])
    expect(accepts(signatureAge.schema.signedAfter, [undefined, '2026-01-01T00:00:00Z', '2026-01-01'])).toEqual([
      true,
      true,
      false,
    ])
  })

  test('is not required if none is given', () => {
    expect(signatureAge.compile({})).toBeUndefined()
  })

  test.each<[string, Given, string, string]>([
    ['after a time', { signedAfter: iso(30) }, iso(29), `after ${iso(30)}`],
    ['exactly at it', { signedAfter: iso(30) }, iso(30), `after ${iso(30)}`],
    ['within a duration', { maxSignatureAge: '30d' }, iso(29), 'at most 30d ago'],
    ['exactly within it', { maxSignatureAge: '30d' }, iso(30), 'at most 30d ago'],
    ['within both', { maxSignatureAge: '30d', signedAfter: iso(20) }, iso(10), `at most 30d ago and after ${iso(20)}`],
  ])('is met by a certificate that was issued %s', (_, given, notBefore, written) => {
    expect(checked(given, notBefore)).toEqual({ passed: `The model was signed ${written}.`, failure: undefined })
  })

  test.each<[string, Given]>([
    ['a duration', { maxSignatureAge: '30d' }],
    ['a time', { signedAfter: iso(30) }],
    ['the stricter of two, the duration', { maxSignatureAge: '30d', signedAfter: iso(60) }],
    ['the stricter of two, the time', { maxSignatureAge: '60d', signedAfter: iso(30) }],
  ])('refuses what is proven to be older than %s', (_, given) => {
    expect(checked(given, iso(50), iso(40))).toMatchObject({
      failure: {
        code: 'SIGNATURE_TOO_OLD',
        expected: expect.stringMatching(/^a signature made (?:at most \w+ ago)?(?: and )?(?:after 2026.*)?$/) as string,
        found: `${iso(40)} or before`,
      },
    })
  })

  test('refuses a signature by a key, whose age nothing proves', () => {
    for (const at of [undefined, iso(1), iso(30)])
      expect(checked({ maxSignatureAge: '30d' }, undefined, at)).toMatchObject({
        failure: {
          code: 'SIGNATURE_TIME_UNKNOWN',
          expected: 'a signature made at most 30d ago',
          found: 'no proof of the earliest time of signing',
          hint: expect.stringContaining('revoked.rootDigests') as string,
        },
      })
    expect(checked({ maxSignatureAge: '30d' }, undefined, iso(31))).toMatchObject({
      failure: {
        code: 'SIGNATURE_TOO_OLD',
      },
    })
  })

  test('refuses a signature by an older certificate that may be recent enough', () => {
    expect(checked({ maxSignatureAge: '30d' }, iso(31))).toMatchObject({
      failure: {
        code: 'SIGNATURE_TIME_UNKNOWN',
        expected: 'a signature made at most 30d ago',
        found: `a signature made at ${iso(31)} or later`,
        hint: expect.stringContaining('a certificate that was issued later') as string,
      },
    })
  })

  test('can be met with certificates, but not with keys', () => {
    const circumstances = { rule: ruleOf({ path: '**' }), policy: policyOf([]) }
    const able = Object.values(ANY_SIGNER).filter((signer) => signatureAge.canMeet([], signer, circumstances))
    expect(able.map(({ method }) => method)).toEqual(['certificate', 'sigstore'])
  })
})
