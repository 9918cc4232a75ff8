import { certificateName, type Certificate } from '../../x509/certificate.ts'
import { extendedKeyUsages, usageWords } from '../../x509/key-usages.ts'
import { ModelSealError } from '../../errors.ts'

/** RFC 5280 4.2.1.12. */
const USAGES = { codeSigning: '1.3.6.1.5.5.7.3.3', timeStamping: '1.3.6.1.5.5.7.3.8' }
const ANY_USAGE = '2.5.29.37.0'

/** The purpose of a certificate. */
export type Usage = keyof typeof USAGES

export const USAGE_NAMES = Object.keys(USAGES)

/**
 * Refuses a path in which an authority is limited to other usages than the certificates below it. RFC 5280 does not
 * define this. As in the CA/Browser Forum's requirements and Go's `crypto/x509`, the extended key usages of an authority,
 * critical or not, limit what it may issue; without any, there is no limit.
 *
 * @param path leaf first, root last
 * @param wanted the required usage; if absent, all certificates must have a usage in common
 * @throws {@link ModelSealError} `CERTIFICATE_USAGE`
 */
export function checkNesting(path: readonly Certificate[], wanted?: Usage): void {
  let allowed: readonly string[] | undefined = wanted && [USAGES[wanted]]
  for (const certificate of path.toReversed()) {
    const stated = extendedKeyUsages(certificate)
    if (!stated || stated.includes(ANY_USAGE)) continue
    const left: readonly string[] = allowed ? allowed.filter((usage) => stated.includes(usage)) : stated
    if (left.length === 0)
      throw refused(certificate, wanted ?? allowed?.map(usageWords).join(' or ') ?? 'any usage', stated)
    allowed = left
  }
}

function refused(certificate: Certificate, expected: string, stated: readonly string[]): ModelSealError {
  return new ModelSealError(
    'CERTIFICATE_USAGE',
    `The certificate ${certificateName(certificate)} may not be used for this, or may not issue certificates for it.`,
    {
      expected: `the extended key usage ${expected}`,
      found: stated.map(usageWords).join(', ') || 'none',
      hint: 'Use a certificate for this usage from an authority that may issue it.',
    },
  )
}
