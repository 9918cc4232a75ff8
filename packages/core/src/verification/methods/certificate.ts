import { alternativeNames, writtenName } from '../../x509/alternative-names.ts'
import type { UnverifiedBundle } from '../../bundle/bundle.ts'
import { checkBundle } from '../../bundle/check-bundle.ts'
import { certificateWords, methodHint } from '../../bundle/signer-words.ts'
import {
  fingerprintOf,
  holderKey,
  isSignedWith,
  parseCertificate,
  readX509,
  serialNumberOf,
  signingKeyOf,
  type Certificate,
  type CertificateInput,
} from '../../x509/certificate.ts'
import { checkSigningUsage } from '../../x509/key-usages.ts'
import { certificatesCopy } from '../../x509/certificate-copy.ts'
import { distinguishedName } from '../../x509/distinguished-name.ts'
import { ModelSealError } from '../../errors.ts'
import { validateWithin } from '../chain/chain.ts'
import { Effort } from '../effort.ts'
import { verifyStatement } from '../statement-signature.ts'
import { bytesCopy, listOf, required } from '../../kinds.ts'
import { snapshot, type Shape } from '../../snapshot.ts'
import { provenTime, TIME_TRUST, timeOf, type ProvenTime, type TimeTrust } from '../timestamp.ts'
import type { CertificateIdentity } from '../../results.ts'
import { asVerified, type VerifiedSignature } from '../verified-signature.ts'

/** The certificates that are trusted. */
export interface CertificateTrust extends TimeTrust {
  /** The trust anchors. A certificate in a bundle is never one. */
  roots: readonly CertificateInput[]
  /** Further intermediate certificates, beside those in the bundle. */
  intermediates?: readonly CertificateInput[] | undefined
  /** Revocation lists (DER); see `ChainInput`. They must be current now, regardless of when the model was signed. */
  crls?: readonly Uint8Array[] | undefined
}

const TRUST: Shape<CertificateTrust> = {
  ...TIME_TRUST,
  roots: required(certificatesCopy),
  intermediates: certificatesCopy,
  crls: listOf(bytesCopy),
}

/**
 * Verifies a bundle that was signed with a certificate (OMS 4.1 `certificate`, 8.2, 8.3): a leaf
 * for signing, whose chain leads to a given root and is valid now, or at the time that a trusted
 * timestamp proves. Revoking the certificate after that time does not invalidate the signature.
 *
 * @param name the caller's name for the trust root, which the result contains
 * @throws {@link ModelSealError} `METHOD_MISMATCH`, `SIGNATURE_INVALID`, `KEY_INVALID`,
 * `CERTIFICATE_*`, `CHAIN_*`, `CRL_*`, `TIMESTAMP_INVALID`, `TIMESTAMP_UNTRUSTED`, `ABORTED`, and what parsing the
 * statement throws
 */
export async function verifyCertificateBundle(
  bundle: UnverifiedBundle,
  given: CertificateTrust,
  name: string,
): Promise<VerifiedSignature<CertificateIdentity>> {
  const trust = snapshot(given, TRUST, 'verifyCertificateBundle')
  checkBundle(bundle)
  const [leafDer, ...intermediates] = certificatesOf(bundle, name)
  const leaf = await parseCertificate(leafDer, bundle.path)
  checkSigningUsage(leaf, bundle.path)
  const effort = trust.effort ?? new Effort()
  const time = await provenTime(bundle, { ...trust, effort })
  if (time) checkWithin(leaf, time, bundle.path)

  const now = trust.now ?? new Date()
  const chain = {
    leaf: leaf.x509,
    intermediates: [...intermediates, ...(trust.intermediates ?? [])],
    roots: trust.roots,
    crls: trust.crls,
    at: time ? new Date(time.at) : now,
    crlsAt: now,
    usage: 'codeSigning',
  } as const
  const { path } = await validateWithin(chain, effort)
  await effort.signatures()
  const root = path.at(-1) ?? leaf.x509
  return asVerified({
    signer: await signerOf(leaf, name, fingerprintOf(root)),
    manifest: await verifyStatement(bundle, signingKeyOf(leaf, bundle.path), name, effort.signal),
    bundleDigest: bundle.digest,
    ...timeOf(time),
  })
}

/**
 * The root certificates of the operating system, for callers who want to trust every authority that
 * it trusts. They are not used unless you pass them.
 *
 * @returns DER of each
 * @example
 * ```ts
 * await validateChain({ leaf, intermediates, roots: systemRoots() })
 * ```
 */
export function systemRoots(): Buffer[] {
  const { getCACertificates } = process.getBuiltinModule('node:tls')
  return getCACertificates('system').map((pem) => Buffer.from(pem.replace(/-----[A-Z ]+-----|\s/g, ''), 'base64'))
}

/** True for a certificate that names itself as its issuer and is signed with its own key. */
export function isSelfSigned(certificate: CertificateInput): boolean {
  const x509 = readX509(certificate)
  return x509.subject === x509.issuer && isSignedWith(x509, holderKey(x509))
}

function certificatesOf({ material, path }: UnverifiedBundle, name: string): [Buffer, ...Buffer[]] {
  if (material.method === 'certificate') {
    const [leaf, ...chain] = material.certificates
    if (leaf) return [leaf, ...chain]
  }
  throw new ModelSealError('METHOD_MISMATCH', 'The bundle was not signed with a certificate.', {
    file: path,
    signer: name,
    expected: 'the method certificate',
    found: `the method ${material.method}`,
    hint: methodHint(material.method),
  })
}

/** The whole range of the proven time must be within the validity of the leaf. */
function checkWithin({ x509, fields }: Certificate, { earliest, latest }: ProvenTime, path: string | undefined): void {
  const { notBefore, notAfter } = fields
  if (earliest >= notBefore.value && latest <= notAfter.value) return
  const early = earliest < notBefore.value
  throw new ModelSealError(
    early ? 'CERTIFICATE_NOT_YET_VALID' : 'CERTIFICATE_EXPIRED',
    `The certificate of the signer ${early ? 'was not yet valid' : 'had expired'} at the time of the timestamp.`,
    {
      file: path,
      signer: distinguishedName(fields.subject, x509.subject),
      expected: `a time from ${notBefore.value.toISOString()} to ${notAfter.value.toISOString()}`,
      found: `${earliest.toISOString()} to ${latest.toISOString()}`,
    },
  )
}

async function signerOf(leaf: Certificate, name: string, rootFingerprint: string): Promise<CertificateIdentity> {
  const { x509, fields } = leaf
  const subject = distinguishedName(fields.subject, x509.subject)
  const subjectAltNames = (await alternativeNames(leaf)).map(writtenName)
  return {
    method: 'certificate',
    description: certificateWords(subject, subjectAltNames),
    name,
    fingerprint: fingerprintOf(x509),
    subject,
    issuer: distinguishedName(fields.issuer, x509.issuer),
    serialNumber: serialNumberOf(fields),
    subjectAltNames,
    notBefore: fields.notBefore.value.toISOString(),
    notAfter: fields.notAfter.value.toISOString(),
    rootFingerprint,
  }
}
