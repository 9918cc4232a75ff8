import { describe, expect, test } from 'vitest'
import { attestationDigest } from '../../attestation/statement.ts'
import { parseBundle } from '../../bundle/bundle.ts'
import { ModelSealError } from '../../errors.ts'
import {
  attestation,
  evaluated,
  MODEL,
  payloadOf,
  REVIEW,
  ROOT,
  TEST_RESULT,
  unreadable,
} from '../../testing/attestations.ts'
import { bundleOver, encoded, keyPair } from '../../testing/bundles.ts'
import { refusal } from '../../testing/scratch.ts'
import { Effort } from '../../verification/effort.ts'
import { distinct, readUnverified, statementOf } from './unverified-attestation.ts'

const read = (found: Parameters<typeof readUnverified>[0], effort = new Effort()) =>
  readUnverified(found, MODEL, effort)
/** An attestation about these subjects. */
const about = (...subject: object[]) =>
  attestation(encoded({ _type: 'https://in-toto.io/Statement/v1', predicateType: REVIEW, predicate: {}, subject }))

describe('an attestation about the model', () => {
  test('has its type, kind and digest in the verdict, and no more', async () => {
    const given = attestation()
    expect(await read(given)).toEqual({
      verdict: {
        path: given.path,
        type: TEST_RESULT,
        kind: 'evaluation',
        digest: attestationDigest(given.bundle.envelope.payload),
      },
      bundle: given.bundle,
    })
    const { verdict } = await read(attestation(payloadOf({}, REVIEW)))
    expect(verdict).toMatchObject({ type: REVIEW })
    expect(verdict).not.toHaveProperty('kind')
  })

  test('may be about others as well', async () => {
    const other = { name: 'x', digest: { sha256: 'b'.repeat(64) } }
    expect(await read(about(other, { digest: { sha256: ROOT } }))).not.toHaveProperty('fault')
  })

  test('has a statement', async () => {
    const { bundle } = attestation(payloadOf(evaluated()))
    expect(await statementOf(bundle, new Effort())).toMatchObject({ predicateType: TEST_RESULT })
  })
})

describe('an attestation about another model', () => {
  test.each<[string, object, string]>([
    ['a root digest', { digest: { sha256: 'b'.repeat(64) } }, `the root digest sha256:${'b'.repeat(64)}`],
    ['what is no digest', { digest: { sha256: `${'b'.repeat(64)}0` } }, `"${'b'.repeat(64)}0"`],
    ['what begins like no digest', { digest: { sha256: `0x${'b'.repeat(64)}` } }, `"0x${'b'.repeat(64)}"`],
    ['a name', { name: 'other', digest: { sha1: 'x' } }, '"other"'],
    ['nothing', { digest: { sha1: 'x' } }, '""'],
    [
      'other names of files',
      { digest: { sha256: ROOT, modelIdentity: 'j' } },
      'the same root digest over files with other names',
    ],
  ])('says which: %s', async (_, subject, found) => {
    const given = about(subject)
    const { fault, bundle, verdict } = await read(given)
    expect(bundle).toBeUndefined()
    expect(fault).toEqual(
      refusal('ATTESTATION_SUBJECT', { file: given.path, expected: `the root digest sha256:${ROOT}`, found }),
    )
    expect(verdict).toMatchObject({ type: REVIEW, reason: { code: 'ATTESTATION_SUBJECT', found } })
  })
})

describe('what is of no use', () => {
  test('is a file that could not be read, which is reported as it is', async () => {
    const found = unreadable()
    const { verdict, bundle, fault } = await read(found)
    expect(bundle).toBeUndefined()
    expect(fault).toBe((found as unknown as { error: Error }).error)
    expect(verdict).toMatchObject({ path: 'x', reason: { code: 'FILE_UNREADABLE', file: 'x' } })
  })

  test('is a statement that is none, with advice about the attestation', async () => {
    const given = attestation(encoded({ _type: 'x' }))
    const { verdict, fault } = await read(given)
    expect(fault).toEqual(
      refusal('STATEMENT_TYPE', { file: given.path, hint: expect.stringMatching(/attestation/) as string }),
    )
    expect(verdict).toMatchObject({ digest: attestationDigest(given.bundle.envelope.payload) })
    expect(verdict).not.toHaveProperty('type')
  })

  test('does not include a mistake in the program, nor an abort', async () => {
    const mistake = new TypeError('x') as never
    await expect(read({ path: 'x', error: mistake })).rejects.toBe(mistake)
    const aborted = new ModelSealError('ABORTED', 'Aborted.')
    await expect(read({ path: 'x', error: aborted })).rejects.toBe(aborted)
    await expect(read(attestation(), new Effort(AbortSignal.abort()))).rejects.toEqual(refusal('ABORTED'))
  })
})

test('copies of an attestation are left out, but no other bundle, and nothing that could not be read', () => {
  const payload = payloadOf(evaluated())
  const [key, bytes] = [keyPair(), bundleOver(payload, keyPair())]
  const first = { path: 'a', bundle: parseBundle(bytes) }
  const copy = { path: 'b', bundle: parseBundle(bytes) }
  const other = { path: 'c', bundle: parseBundle(bundleOver(payload, key)) }
  const [lost, found] = [unreadable(), unreadable()]
  expect(distinct([lost, first, found, copy, other, copy])).toEqual([lost, first, found, other])
})
