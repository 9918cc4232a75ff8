import type * as pkijs from 'pkijs'
import { ModelSealError } from '../errors.ts'
import { certificateName, extensionOf, KEY_USAGE, type Certificate } from './certificate.ts'

const EXTENDED_KEY_USAGE = '2.5.29.37'
const CODE_SIGNING = '1.3.6.1.5.5.7.3.3'
const ANY_USAGE = '2.5.29.37.0'

/**
 * OMS 8.2: the leaf must be usable for signing, by the key usage digitalSignature or the extended key usage
 * codeSigning. If extended key usages are stated, they are exhaustive (RFC 5280 4.2.1.12).
 *
 * @throws {@link ModelSealError} `CERTIFICATE_USAGE`
 */
export function checkSigningUsage(certificate: Certificate, path?: string): void {
  const extended = extendedKeyUsages(certificate)
  const usable = extended
    ? extended.includes(CODE_SIGNING) || (extended.includes(ANY_USAGE) && mayUse(certificate, 'digitalSignature'))
    : mayUse(certificate, 'digitalSignature')
  if (usable) return
  throw new ModelSealError(
    'CERTIFICATE_USAGE',
    `Cannot use the certificate ${certificateName(certificate)}: it is not for signing.`,
    {
      file: path,
      // With extended key usages, digitalSignature alone is not enough.
      expected: extended
        ? 'the extended key usage codeSigning'
        : 'the key usage digitalSignature or the extended key usage codeSigning',
      found: extended ? `the extended key usages ${extended.map(usageWords).join(', ')}` : 'no such usage',
      hint: 'Request a certificate for code signing.',
    },
  )
}

/** RFC 5280 4.2.1.12. */
const NAMES = new Map([
  ['1.3.6.1.5.5.7.3.1', 'serverAuth'],
  ['1.3.6.1.5.5.7.3.2', 'clientAuth'],
  [CODE_SIGNING, 'codeSigning'],
  ['1.3.6.1.5.5.7.3.4', 'emailProtection'],
  ['1.3.6.1.5.5.7.3.8', 'timeStamping'],
  ['1.3.6.1.5.5.7.3.9', 'OCSPSigning'],
  [ANY_USAGE, 'anyExtendedKeyUsage'],
])

/** An object identifier with its name, if it is a common one, for messages. */
export function usageWords(id: string): string {
  const name = NAMES.get(id)
  return name === undefined ? id : `${id} (${name})`
}

const KEY_USAGE_BITS = { digitalSignature: 0x80, keyCertSign: 0x04, cRLSign: 0x02 }

/** Whether the certificate states this key usage (RFC 5280 4.2.1.3); undefined if it states no key usages. */
export function statedUsage({ fields }: Certificate, usage: keyof typeof KEY_USAGE_BITS): boolean | undefined {
  const bits = extensionOf(fields, KEY_USAGE) as { valueBlock: { valueHexView: Uint8Array } } | undefined
  return bits && ((bits.valueBlock.valueHexView[0] ?? 0) & KEY_USAGE_BITS[usage]) !== 0
}

function mayUse(certificate: Certificate, usage: keyof typeof KEY_USAGE_BITS): boolean {
  return statedUsage(certificate, usage) === true
}

/** The stated extended key usages as object identifiers; undefined if there is no such extension. */
export function extendedKeyUsages({ fields }: Certificate): readonly string[] | undefined {
  return (extensionOf(fields, EXTENDED_KEY_USAGE) as pkijs.ExtKeyUsage | undefined)?.keyPurposes
}
