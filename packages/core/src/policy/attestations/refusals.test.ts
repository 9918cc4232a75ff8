import { describe, expect, test } from 'vitest'
import { ERROR_CODES, ModelSealError, type ErrorCode } from '../../errors.ts'
import { refusal } from '../../testing/scratch.ts'
import { compileAttestation, demandWords } from './demand.ts'
import { aboutAttestation, unsatisfied } from './refusals.ts'

const REVIEW = 'https://example.org/review/v1'
const evaluation = compileAttestation({ type: 'evaluation', threshold: 3 }, [])
const none = { count: 0, reason: undefined, others: 0 }

describe('a demand', () => {
  test('needs one signer, and no age and conditions, if the policy does not say more', () => {
    expect(compileAttestation({ type: REVIEW }, [])).toEqual({
      type: REVIEW,
      kind: undefined,
      signers: [],
      threshold: 1,
      maxAge: undefined,
      conditions: [],
    })
  })

  test('is as the policy says', () => {
    const demand = compileAttestation(
      { type: 'model-card', threshold: 2, maxAge: 'P1M', where: [{ field: 'licence', equals: 'MIT' }] },
      [],
    )
    expect(demand).toMatchObject({
      kind: { name: 'model-card' },
      threshold: 2,
      maxAge: { written: 'P1M', duration: { months: 1, milliseconds: 0 } },
      conditions: [{ field: 'licence', written: 'the field "licence" equal to "MIT"' }],
    })
    expect(demandWords(demand)).toBe('a model card')
    expect(demandWords(compileAttestation({ type: REVIEW }, []))).toBe(`an attestation of the type "${REVIEW}"`)
  })
})

describe('the refusal of a model', () => {
  test('without an attestation says what is missing', () => {
    expect(unsatisfied(evaluation, none, 'r')).toEqual(
      refusal('ATTESTATION_MISSING', { file: undefined, expected: 'an evaluation', found: undefined }),
    )
  })

  test('with too few says how many there are, whatever is wrong with others', () => {
    const reason = new ModelSealError('SIGNER_NOT_TRUSTED', 'Nobody signed it.')
    expect(unsatisfied(evaluation, { count: 1, reason, others: 4 }, 'r')).toEqual(
      refusal('ATTESTATION_THRESHOLD', { expected: '3', found: '1', hint: expect.stringContaining('"r"') as string }),
    )
  })

  const details = { file: 'f', signer: 's', expected: 'e', found: 'g', hint: 'Do this.' }
  test('for an attestation that does not count has what is wrong with it', () => {
    const reason = new ModelSealError('ATTESTATION_CONDITION', 'Cannot use the attestation: it is bad.', details)
    expect(unsatisfied(evaluation, { count: 0, reason, others: 0 }, 'r')).toEqual(
      refusal('ATTESTATION_CONDITION', {
        ...details,
        hint: 'Do this. The rule "r" requires it ("require.attestations").',
        message: expect.stringContaining(
          'an evaluation that the rule requires does not count ("f"): it is bad.',
        ) as string,
        cause: reason,
      }),
    )
  })

  test('for a reason without a hint has only that of its own', () => {
    const reason = new ModelSealError('ATTESTATION_CONDITION', 'Cannot use the attestation: it is bad.')
    expect(unsatisfied(evaluation, { count: 0, reason, others: 0 }, 'r').hint).toBe(
      'The rule "r" requires it ("require.attestations").',
    )
  })

  test('for a reason about something else has that in its hint', () => {
    const reason = new ModelSealError('SIGNATURE_INVALID', 'The signature is not valid.', details)
    expect(unsatisfied(evaluation, { count: 0, reason, others: 0 }, 'r')).toEqual(
      refusal('SIGNATURE_INVALID', {
        hint: 'The signature is not valid. Do this. The rule "r" requires it ("require.attestations").',
        message: expect.stringContaining('does not count ("f"). Expected e') as string,
      }),
    )
  })

  test.each([
    ['f', 0, ' ("f").'],
    ['f', 1, ' ("f" and 1 other).'],
    ['f', 2, ' ("f" and 2 others).'],
    [undefined, 0, '.'],
    [undefined, 2, ' (2 others).'],
  ])('names the file %s and %d others', (file, others, words) => {
    const reason = new ModelSealError('SIGNATURE_INVALID', 'Bad.', { file })
    expect(unsatisfied(evaluation, { count: 0, reason, others }, 'r').message).toContain(`does not count${words} `)
  })

  test.each(['KEY_REVOKED', 'CERTIFICATE_REVOKED', 'IDENTITY_REVOKED'] as const)(
    'has a code of its own for %s, which would refuse in every mode',
    (code) => {
      const reason = new ModelSealError(code, 'Revoked.')
      expect(unsatisfied(evaluation, { count: 0, reason, others: 0 }, 'r')).toEqual(
        refusal('ATTESTATION_REVOKED', { cause: reason }),
      )
    },
  )
})

describe('a refusal of an attestation', () => {
  const hinted = (code: ErrorCode) => aboutAttestation(new ModelSealError(code, 'Bad.', { file: 'f', hint: 'Model!' }))

  test.each(['FILE_UNREADABLE', 'FILE_NOT_FOUND', 'ATTESTATIONS_TOO_LARGE'] as const)('stays as it is: %s', (code) => {
    expect(hinted(code)).toEqual(refusal(code, { hint: 'Model!' }))
  })

  test('never gives advice about the model', () => {
    for (const code of Object.keys(ERROR_CODES) as ErrorCode[]) {
      const { hint, file, message } = hinted(code)
      if (code.startsWith('FILE_') && code !== 'FILE_REVOKED') continue
      if (code === 'ATTESTATIONS_TOO_LARGE' || code === 'FILE_REVOKED') continue
      expect([code, file]).toEqual([code, 'f'])
      expect(hint).toMatch(/\.$/)
      expect(message).toBe(`Bad. ${hint}`)
      expect(hint).not.toContain('Model!')
    }
  })

  test('has advice of its own for what is usual, and for revoked signers', () => {
    const codes = [
      'ATTESTATION_CONDITION',
      'ATTESTATION_MALFORMED',
      'ATTESTATION_RESULT_FAILED',
      'ATTESTATION_REVOKED',
      'ATTESTATION_SUBJECT',
      'ATTESTATION_TOO_OLD',
      'KEY_OUTSIDE_VALIDITY',
      'SIGNATURE_INVALID',
      'SIGNER_NOT_TRUSTED',
      'KEY_REVOKED',
      'CHAIN_UNTRUSTED',
    ] as const
    expect(new Set(codes.map((code) => hinted(code as ErrorCode).hint)).size).toBe(codes.length)
    expect(hinted('IDENTITY_REVOKED').hint).toBe(hinted('KEY_REVOKED').hint)
  })
})
