import { createHash } from 'node:crypto'
import type { UnverifiedBundle } from '../../bundle/bundle.ts'
import { claimedStatement } from '../../bundle/claim.ts'
import type { VerificationMaterial } from '../../bundle/materials/materials.ts'
import { ModelSealError, type ErrorCode } from '../../errors.ts'
import { nextTurn } from '../../source/aborted.ts'
import type { VerifiedSignature } from '../../verification/verified-signature.ts'
import { certificateFacts, type CertificateFacts } from './certificate-facts.ts'
import { methodOf } from '../methods/methods.ts'
import type { Revocations } from './revocations.ts'
import { ANY_TIME, type SignatureBounds } from '../signature-time.ts'

/**
 * Looks up whom a bundle names as its signer: key, identity, and every certificate that it carries.
 *
 * @param when the signature was made, as far as that is proven
 * @throws {@link ModelSealError} `ABORTED`
 */
export async function revokedSigner(
  { material }: UnverifiedBundle,
  revocations: Revocations,
  when: SignatureBounds | undefined,
  signal?: AbortSignal,
): Promise<ModelSealError | undefined> {
  // Parsing what a bundle merely carries is work that its author can multiply.
  if (!revocations.concernsSigners) return undefined
  const method = methodOf(material.method)
  const { keys, certificates } = method.carried(material)
  // By their bytes, before any is parsed: one that does not parse is revoked all the same.
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
 * Looks up the authorities that a signature rests on and that the bundle need not carry: those of its timestamps, and those
 * of a Sigstore instance that issued its certificate. When they vouched only they say, so that a window counts as matching.
 */
export async function revokedAuthority(
  { timestampPath = [], issuerPath = [] }: VerifiedSignature,
  revocations: Revocations,
  signal: AbortSignal | undefined,
): Promise<ModelSealError | undefined> {
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
 * Looks up what a bundle merely claims: for the modes `audit` and `skip`, which load models whose
 * bundles did not count, or were not looked at. A claim to be revoked is believed, and no claimed
 * time: at worst a model is refused that nobody vouched for.
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

/** What the bundle claims was not looked at; any other refusal says that it claims nothing. */
const UNREAD: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['CLAIM_TOO_LARGE', 'JSON_TOO_COMPLEX', 'ABORTED'])

/** The key of the leaf that a bundle carries. */
export async function certifiedKey(material: VerificationMaterial): Promise<string | undefined> {
  const [leaf] = methodOf(material.method).carried(material).certificates
  return leaf && (await factsOf(leaf))?.keyFingerprint
}

/** One after the other, each in a turn of its own: a certificate may be long, and there may be many. */
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

/** What does not parse claims nothing. */
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
