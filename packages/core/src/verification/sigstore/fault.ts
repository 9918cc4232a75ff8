import { ModelSealError, shown, type ErrorCode } from '../../errors.ts'

/** By the codes of `@sigstore/verify`. */
const FAULTS: Readonly<Record<string, readonly [ErrorCode, string]>> = {
  CERTIFICATE_ERROR: [
    'CHAIN_NO_PATH',
    'The certificate in the bundle does not chain to an authority of the trusted root.',
  ],
  TIMESTAMP_ERROR: [
    'TIMESTAMP_INVALID',
    'A timestamp in the bundle is forged, for another signature, or not from a trusted authority.',
  ],
  TLOG_BODY_ERROR: ['LOG_ENTRY_MISMATCH', 'The entry in the transparency log is for another signature.'],
  TLOG_ERROR: ['LOG_INCLUSION_INVALID', 'The entries in the transparency log are not valid.'],
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
    'The signature over the statement was not made with the certificate in the bundle.',
  ],
}

/** Converts an error of `@sigstore/verify`. An unexpected one refuses the bundle, too. */
export function sigstoreFault(cause: unknown, path: string | undefined): ModelSealError {
  const { code, message } = cause as { code?: unknown; message?: unknown }
  const known = Object.hasOwn(FAULTS, String(code)) ? FAULTS[String(code)] : undefined
  const [own, sentence] =
    code === 'CERTIFICATE_ERROR' && String(message).includes('SCT')
      ? ([
          'SCT_INVALID',
          'The certificate is not proven to be in a certificate transparency log of the trusted root.',
        ] as const)
      : (known ?? (['BUNDLE_MALFORMED', 'Cannot verify the bundle as a Sigstore bundle.'] as const))
  return new ModelSealError(own, sentence, {
    file: path,
    found: shown(String(message)),
    hint: 'Either the bundle was modified or forged, or the trusted root belongs to a different Sigstore instance than the one that signed.',
    cause,
  })
}
