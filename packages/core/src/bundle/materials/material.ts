import { alternativeNames, writtenName, type AlternativeName } from '../../x509/alternative-names.ts'
import { fingerprintOf, parseCertificate } from '../../x509/certificate.ts'
import { distinguishedName } from '../../x509/distinguished-name.ts'
import { certificateWords } from '../signer-words.ts'
import { decodeBase64 } from '../base64.ts'
import type { Fields } from '../fields.ts'

/** How the bundles of one signing method name the signer (OMS 4.1). Nothing here is verified. */
export interface MaterialKind<Material extends { method: string }> {
  readonly method: Material['method']
  /** Its field name in `verificationMaterial`. */
  readonly field: string
  /** Set if bundles of version 0.2 cannot have it: what is expected of them. */
  readonly expectedBefore03?: string
  /** Whether its verifier needs all of the parsed JSON. */
  readonly keepsJson: boolean
  /** The signer that it names; undefined if none. @throws {@link ModelSealError} if it cannot be read */
  signer(material: Material): Promise<ClaimedSigner | undefined>
  parse(material: Fields, bundle: { logEntries: number; path: string | undefined }): Material
}

export function rawBytes(item: Fields, path: string | undefined): Buffer {
  return decodeBase64(item.string('rawBytes'), 'rawBytes', path)
}

/** The signer that an unverified bundle names, for messages only. */
export interface ClaimedSigner {
  /** One line for display, as for a verified signer. */
  description: string
  /** Hex SHA-256 of the PEM of the public key (SPKI), or of the DER of the certificate. */
  fingerprint: string
  /** For a keyless signature, the name in its certificate, without its kind. */
  identity?: string
}

/** @param der a certificate @throws {@link ModelSealError} `CERTIFICATE_INVALID` */
export async function certificateHolder(
  der: Buffer,
): Promise<{ signer: ClaimedSigner; names: readonly AlternativeName[] }> {
  const certificate = await parseCertificate(der)
  const names = await alternativeNames(certificate)
  const subject = distinguishedName(certificate.fields.subject, certificate.x509.subject)
  const description = certificateWords(subject, names.map(writtenName))
  return { signer: { description, fingerprint: fingerprintOf(certificate.x509) }, names }
}
