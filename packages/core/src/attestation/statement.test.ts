import { describe, expect, test } from 'vitest'
import { refusal } from '../testing/scratch.ts'
import { atOnce } from '../source/turns.ts'
import { attestationSteps, isAbout, writeAttestation } from './statement.ts'

const ROOT = 'a'.repeat(64)
const GOOD = {
  _type: 'https://in-toto.io/Statement/v1',
  subject: [{ name: 'vad', digest: { sha256: ROOT } }],
  predicateType: 'https://example.org/review/v1',
  predicate: { approved: true },
}
const model = { rootDigest: ROOT, identity: 'i' }
const read = (value: unknown) =>
  atOnce(attestationSteps(Buffer.from(typeof value === 'string' ? value : JSON.stringify(value))))

describe('the statement of an attestation', () => {
  test('is read as it was written', () => {
    const written = writeAttestation(
      { name: 'vad', rootDigest: ROOT, identity: 'i' },
      GOOD.predicateType,
      GOOD.predicate,
    )
    const subject = [{ name: 'vad', digest: { sha256: ROOT, modelIdentity: 'i' } }]
    expect(written).toEqual({ ...GOOD, subject })
    const { predicateType, predicate, subjects, inexactNumber } = read(written)
    expect({ predicateType, predicate, subjects, inexactNumber }).toEqual({
      predicateType: GOOD.predicateType,
      predicate: GOOD.predicate,
      subjects: subject,
      inexactNumber: undefined,
    })
  })

  test('may be of version 0.1, as cosign writes it, without names, and with other subjects', () => {
    const subject = [{ digest: { sha512: 'x' } }, { name: '', digest: { sha256: ROOT } }]
    const statement = read({ ...GOOD, _type: 'https://in-toto.io/Statement/v0.1', subject })
    expect(isAbout(statement, model)).toBe(true)
    expect(isAbout(statement, { ...model, rootDigest: 'b'.repeat(64) })).toBe(false)
    expect(isAbout(read({ ...GOOD, subject: [{ name: ROOT, digest: { sha1: ROOT } }] }), model)).toBe(false)
  })

  test('tells models with the same root digest apart, if it names the identity of one', () => {
    const about = (digest: object) =>
      isAbout(read({ ...GOOD, subject: [{ digest: { sha256: ROOT, ...digest } }] }), model)
    expect([about({}), about({ modelIdentity: 'i' }), about({ modelIdentity: 'other' })]).toEqual([true, true, false])
  })

  test('may lack a predicate, which is then empty', () => {
    const { predicate, ...rest } = GOOD
    expect(predicate).toBeDefined()
    expect(read(rest).predicate).toEqual({})
    expect(read({ ...rest, predicate: null }).predicate).toEqual({})
  })

  test.each([
    ['STATEMENT_TYPE', { ...GOOD, _type: 'https://in-toto.io/Statement/v2' }],
    ['STATEMENT_MALFORMED', { ...GOOD, extra: 1 }],
    ['STATEMENT_MALFORMED', { ...GOOD, subject: [] }],
    ['STATEMENT_MALFORMED', { ...GOOD, subject: {} }],
    ['STATEMENT_MALFORMED', { ...GOOD, subject: [{ name: 'vad' }] }],
    ['STATEMENT_MALFORMED', { ...GOOD, subject: [{ name: 1, digest: { sha256: ROOT } }] }],
    ['STATEMENT_MALFORMED', { ...GOOD, subject: [{ digest: { sha256: 1 } }] }],
    ['STATEMENT_MALFORMED', { ...GOOD, subject: Array(1_001).fill(GOOD.subject[0]) }],
    ['STATEMENT_MALFORMED', { ...GOOD, predicateType: '' }],
    ['STATEMENT_MALFORMED', { ...GOOD, predicateType: `urn:${'x'.repeat(2_048)}` }],
    ['STATEMENT_MALFORMED', { ...GOOD, predicate: [] }],
    ['STATEMENT_MALFORMED', { ...GOOD, predicate: 'text' }],
    ['JSON_INVALID', JSON.stringify(GOOD).slice(0, -1)],
    ['JSON_DUPLICATE_KEY', JSON.stringify(GOOD).replace('"approved":true', '"approved":true,"approved":false')],
    ['JSON_TOO_COMPLEX', { ...GOOD, predicate: { deep: JSON.parse('['.repeat(40) + ']'.repeat(40)) as unknown } }],
    ['JSON_TOO_COMPLEX', { ...GOOD, predicate: { many: Array(100_001).fill(0) } }],
    ['JSON_TOO_COMPLEX', { ...GOOD, predicate: { long: 'x'.repeat(4 * 1024 * 1024) } }],
  ] as const)('is refused with %s', (code, value) => {
    expect(() => read(value)).toThrow(refusal(code))
  })

  test.each(['0.92000000000000000001', '9007199254740993', '1e400', '-1e-400', '0.1000000000000000055511151231257827'])(
    'tells that %s is not what a program reads',
    (number) => {
      const text = JSON.stringify({ ...GOOD, predicate: { value: 1 } }).replace('"value":1', `"value":${number}`)
      expect(read(text).inexactNumber).toBe(JSON.stringify(number))
    },
  )

  test.each(['0.92', '0.10', '1E2', '-0', '-0.0', '1.000', '123456789012345', '1e5', '0.12345678901234'])(
    'compares %s',
    (number) => {
      const text = JSON.stringify({ ...GOOD, predicate: { value: 1 } }).replace('"value":1', `"value":${number}`)
      expect(read(text).inexactNumber).toBeUndefined()
    },
  )
})
