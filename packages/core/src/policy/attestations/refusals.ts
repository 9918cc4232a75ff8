import { ModelSealError, sentenceOf, shown, withHint, type ErrorCode } from '../../errors.ts'
import { describedSigner } from '../identify.ts'
import { REVOKED_CODES } from '../revocations/codes.ts'
import { demandWords, type AttestationDemand } from './demand.ts'

/** Why attestations do not satisfy a requirement. */
interface Failures {
  /** Distinct signers whose attestations satisfy it. */
  count: number
  /** The most helpful reason why an attestation does not; undefined if there is none. */
  reason: ModelSealError | undefined
  /** Attestations that do not, besides that one. */
  others: number
}

/** The refusal of a model. @param rule its name */
export function unsatisfied(
  demand: AttestationDemand,
  { count, reason, others }: Failures,
  rule: string,
): ModelSealError {
  const what = demandWords(demand)
  const hint = `The rule ${shown(rule)} requires it ("require.attestations").`
  if (count > 0) {
    return new ModelSealError(
      'ATTESTATION_THRESHOLD',
      `Cannot accept the model: too few distinct signers made ${what} that the rule requires.`,
      {
        expected: String(demand.threshold),
        found: String(count),
        hint: `Have further signers that the rule names attest the model. Several attestations by one signer count once. ${hint}`,
      },
    )
  }
  if (!reason) {
    return new ModelSealError(
      'ATTESTATION_MISSING',
      'Cannot accept the model: it does not have an attestation that the rule requires.',
      {
        expected: what,
        hint: `${hint} Get one from the publisher of the model, or make it with "modelseal attest".`,
      },
    )
  }
  const { code, file, signer, expected, found } = reason
  const which = [
    ...(file === undefined ? [] : [shown(file)]),
    ...(others === 0 ? [] : [others === 1 ? '1 other' : `${others} others`]),
  ].join(' and ')
  const named = which === '' ? '' : ` (${which})`
  // The codes of revoked signers refuse in every mode, but these did not sign the model.
  const ownCode = REVOKED_CODES.has(code) ? 'ATTESTATION_REVOKED' : code
  const why = sentenceOf(reason)
  const isAboutUse = why.startsWith(CANNOT_USE)
  const clause = isAboutUse ? `: ${why.slice(CANNOT_USE.length)}` : '.'
  return new ModelSealError(
    ownCode,
    `Cannot accept the model: ${what} that the rule requires does not count${named}${clause}`,
    {
      file,
      signer,
      expected,
      found,
      hint: [...(isAboutUse ? [] : [why]), reason.hint, hint].filter((one) => one !== undefined).join(' '),
      cause: reason,
    },
  )
}

/** How a reason begins that continues the sentence about the model. */
const CANNOT_USE = 'Cannot use the attestation: '

/** Signed by nobody whom the requirement names. @param found the signer */
export function notTrusted(
  demand: AttestationDemand,
  rule: string,
  { file, found }: { file: string | undefined; found: string },
): ModelSealError {
  return new ModelSealError(
    'SIGNER_NOT_TRUSTED',
    `Cannot use the attestation: no signer whom the rule ${shown(rule)} names for ${demandWords(demand)} signed it.`,
    { file, signer: found, expected: demand.signers.map(describedSigner).join(' or '), found },
  )
}

/**
 * The same refusal with a hint about the attestation. What refuses signatures of models as well speaks of the model and its signer.
 */
export function aboutAttestation(error: ModelSealError): ModelSealError {
  const { code } = error
  if (code.startsWith('FILE_') || code === 'ATTESTATIONS_TOO_LARGE') return error
  return withHint(error, REVOKED_CODES.has(code) ? SIGNER_REVOKED : (HINTS[code] ?? OTHERWISE))
}

const OTHERWISE = 'Do not rely on the attestation. Get another one from its signer.'
const SIGNER_REVOKED =
  'This is about the signer of the attestation, not about that of the model. Do not rely on the attestation. Get one by another signer whom the rule names.'

const HINTS: Partial<Record<ErrorCode, string>> = {
  ATTESTATION_CONDITION: 'Get an attestation that meets the condition, or correct the condition in the policy.',
  ATTESTATION_MALFORMED: 'Ask its signer for a correct one.',
  ATTESTATION_RESULT_FAILED:
    'Do not use the model, or get an evaluation that it passed. To accept the result FAILED, add a condition about the field "result".',
  ATTESTATION_REVOKED: 'Do not rely on the attestation. Ask its signer for another one.',
  ATTESTATION_SUBJECT:
    'It belongs to another model or another version. Get the attestation of this version, or attest this model.',
  ATTESTATION_TOO_OLD: 'Get an attestation that states a recent time, or change "maxAge" in the policy.',
  KEY_OUTSIDE_VALIDITY: 'Have the model attested with a key that is valid, or correct its validity in the trust root.',
  SIGNATURE_INVALID:
    'The attestation was changed, or another key signed it. Do not rely on it. Get it again from its signer.',
  SIGNER_NOT_TRUSTED:
    'If you trust this signer with such statements, add it to the "signers" of the attestation in the rule. Otherwise, get one by a signer whom the rule names.',
}
