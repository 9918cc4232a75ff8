import { describe, expect, test } from 'vitest'
import { accepts, evidenceOf } from '../../testing/evidence.ts'
import { ANY_SIGNER, policyOf, ruleOf } from '../../testing/rules.ts'
import { hashAlgorithms } from './hash-algorithms.ts'
import { timestamp } from './timestamp.ts'
import { transparencyLog } from './transparency-log.ts'

const rule = ruleOf({ path: '**' })
const policy = policyOf([])

describe('a required timestamp', () => {
  const time = { at: '2026-06-01T00:00:00Z', source: 'rfc3161', authority: 'CN=TSA' } as const

  test('is true or false, and required only if true', () => {
    expect(accepts(timestamp.schema.timestamp, [undefined, true, false, 'yes'])).toEqual([true, true, true, false])
    expect([{}, { timestamp: false }, { timestamp: true }].map((require) => timestamp.compile(require))).toEqual([
      undefined,
      undefined,
      true,
    ])
  })

  test('is met by a signature with one', () => {
    expect(timestamp.check(true, evidenceOf({ time }))).toEqual({
      passed: 'The signature was made at 2026-06-01T00:00:00Z according to "CN=TSA".',
      failure: undefined,
    })
  })

  test('is not met by a signature without one', () => {
    expect(timestamp.check(true, evidenceOf())).toMatchObject({
      failure: {
        code: 'TIMESTAMP_REQUIRED',
        expected: 'a timestamp (RFC 3161) from an authority that the policy trusts',
        found: 'none',
      },
    })
  })

  test('can be met by signers in a log, or if the policy trusts authorities', () => {
    const able = (timestampAuthorities: Buffer[]) =>
      Object.values(ANY_SIGNER)
        .filter((signer) => timestamp.canMeet(true, signer, { rule, policy: policyOf([], { timestampAuthorities }) }))
        .map(({ method }) => method)
    expect(able([])).toEqual(['sigstore'])
    expect(able([Buffer.from('DER')])).toEqual(['key', 'certificate', 'sigstore'])
  })
})

describe('a required transparency log', () => {
  test('is true or false, and required only if true', () => {
    const { schema } = transparencyLog
    expect(accepts(schema.transparencyLog, [undefined, true, false, 'yes'])).toEqual([true, true, true, false])
    expect(
      [{}, { transparencyLog: false }, { transparencyLog: true }].map((require) => transparencyLog.compile(require)),
    ).toEqual([undefined, undefined, true])
  })

  test('is met by a signer that a Sigstore instance certified', () => {
    expect(transparencyLog.check(true, evidenceOf({ signer: { method: 'sigstore' } }))).toEqual({
      passed: 'The signature is in a transparency log.',
      failure: undefined,
    })
  })

  test.each(['key', 'certificate'] as const)('is not met by the method %s', (method) => {
    expect(transparencyLog.check(true, evidenceOf({ signer: { method } }))).toMatchObject({
      failure: {
        code: 'LOG_REQUIRED',
        expected: 'an entry in a log that the policy trusts',
        found: `a signature by the method ${method}, which has no log entry`,
      },
    })
    expect(transparencyLog.canMeet(true, ANY_SIGNER[method], { rule, policy })).toBe(false)
  })

  test('can be met by the method sigstore', () => {
    expect(transparencyLog.canMeet(true, ANY_SIGNER.sigstore, { rule, policy })).toBe(true)
  })
})

describe('required hash algorithms', () => {
  test('are a list of those that are supported', () => {
    const values = [undefined, ['sha256'], ['blake2b', 'blake3'], [], ['md5'], 'sha256']
    expect(accepts(hashAlgorithms.schema.hashAlgorithms, values)).toEqual([true, true, true, false, false, false])
    expect(hashAlgorithms.compile({})).toBeUndefined()
    expect(hashAlgorithms.compile({ hashAlgorithms: ['sha256'] })).toEqual(['sha256'])
  })

  test('are met by one of them', () => {
    expect(hashAlgorithms.check(['blake3', 'sha256'], evidenceOf())).toEqual({
      passed: 'The model was hashed with sha256.',
      failure: undefined,
    })
  })

  test('are not met by another', () => {
    expect(hashAlgorithms.check(['blake2b', 'sha256'], evidenceOf({ hashType: 'blake3' }))).toMatchObject({
      failure: { code: 'HASH_ALGORITHM_REFUSED', expected: 'blake2b or sha256', found: 'blake3' },
    })
  })

  test('can be met by every signer', () => {
    expect(hashAlgorithms.canMeet(['sha256'], ANY_SIGNER.key, { rule, policy })).toBe(true)
  })
})
