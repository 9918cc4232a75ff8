import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { makeProvenance } from '../../attestation/kinds/make-provenance.ts'
import { attestationDigest } from '../../attestation/statement.ts'
import { parseBundle } from '../../bundle/bundle.ts'
import {
  attestation,
  evaluated,
  judge,
  lab,
  LAB,
  lab2,
  MODEL,
  payloadOf,
  REVIEW,
  ROOT,
  TEST_RESULT,
  mallory,
} from '../../testing/attestations.ts'
import { pemOf } from '../../testing/authority.ts'
import { bundleOver, encoded, type LooseJson } from '../../testing/bundles.ts'
import { refusal, scratch } from '../../testing/scratch.ts'
import { timestamp, timestampAuthority } from '../../testing/timestamp.ts'

describe('an attestation that a rule requires', () => {
  test('is believed if it was signed by a signer that the rule names', async () => {
    const given = attestation()
    const { checks, attestations, believed, refusal: refused } = await judge([given], [LAB])
    expect(refused).toBeUndefined()
    expect(checks).toEqual([
      {
        check: 'attestations',
        outcome: 'passed',
        reason: expect.stringContaining('an evaluation as required') as string,
      },
    ])
    const verdict = {
      path: given.path,
      type: TEST_RESULT,
      kind: 'evaluation',
      digest: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
      signer: { name: 'lab' },
      satisfies: ['evaluation'],
    }
    expect(attestations).toMatchObject([verdict])
    expect(attestations[0]).not.toHaveProperty('reason')
    expect(attestations[0]).not.toHaveProperty('time')
    expect(believed).toMatchObject([{ verdict, kind: { name: 'evaluation' } }])
  })

  test('is missing if there is none of its type', async () => {
    for (const found of [[], [attestation(payloadOf({}, REVIEW))]]) {
      const judged = await judge(found, [LAB])
      expect(judged.refusal).toEqual(
        refusal('ATTESTATION_MISSING', {
          file: undefined,
          expected: 'an evaluation',
          hint: expect.stringContaining('"voices"') as string,
        }),
      )
      expect(judged.checks).toMatchObject([{ check: 'attestations', outcome: 'failed', code: 'ATTESTATION_MISSING' }])
      expect(judged.believed).toEqual([])
    }
  })

  test('may be of a type that is not known', async () => {
    const review = attestation(payloadOf({ approved: true }, REVIEW))
    const wanted = { type: REVIEW, signers: [{ key: 'lab' }], where: [{ field: 'approved', equals: true }] }
    const { believed, attestations } = await judge([review], [wanted])
    expect(believed).toMatchObject([{ kind: undefined, predicate: undefined, statement: { predicateType: REVIEW } }])
    expect(attestations[0]).not.toHaveProperty('kind')
    const { refusal: refused } = await judge([], [wanted])
    expect(refused).toEqual(refusal('ATTESTATION_MISSING', { expected: `an attestation of the type "${REVIEW}"` }))
  })

  test('must be signed by a signer that the rule names for it, not for models', async () => {
    const given = attestation(undefined, lab2)
    const { refusal: refused, attestations } = await judge([given], [LAB])
    expect(refused).toEqual(
      refusal('SIGNER_NOT_TRUSTED', {
        file: given.path,
        expected: expect.stringMatching(/^"lab" \(key /) as string,
        found: expect.stringContaining('the key ') as string,
        message: expect.stringContaining(`does not count ("${given.path}"): no signer`) as string,
        hint: expect.stringContaining('"signers" of the attestation') as string,
        cause: refusal('SIGNER_NOT_TRUSTED'),
      }),
    )
    expect(refused?.signer).toBe(refused?.found)
    const either = await judge(
      [attestation(undefined, mallory)],
      [{ ...LAB, signers: [{ key: 'lab' }, { key: 'lab2' }] }],
    )
    expect(either.refusal?.expected).toMatch(/^"lab" \(key .*\) or "lab2" \(key [^)]*\)$/)
    expect(attestations).toMatchObject([{ reason: { code: 'SIGNER_NOT_TRUSTED' } }])
    expect((await judge([given], [{ type: 'evaluation' }])).refusal).toBeUndefined()
  })

  test('must have a valid signature', async () => {
    const { path, bundle } = attestation()
    const envelope = { ...bundle.envelope, payload: payloadOf(evaluated(0.95)) }
    const { refusal: refused } = await judge([{ path, bundle: { ...bundle, envelope } }], [LAB])
    expect(refused).toEqual(refusal('SIGNATURE_INVALID', { hint: expect.stringContaining('was changed') as string }))
  })

  test('must be about the model', async () => {
    const of = (model: object) => attestation(payloadOf(evaluated(), TEST_RESULT, { ...MODEL, ...model }))
    const other = await judge([of({ rootDigest: 'b'.repeat(64) })], [LAB])
    expect(other.refusal).toEqual(
      refusal('ATTESTATION_SUBJECT', {
        expected: `the root digest sha256:${ROOT}`,
        found: `the root digest sha256:${'b'.repeat(64)}`,
      }),
    )
    expect(other.attestations).toMatchObject([{ reason: { code: 'ATTESTATION_SUBJECT' } }])
    expect((await judge([of({ identity: 'j' })], [LAB])).refusal).toEqual(
      refusal('ATTESTATION_SUBJECT', { found: 'the same root digest over files with other names' }),
    )
    const review = attestation(payloadOf({}, REVIEW, { ...MODEL, rootDigest: 'b'.repeat(64) }))
    expect((await judge([review], [LAB])).refusal?.code).toBe('ATTESTATION_MISSING')
  })

  test('must have the form of its type', async () => {
    const given = attestation(payloadOf({ result: 'MAYBE', configuration: [] }))
    expect((await judge([given], [LAB])).refusal).toEqual(refusal('ATTESTATION_MALFORMED', { file: given.path }))
  })

  test('must meet all conditions', async () => {
    const where = [
      { metric: 'accuracy', atLeast: 0.9 },
      { field: 'evaluator', equals: 'lab' },
    ]
    const given = attestation()
    expect((await judge([given], [{ ...LAB, where: where.slice(0, 1) }])).refusal).toBeUndefined()
    expect((await judge([given], [{ ...LAB, where }])).refusal).toEqual(
      refusal('ATTESTATION_CONDITION', {
        file: given.path,
        signer: 'lab',
        expected: 'the field "evaluator" equal to "lab"',
        found: 'no such value',
      }),
    )
  })

  test('may have a trusted time', async () => {
    const period = { notBefore: new Date('2026-01-01T00:00:00Z'), notAfter: new Date('2049-01-01T00:00:00Z') }
    const authority = await timestampAuthority(period)
    const stamped: LooseJson = JSON.parse(bundleOver(payloadOf(evaluated()), lab).toString())
    const signature = Buffer.from(stamped.dsseEnvelope.signatures[0].sig as string, 'base64')
    const at = new Date('2026-11-09T00:00:00Z')
    const stamp = await timestamp(authority.signer, signature, { at })
    stamped.verificationMaterial.timestampVerificationData = {
      rfc3161Timestamps: [{ signedTimestamp: stamp.toString('base64') }],
    }
    const trustRoots = {
      lab: { publicKey: 'lab.pub' },
      lab2: { publicKey: 'lab2.pub' },
      tsa: { timestampAuthorities: join(scratch({ 'tsa.pem': pemOf(authority.root) }), 'tsa.pem') },
    }
    const found = { path: 'a.json', bundle: parseBundle(encoded(stamped), 'a.json') }
    const { attestations } = await judge([found], [LAB], { trustRoots })
    expect(attestations).toMatchObject([{ satisfies: ['evaluation'], time: { at: at.toISOString() } }])
  })

  test('may be of a kind that cannot fail', async () => {
    const builder = 'https://builder.example'
    const made = payloadOf(makeProvenance({ builder, buildType: builder }), 'https://slsa.dev/provenance/v1')
    expect(
      (await judge([attestation(made)], [{ type: 'provenance', signers: [{ key: 'lab' }] }])).refusal,
    ).toBeUndefined()
  })

  test('must be recent enough, by the time that it states', async () => {
    const at = (time: string, maxAge = '1d') =>
      judge([attestation(payloadOf(evaluated(1, time)))], [{ ...LAB, maxAge }])
    expect((await at('2026-11-09T00:00:00Z')).refusal).toBeUndefined()
    expect((await at('2026-11-10T00:00:00Z')).refusal).toBeUndefined()
    const refused = (found: string) =>
      refusal('ATTESTATION_TOO_OLD', { file: expect.any(String) as string, expected: 'a time at most 1d ago', found })
    expect((await at('2026-11-08T23:59:59Z')).refusal).toEqual(refused('2026-11-08T23:59:59.000Z'))
    expect((await at('2026-11-10T00:00:01Z')).refusal).toEqual(
      refused('2026-11-10T00:00:01.000Z, which is in the future'),
    )
    const timeless = attestation(payloadOf({ result: 'PASSED', configuration: [] }))
    expect((await judge([timeless], [{ ...LAB, maxAge: '1d' }])).refusal).toEqual(refused('no time'))
    expect((await judge([timeless], [LAB])).refusal).toBeUndefined()
  })

  test('must not say that the model failed, unless a condition is about the result', async () => {
    const given = attestation(payloadOf({ result: 'FAILED', configuration: [] }))
    expect((await judge([given], [LAB])).refusal).toEqual(
      refusal('ATTESTATION_RESULT_FAILED', {
        file: given.path,
        signer: 'lab',
        expected: 'PASSED or WARNED',
        found: 'the result FAILED',
      }),
    )
    const where = [{ field: 'result', exists: true }]
    expect((await judge([given], [{ ...LAB, where }])).refusal).toBeUndefined()
    const elsewhere = [{ field: 'evaluator', equals: 'x' }]
    expect((await judge([given], [{ ...LAB, where: elsewhere }])).refusal?.code).toBe('ATTESTATION_RESULT_FAILED')
  })

  test('must not be revoked, nor its signer', async () => {
    const payload = payloadOf(evaluated())
    const revoked = (list: object) => judge([attestation(payload)], [LAB], { revoked: list })
    const byKey = await revoked({ keys: [lab.publicKey.fingerprint] })
    expect(byKey.refusal).toEqual(
      refusal('ATTESTATION_REVOKED', {
        hint: expect.stringContaining('not about that of the model') as string,
        cause: refusal('KEY_REVOKED'),
      }),
    )
    expect(byKey.attestations).toMatchObject([{ signer: { name: 'lab' }, reason: { code: 'KEY_REVOKED' } }])
    expect((await revoked({ claims: [attestationDigest(payload)] })).refusal?.code).toBe('ATTESTATION_REVOKED')
    expect((await revoked({ claims: ['c'.repeat(64)] })).refusal).toBeUndefined()
  })

  test('must be signed by a key that was valid', async () => {
    const trustRoots = {
      lab: { publicKey: { file: 'lab.pub', notAfter: '2020-01-01T00:00:00Z' } },
      lab2: { publicKey: 'lab2.pub' },
    }
    const given = attestation()
    expect((await judge([given], [LAB], { trustRoots })).refusal).toEqual(
      refusal('KEY_OUTSIDE_VALIDITY', {
        file: given.path,
        signer: 'lab',
        expected: 'a time until 2020-01-01T00:00:00.000Z',
        found: expect.stringContaining('no trusted time') as string,
      }),
    )
  })
})
