import { ModelSealError } from '../errors.ts'
import { certificateName, READ_EXTENSIONS, type Certificate } from './certificate.ts'

/**
 * Refuses unknown critical extensions (RFC 5280 4.2, 6.1.4 o and 6.1.5 f), including those of a leaf, which pkijs does not
 * check.
 *
 * @throws {@link ModelSealError} `CERTIFICATE_EXTENSION`
 */
export function checkCriticalExtensions(certificate: Certificate, path?: string): void {
  for (const { extnID, critical } of certificate.fields.extensions ?? []) {
    if (!critical || READ_EXTENSIONS.has(extnID)) continue
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
