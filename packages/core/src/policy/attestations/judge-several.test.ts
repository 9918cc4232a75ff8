import { sign } from 'node:crypto'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { parseBundle, type FoundBundle } from '../../bundle/bundle.ts'
import { defectivePreAuthEncoding, IN_TOTO_PAYLOAD_TYPE, preAuthEncoding } from '../../bundle/dsse.ts'
import { ModelSealError } from '../../errors.ts'
import {
  attestation,
  evaluated,
  judge,
  lab,
  LAB,
  lab2,
  mallory,
  payloadOf,
  REVIEW,
  TEST_RESULT,
  unreadable,
} from '../../testing/attestations.ts'
import { bundleOver, encoded, type LooseJson } from '../../testing/bundles.ts'
import { pem } from '../../testing/feeds.ts'
import { refusal } from '../../testing/scratch.ts'
import { Effort } from '../../verification/effort.ts'

describe('several attestations', () => {
  const two = { type: 'evaluation', signers: [{ key: 'lab' }, { key: 'lab2' }], threshold: 2 }

  test('must be by as many distinct signers as the rule says', async () => {
    const given = [attestation(), attestation(payloadOf(evaluated(0.95)))]
    const { refusal: refused, attestations, believed } = await judge(given, [two])
    expect(refused).toEqual(refusal('ATTESTATION_THRESHOLD', { expected: '2', found: '1' }))
    expect(attestations.map(({ reason }) => reason?.code)).toEqual(['ATTESTATION_THRESHOLD', 'ATTESTATION_THRESHOLD'])
    expect(believed).toEqual([])
    const enough = await judge([...given, attestation(undefined, lab2)], [two])
    expect(enough.refusal).toBeUndefined()
    expect(enough.believed).toHaveLength(3)
    expect(enough.checks[0]?.reason).toMatch(/signed by [^,]+, [^,]+\.$/)
  })

  test('satisfy all that a rule requires, or the model is refused for the first that is not satisfied', async () => {
    const review = { type: REVIEW, signers: [{ key: 'lab' }] }
    const judged = await judge([attestation()], [review, LAB, { type: 'provenance' }])
    expect(judged.refusal).toEqual(
      refusal('ATTESTATION_MISSING', { expected: `an attestation of the type "${REVIEW}"` }),
    )
    expect(judged.checks.map(({ outcome }) => outcome)).toEqual(['failed', 'passed', 'failed'])
    expect(judged.attestations).toMatchObject([{ satisfies: ['evaluation'] }])
    expect(judged.believed).toEqual([])
  })

  test('one of which is all that a rule requires count once for each type', async () => {
    const byUri = { type: TEST_RESULT, signers: [{ key: 'lab' }] }
    const { attestations, believed } = await judge([attestation()], [LAB, byUri, LAB])
    expect(attestations).toMatchObject([{ satisfies: ['evaluation', TEST_RESULT] }])
    expect(believed).toHaveLength(1)
  })

  test('can each satisfy one demand and fail another', async () => {
    const byLab2 = { ...LAB, signers: [{ key: 'lab2' }] }
    const judged = await judge([attestation(), attestation(undefined, lab2)], [LAB, byLab2])
    expect(judged.refusal).toBeUndefined()
    expect(judged.checks.map(({ outcome }) => outcome)).toEqual(['passed', 'passed'])
    expect(judged.believed).toHaveLength(2)
  })

  test('that do not count are counted in the refusal, with the reason that came furthest', async () => {
    const condition = { ...LAB, maxAge: '1d', where: [{ metric: 'accuracy', atLeast: 0.99 }] }
    const bySomebody = attestation(undefined, mallory)
    const old = attestation(payloadOf(evaluated(1, '2026-01-01T00:00:00Z')))
    const low = attestation(payloadOf(evaluated(0.5)))
    const reasons = async (...found: FoundBundle[]) => {
      const { refusal: refused } = await judge(found, [condition])
      return `${refused?.code} ${/does not count( \(.*?\))?/.exec(refused?.message ?? '')?.[1] ?? ''}`
    }
    expect(await reasons(bySomebody)).toBe(`SIGNER_NOT_TRUSTED  ("${bySomebody.path}")`)
    expect(await reasons(bySomebody, old)).toBe(`ATTESTATION_TOO_OLD  ("${old.path}" and 1 other)`)
    expect(await reasons(old, bySomebody)).toBe(`ATTESTATION_TOO_OLD  ("${old.path}" and 1 other)`)
    expect(await reasons(bySomebody, low, old)).toBe(`ATTESTATION_CONDITION  ("${low.path}" and 2 others)`)
    const lower = attestation(payloadOf(evaluated(0.4)))
    expect(await reasons(low, lower)).toBe(`ATTESTATION_CONDITION  ("${low.path}" and 1 other)`)
    expect(await reasons(unreadable(), low)).toBe(`ATTESTATION_CONDITION  ("${low.path}" and 1 other)`)
    expect(await reasons(low, unreadable())).toBe(`ATTESTATION_CONDITION  ("${low.path}" and 1 other)`)
    expect(await reasons(unreadable())).toBe('FILE_UNREADABLE  ("x")')
  })

  test('one of which is by a revoked signer are refused for that', async () => {
    const where = [{ metric: 'accuracy', atLeast: 0.99 }]
    const found = [attestation(undefined, lab2), attestation()]
    const revoked = { keys: [lab2.publicKey.fingerprint] }
    for (const given of [found, found.toReversed()])
      expect((await judge(given, [{ ...two, where }], { revoked })).refusal?.code).toBe('ATTESTATION_REVOKED')
  })

  test('that are copies of one are judged once', async () => {
    const one = attestation()
    const { attestations } = await judge([one, { ...one, path: 'copy.json' }, unreadable(), unreadable()], [LAB])
    expect(attestations.map(({ path }) => path)).toEqual([one.path, 'x', 'x'])
  })
})

describe('what could not be read', () => {
  test.each(['FILE_UNREADABLE', 'ATTESTATIONS_TOO_LARGE'] as const)('may explain what is missing: %s', async (code) => {
    expect((await judge([unreadable(code)], [LAB])).refusal).toEqual(refusal(code, { file: 'x' }))
  })

  test('explains nothing if it is no attestation', async () => {
    const { refusal: refused, attestations } = await judge([unreadable('BUNDLE_MALFORMED')], [LAB])
    expect(refused?.code).toBe('ATTESTATION_MISSING')
    expect(attestations).toMatchObject([{ reason: { code: 'BUNDLE_MALFORMED' } }])
  })

  test('does not matter if another attestation counts', async () => {
    expect((await judge([unreadable(), attestation()], [LAB])).refusal).toBeUndefined()
  })

  test('ends everything if it was aborted, or if the program failed', async () => {
    const aborted = new ModelSealError('ABORTED', 'Aborted.')
    await expect(judge([{ path: 'x', error: aborted }], [LAB])).rejects.toBe(aborted)
    const signatures = vi.spyOn(Effort.prototype, 'signatures')
    onTestFinished(() => signatures.mockRestore())
    signatures.mockRejectedValueOnce(aborted)
    await expect(judge([attestation()], [LAB])).rejects.toBe(aborted)
    const mistake = new TypeError('x')
    signatures.mockRejectedValueOnce(mistake)
    await expect(judge([attestation()], [LAB])).rejects.toBe(mistake)
    signatures.mockRejectedValueOnce(new ModelSealError('CHAIN_TOO_LARGE', 'Too large.'))
    const { refusal: refused } = await judge([attestation()], [LAB])
    expect(refused?.code).toBe('CHAIN_TOO_LARGE')
    expect(signatures).toHaveBeenCalled()
  })
})

test('an attestation with the defective signature of models of releases before 1.0 is not believed', async () => {
  const payload = payloadOf(evaluated())
  const envelope = { payloadType: IN_TOTO_PAYLOAD_TYPE, payload, signature: Buffer.alloc(0) } as const
  const defective = Buffer.concat(Array.from(defectivePreAuthEncoding(envelope), (piece) => Buffer.from(piece)))
  const old: LooseJson = JSON.parse(bundleOver(payload, lab).toString())
  old.verificationMaterial.publicKey = { rawBytes: Buffer.from(pem(lab)).toString('base64') }
  const judgeWith = async (signed: Buffer) => {
    old.dsseEnvelope.signatures[0].sig = sign('sha256', signed, lab.privateKey).toString('base64')
    return judge([{ path: 'old.json', bundle: parseBundle(encoded(old), 'old.json') }], [LAB])
  }
  expect((await judgeWith(preAuthEncoding(IN_TOTO_PAYLOAD_TYPE, payload))).refusal).toBeUndefined()
  expect((await judgeWith(defective)).refusal?.code).toBe('SIGNATURE_INVALID')
})
