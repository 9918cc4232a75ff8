import { ModelSealError, shown, type ErrorCode } from '../../errors.ts'

/** By the codes of `@sigstore/verify`. */
const FAULTS: Readonly<Record<string, readonly [ErrorCode, string]>> = {
  CERTIFICATE_ERROR: [
    'CHAIN_NO_PATH',
    'The certificate of the bundle does not lead to an authority of the trusted root.',
  ],
  TIMESTAMP_ERROR: [
    'TIMESTAMP_INVALID',
    'A timestamp of the bundle is forged, of another signature, or not by a trusted authority.',
  ],
  TLOG_BODY_ERROR: ['LOG_ENTRY_MISMATCH', 'The entry of the transparency log is about another signature.'],
  TLOG_ERROR: ['LOG_INCLUSION_INVALID', 'The entries of the transparency log are not what they should be.'],
  TLOG_INCLUSION_PROOF_ERROR: [
    'LOG_INCLUSION_INVALID',
    'The bundle does not prove that its entry is in the transparency log.',
  ],
  TLOG_INCLUSION_PROMISE_ERROR: [
    'LOG_INCLUSION_INVALID',
    'The transparency log did not promise to include the entry of the bundle.',
  ],
  TLOG_MISSING_INCLUSION_ERROR: [
    'LOG_INCLUSION_INVALID',
    'The bundle does not prove that its entry is in the transparency log.',
  ],
  SIGNATURE_ERROR: [
    'SIGNATURE_INVALID',
    'The signature is not one by the certificate of the bundle over this statement.',
  ],
}

/** The typed form of a refusal by `@sigstore/verify`; what it throws unforeseen refuses as well. */
export function sigstoreFault(cause: unknown, path: string | undefined): ModelSealError {
  const { code, message } = cause as { code?: unknown; message?: unknown }
  const known = Object.hasOwn(FAULTS, String(code)) ? FAULTS[String(code)] : undefined
  const [own, sentence] =
    code === 'CERTIFICATE_ERROR' && String(message).includes('SCT')
      ? (['SCT_INVALID', 'No certificate transparency log of the trusted root vouches for the certificate.'] as const)
      : (known ?? (['BUNDLE_MALFORMED', 'The bundle cannot be verified as one of Sigstore.'] as const))
  return new ModelSealError(own, sentence, {
    file: path,
    found: shown(String(message)),
    hint: 'Either the bundle was changed or forged, or the trusted root is not that of the instance which signed.',
    cause,
  })
}
