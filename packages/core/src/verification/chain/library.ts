import type * as pkijs from 'pkijs'
import { certificateName, type Certificate } from '../../x509/certificate.ts'
import { ModelSealError } from '../../errors.ts'

/** The result codes of pkijs 4.0.0 that have their own error code. */
const NOT_CA = 14
const NAME_NOT_PERMITTED = 41
const NAME_EXCLUDED = 42

/**
 * Has pkijs validate a path whose signatures are verified (RFC 5280 section 6).
 *
 * @param path leaf first, root last
 * @throws {@link ModelSealError} `CHAIN_NOT_CA`, `CHAIN_NAME_CONSTRAINT`, `CHAIN_INVALID`
 */
export async function validateByLibrary(path: readonly Certificate[], at: Date): Promise<void> {
  const { CertificateChainValidationEngine } = await import('pkijs')
  const fields = path.map((certificate) => certificate.fields)
  const [leaf] = path
  if (!leaf) return
  const engine = new CertificateChainValidationEngine({
    trustedCerts: fields.slice(-1),
    certs: [leaf.fields],
    checkDate: at,
    // The path is given and its signatures are verified, so there is nothing to search.
    findIssuer: (certificate) => Promise.resolve(fields.slice(fields.indexOf(certificate) + 1).slice(0, 1)),
  })
  const { result, resultCode, resultMessage, certificatePath } = await engine.verify()
  if (result && isSamePath(certificatePath, fields)) return
  switch (resultCode) {
    case NOT_CA:
      throw new ModelSealError(
        'CHAIN_NOT_CA',
        `An issuer of the certificate ${certificateName(leaf)} is not a certificate authority.`,
        {
          expected: 'the basic constraint CA on each issuer, and the key usage keyCertSign if it states key usages',
          found: path.slice(1).map(certificateName).join(', '),
        },
      )
    case NAME_NOT_PERMITTED:
    case NAME_EXCLUDED:
      throw new ModelSealError(
        'CHAIN_NAME_CONSTRAINT',
        `A certificate in the chain of ${certificateName(leaf)} has a name that an authority above it may not certify.`,
        { found: resultMessage },
      )
    default:
      throw invalid(leaf, resultMessage)
  }
}

function isSamePath(found: readonly pkijs.Certificate[] | undefined, path: readonly pkijs.Certificate[]): boolean {
  return found?.length === path.length && found.every((certificate, depth) => certificate === path[depth])
}

/** The error for an invalid chain without a more specific code. */
export function invalid(certificate: Certificate, found: string): ModelSealError {
  return new ModelSealError(
    'CHAIN_INVALID',
    `The chain of the certificate ${certificateName(certificate)} is not valid (RFC 5280).`,
    { found },
  )
}
