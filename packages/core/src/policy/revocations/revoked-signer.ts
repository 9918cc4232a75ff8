import { createHash } from 'node:crypto'
import type { UnverifiedBundle } from '../../bundle/bundle.ts'
import { claimedStatement } from '../../bundle/claim.ts'
import type { VerificationMaterial } from '../../bundle/materials/materials.ts'
import { ModelSealError, type ErrorCode } from '../../errors.ts'
import { nextTurn } from '../../source/aborted.ts'
import type { VerifiedEnvelope } from '../../verification/verified-signature.ts'
import { certificateFacts, type CertificateFacts } from './certificate-facts.ts'
import { methodOf } from '../methods/methods.ts'
import type { Revocations } from './revocations.ts'
import { ANY_TIME, type SignatureBounds } from '../signature-time.ts'

/**
 * Looks up the signer that a bundle names: key, identity, and every certificate in the bundle.
 *
 * @param when the signature was made, as far as proven
 * @throws {@link ModelSealError} `ABORTED`
 */
export async function revokedSigner(
  { material }: UnverifiedBundle,
  revocations: Revocations,
  when: SignatureBounds | undefined,
  signal?: AbortSignal,
): Promise<ModelSealError | undefined> {
  // The author of a bundle could multiply the certificates to parse.
  if (!revocations.concernsSigners) return undefined
  const method = methodOf(material.method)
  const { keys, certificates } = method.carried(material)
  // Compared by their bytes before any is parsed: a certificate that cannot be parsed can be revoked, too.
  const byFingerprint =
    revocations.key(keys, when) ?? firstOf(certificates, (der) => revocations.fingerprint(sha256(der), when))
  if (byFingerprint) return byFingerprint
  const [leaf, ...authorities] = await factsInTurns(certificates, signal)
  const issuers = leaf && (await method.issuers(material, leaf))
  return (
    firstOf([leaf, ...authorities], (facts) => facts && revocations.key(facts.keyFingerprints, when)) ??
    (leaf && revocations.identity({ ...leaf, issuers }, when)) ??
    firstOf(authorities, (facts) => facts && revocations.identity({ ...facts, issuers: [facts.issuer] }, when)) ??
    firstOf([leaf, ...authorities], (facts) => facts && revocations.certificate(facts, when))
  )
}

function sha256(der: Uint8Array): string {
  return createHash('sha256').update(der).digest('hex')
}

/**
 * Looks up the authorities that a signature depends on and that need not be in the bundle: those of its timestamps, and those
 * of the Sigstore instance that issued its certificate. Only they state when they signed, so every window matches.
 */
export async function revokedAuthority(
  { timestampPath = [], issuerPath = [] }: Pick<VerifiedEnvelope, 'timestampPath' | 'issuerPath'>,
  revocations: Revocations,
  signal: AbortSignal | undefined,
): Promise<ModelSealError | undefined> {
  if (!revocations.concernsSigners) return undefined
  return firstOf(
    await factsInTurns([...timestampPath, ...issuerPath], signal),
    (facts) =>
      facts &&
      (revocations.key(facts.keyFingerprints, ANY_TIME) ??
        revocations.identity({ ...facts, issuers: [facts.issuer] }, ANY_TIME) ??
        revocations.certificate(facts, ANY_TIME)),
  )
}

/**
 * Looks up the claims of a bundle, for the modes `audit` and `skip`, which load models without a valid
 * signature. If the claims match a revocation, they are believed, but not a claimed time: at worst, a
 * model without a valid signature is refused.
 *
 * @throws {@link ModelSealError} `CLAIM_TOO_LARGE`, `JSON_TOO_COMPLEX`, `ABORTED`
 */
export async function revokedByClaim(
  bundle: UnverifiedBundle,
  revocations: Revocations,
  signal: AbortSignal | undefined,
): Promise<ModelSealError | undefined> {
  const revoked = await revokedSigner(bundle, revocations, undefined, signal)
  if (revoked) return revoked
  if (!revocations.concernsModels) return undefined
  try {
    return revocations.rootDigest((await claimedStatement(bundle, signal)).rootDigest, undefined)
  } catch (error) {
    if (error instanceof ModelSealError && !UNREAD.has(error.code)) return undefined
    throw error
  }
}

/** Codes that mean that the claims were not read; any other means that the bundle claims nothing. */
const UNREAD: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['CLAIM_TOO_LARGE', 'JSON_TOO_COMPLEX', 'ABORTED'])

/** The key of the leaf certificate in a bundle. */
export async function certifiedKey(material: VerificationMaterial): Promise<string | undefined> {
  const [leaf] = methodOf(material.method).carried(material).certificates
  return leaf && (await factsOf(leaf))?.keyFingerprint
}

/** Sequentially, yielding to the event loop after each: certificates may be long and many. */
async function factsInTurns(
  chain: readonly Uint8Array[],
  signal?: AbortSignal,
): Promise<(CertificateFacts | undefined)[]> {
  const facts: (CertificateFacts | undefined)[] = []
  for (const der of chain) {
    if (facts.length > 0) await nextTurn(signal)
    facts.push(await factsOf(der))
  }
  return facts
}

/** Undefined if the certificate cannot be parsed: then it claims nothing. */
async function factsOf(der: Uint8Array): Promise<CertificateFacts | undefined> {
  return certificateFacts(der).catch((error: unknown) => {
    if (error instanceof ModelSealError) return undefined
    throw error
  })
}

function firstOf<T, R>(items: readonly T[], find: (item: T) => R | undefined): R | undefined {
  for (const item of items) {
    const found = find(item)
    if (found !== undefined) return found
  }
  return undefined
}
