import { ModelSealError } from '../errors.ts'
import { certificateName, type Certificate } from './certificate.ts'

/** Extensions that chain validation processes, itself or through pkijs. */
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
 * Refuses unknown critical extensions (RFC 5280 4.2, 6.1.4 o and 6.1.5 f), including those of a leaf, which pkijs does not
 * check.
 *
 * @throws {@link ModelSealError} `CERTIFICATE_EXTENSION`
 */
export function checkCriticalExtensions(certificate: Certificate, path?: string): void {
  for (const extension of certificate.fields.extensions ?? []) {
    const { extnID, critical } = extension
    // pkijs parses a value on access, which is wasted work for values that nothing reads.
    if (!critical || (UNDERSTOOD.has(extnID) && extension.parsedValue)) continue
    throw new ModelSealError(
      'CERTIFICATE_EXTENSION',
      `Cannot trust the certificate ${certificateName(certificate)}: it has an unknown critical extension.`,
      {
        file: path,
        found: `the extension ${extnID}`,
        hint: 'The extension may restrict what the certificate is valid for. Use a certificate without it.',
      },
    )
  }
}
