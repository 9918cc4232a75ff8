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
import type { PublicKey } from '../../x509/public-key.ts'
import { ModelSealError } from '../../errors.ts'
import { judgeKnownPath, validPath, type ValidPath, type StatedChain } from '../chain/chain.ts'
import { passesAgain } from '../effort.ts'
import { isKnown } from '../known-signatures.ts'
import { digestOf, Memory, ownBundle } from '../memory.ts'
import { verifyPayload } from '../statement-signature.ts'
import { bytesCopy, listOf, required } from '../../kinds.ts'
import { snapshot, withoutPrototype, type Shape } from '../../snapshot.ts'
import {
  provenTime,
  statedTimeTrust,
  TIME_TRUST,
  timeOf,
  type ProvenTime,
  type StatedTimeTrust,
  type TimeTrust,
} from '../timestamp.ts'
import type { CertificateIdentity } from '../../results.ts'
import { asVerified, verifiedSignature, type VerifiedEnvelope, type VerifiedSignature } from '../verified-signature.ts'

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
  const { roots, intermediates = [], crls = [] } = trust
  const authorities = withoutPrototype({ roots, intermediates })
  const stated = withoutPrototype({ ...statedTimeTrust(trust), authorities, crls })
  return verifiedSignature(await verifyCertificateWithin(bundle, stated, name), stated.effort.signal)
}

/** The trusted certificates, and the circumstances of a load. */
interface StatedCertificateTrust extends StatedTimeTrust {
  /** What is found valid is remembered for this object, which must never change. */
  readonly authorities: {
    readonly roots: readonly CertificateInput[]
    readonly intermediates: readonly CertificateInput[]
  }
  readonly crls: readonly Uint8Array[]
}

/** The certificate of a signer, and its path to a trusted root. Whoever uses it judges time and revocations. */
interface CertifiedSigner {
  leaf: Certificate
  key: PublicKey
  /** Leaf first, root last. */
  path: readonly Certificate[]
}

/** For the authorities of a policy, the certificates in bundles with a valid chain. A parsed chain takes some 50 KB. */
const known = new Memory<CertifiedSigner>(128)

/**
 * Like {@link verifyCertificateBundle}, but without reading the statement, and within the remaining effort of a load. A chain and timestamps
 * that this process has found valid are not verified again, but judged by the current time and the revocation lists. If these refuse
 * them, everything is verified in full.
 */
export async function verifyCertificateWithin(
  given: UnverifiedBundle,
  trust: StatedCertificateTrust,
  name: string,
): Promise<VerifiedEnvelope<CertificateIdentity>> {
  const bundle = ownBundle(given, { withPayload: false })
  const { authorities, effort } = trust
  const certificates = certificatesOf(bundle, name)
  const digest = digestOf(certificates)
  const remembered = known.recall(authorities, digest)
  const valid =
    (remembered && (await stillValid(bundle, remembered, trust))) ??
    (await certifiedSigner(bundle, certificates, trust))
  const { leaf, key, path, time } = valid
  if (!isKnown(bundle.envelope, key.key)) await effort.signatures()
  const root = path.at(-1) ?? leaf
  const signature = asVerified({
    signer: await signerOf(leaf, name, fingerprintOf(root.x509)),
    signed: await verifyPayload(bundle, key, name, effort.signal),
    bundleDigest: bundle.digest,
    ...timeOf(time),
  })
  if (valid.isFirst) known.keep(authorities, digest, { leaf, key, path })
  return signature
}

interface DatedSigner extends CertifiedSigner, Pick<ValidPath, 'isFirst'> {
  time: ProvenTime | undefined
}

async function certifiedSigner(
  bundle: UnverifiedBundle,
  [leafDer, ...intermediates]: readonly [Buffer, ...Buffer[]],
  trust: StatedCertificateTrust,
): Promise<DatedSigner> {
  const leaf = await parseCertificate(leafDer, bundle.path)
  checkSigningUsage(leaf, bundle.path)
  const time = await timeWithin(leaf, bundle, trust)
  const { roots, intermediates: trusted } = trust.authorities
  const chain = { leaf: leaf.x509, intermediates: [...intermediates, ...trusted], roots, ...circumstances(time, trust) }
  const { path, isFirst } = await validPath(chain, trust.effort)
  return { leaf, key: signingKeyOf(leaf, bundle.path), path, isFirst, time }
}

/** The remembered signer if its chain is still valid, in the circumstances of this load; undefined if it must be verified in full. */
async function stillValid(
  bundle: UnverifiedBundle,
  { leaf, key, path }: CertifiedSigner,
  trust: StatedCertificateTrust,
): Promise<DatedSigner | undefined> {
  let time: ProvenTime | undefined
  const valid = await passesAgain(async () => {
    await trust.effort.turn()
    time = await timeWithin(leaf, bundle, trust)
    await judgeKnownPath(path, circumstances(time, trust), trust.effort)
  })
  return valid ? { leaf, key, path, isFirst: true, time } : undefined
}

/** When the chain must be valid, and what may have revoked it. */
function circumstances(
  time: ProvenTime | undefined,
  { now, crls }: StatedCertificateTrust,
): Pick<StatedChain, 'crls' | 'usage'> & { at: Date; crlsAt: Date } {
  return { at: time ? new Date(time.at) : now, crls, crlsAt: now, usage: 'codeSigning' }
}

/** The time by which the bundle was provably signed, which must be within the validity of the leaf. */
async function timeWithin(
  leaf: Certificate,
  bundle: UnverifiedBundle,
  trust: StatedCertificateTrust,
): Promise<ProvenTime | undefined> {
  const time = await provenTime(bundle, trust)
  if (time) checkWithin(leaf, time, bundle.path)
  return time
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
