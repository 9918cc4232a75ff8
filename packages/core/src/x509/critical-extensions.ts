import { ModelSealError } from '../errors.ts'
import { certificateName, type Certificate } from './certificate.ts'

/** Those that the validation of chains, or pkijs for it, processes. */
const UNDERSTOOD = new Set([
  '2.5.29.15', // key usage
  '2.5.29.17', // subject alternative name
  '2.5.29.19', // basic constraints
  '2.5.29.30', // name constraints
  '2.5.29.32', // certificate policies
  '2.5.29.33', // policy mappings
  '2.5.29.36', // policy constraints
  '2.5.29.37', // extended key usage
  '2.5.29.54', // inhibit anyPolicy
])

/**
 * Refuses a critical extension that is not understood (RFC 5280 4.2 and 6.1.4 o, 6.1.5 f): also of a leaf, where pkijs does
 * not look.
 *
 * @throws {@link ModelSealError} `CERTIFICATE_EXTENSION`
 */
export function checkCriticalExtensions(certificate: Certificate, path?: string): void {
  for (const extension of certificate.fields.extensions ?? []) {
    const { extnID, critical } = extension
    // pkijs parses a value when it is asked for: of those that nobody reads it would be wasted.
    if (!critical || (UNDERSTOOD.has(extnID) && extension.parsedValue)) continue
    throw new ModelSealError(
      'CERTIFICATE_EXTENSION',
      `The certificate ${certificateName(certificate)} has a critical extension that is not understood.`,
      {
        file: path,
        found: `the extension ${extnID}`,
        hint: 'What it limits cannot be known, so the certificate is refused.',
      },
    )
  }
}
