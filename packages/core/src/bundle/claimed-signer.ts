import { ModelSealError } from '../errors.ts'
import { alternativeNames, writtenName } from '../x509/alternative-names.ts'
import { fingerprintOf, parseCertificate } from '../x509/certificate.ts'
import { distinguishedName } from '../x509/distinguished-name.ts'
import { parseCarriedKey } from '../x509/public-key.ts'
import type { UnverifiedBundle } from './bundle.ts'
import { certificateWords, keyWords } from './signer-words.ts'

/** Whom a bundle that nobody has verified names as its signer: for messages only. */
export interface ClaimedSigner {
  /** For people: one line, as of a verified signer. */
  description: string
  /** Hex SHA-256: of the PEM of the public key (SPKI), or of the DER of the certificate. */
  fingerprint: string
  /** Of a keyless signature: the name in its certificate, without its kind. */
  identity?: string
}

/** @returns undefined if the bundle names nobody, or its certificate cannot be read */
export async function claimedSigner({ material }: UnverifiedBundle): Promise<ClaimedSigner | undefined> {
  try {
    if (material.method === 'key') {
      const { hint, rawBytes } = material
      const fingerprint = rawBytes ? parseCarriedKey(rawBytes).fingerprint : hint
      return fingerprint === undefined ? undefined : { description: keyWords(fingerprint), fingerprint }
    }
    const [leaf] = material.method === 'certificate' ? material.certificates : [material.certificate]
    if (!leaf) return undefined
    const certificate = await parseCertificate(leaf)
    const names = await alternativeNames(certificate)
    const subject = distinguishedName(certificate.fields.subject, certificate.x509.subject)
    return {
      description: certificateWords(subject, names.map(writtenName)),
      fingerprint: fingerprintOf(certificate.x509),
      ...(material.method === 'sigstore' && names[0] ? { identity: names[0].value } : {}),
    }
  } catch (error) {
    if (error instanceof ModelSealError) return undefined
    throw error
  }
}
