import { createHash } from 'node:crypto'
import type { UnverifiedBundle, VerificationMaterial } from '../../bundle/bundle.ts'
import { claimedManifest } from '../../bundle/claim.ts'
import { keyFingerprints, parseCarriedKey, type PublicKey } from '../../x509/public-key.ts'
import { ModelSealError, type ErrorCode } from '../../errors.ts'
import { nextTurn } from '../../source/aborted.ts'
import { readFulcioClaims } from '../../verification/sigstore/fulcio-certificate.ts'
import type { VerifiedSignature } from '../../verification/verified-signature.ts'
import { certificateFacts, type CertificateFacts } from './certificate-facts.ts'
import { plainHex } from './fingerprint.ts'
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
  if (material.method === 'key') return revokedKey(material, revocations, when)
  const chain = material.method === 'certificate' ? material.certificates : [material.certificate]
  // By their bytes, before any is parsed: one that does not parse is revoked all the same.
  const byFingerprint = firstOf(chain, (der) => revocations.fingerprint(sha256(der), when))
  if (byFingerprint) return byFingerprint
  const [leaf, ...authorities] = await factsInTurns(chain, signal)
  const issuers =
    leaf && material.method === 'sigstore' ? await issuersOf(material.certificate, leaf) : leaf && [leaf.issuer]
  return (
    firstOf([leaf, ...authorities], (facts) => facts && revocations.key(facts.keyFingerprints, when)) ??
    (leaf && revocations.identity({ ...leaf, issuers }, when)) ??
    firstOf(authorities, (facts) => facts && revocations.identity({ ...facts, issuers: [facts.issuer] }, when)) ??
    firstOf([leaf, ...authorities], (facts) => facts && revocations.certificate(facts, when))
  )
}

/** By the hint and by the key itself, of which a bundle may carry either or both. Other signers write the hint in base64. */
function revokedKey(
  { hint, rawBytes }: Extract<VerificationMaterial, { method: 'key' }>,
  revocations: Revocations,
  when: SignatureBounds | undefined,
): ModelSealError | undefined {
  const hints = hint === undefined ? [] : [plainHex(hint), Buffer.from(hint, 'base64').toString('hex')]
  return revocations.key([...hints, ...carriedFingerprints(rawBytes)], when)
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
    return revocations.rootDigest((await claimedManifest(bundle, signal)).rootDigest, undefined)
  } catch (error) {
    if (error instanceof ModelSealError && !UNREAD.has(error.code)) return undefined
    throw error
  }
}

/** What the bundle claims was not looked at; any other refusal says that it claims nothing. */
const UNREAD: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['CLAIM_TOO_LARGE', 'JSON_TOO_COMPLEX', 'ABORTED'])

/** Who vouched for a keyless identity, and who issued its certificate: a policy may name either. */
async function issuersOf(der: Buffer, { issuer }: CertificateFacts): Promise<string[] | undefined> {
  try {
    return [issuer, (await readFulcioClaims(der, undefined)).issuer]
  } catch (error) {
    if (error instanceof ModelSealError) return undefined
    throw error
  }
}

/** The signer's key, whatever the method: one key in two certificates is one signer. */
export async function signingKeyOf({ material }: UnverifiedBundle): Promise<string | undefined> {
  if (material.method === 'key') return material.hint ?? carriedKey(material.rawBytes)?.fingerprint
  const leaf = material.method === 'certificate' ? material.certificates[0] : material.certificate
  return leaf && (await factsOf(leaf))?.keyFingerprint
}

function carriedKey(rawBytes: Buffer | undefined): PublicKey | undefined {
  return rawBytes && attempt(() => parseCarriedKey(rawBytes))
}

function carriedFingerprints(rawBytes: Buffer | undefined): readonly string[] {
  const carried = carriedKey(rawBytes)
  return carried ? keyFingerprints(carried.key) : []
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

function attempt<T>(parse: () => T): T | undefined {
  try {
    return parse()
  } catch (error) {
    if (error instanceof ModelSealError) return undefined
    throw error
  }
}

function firstOf<T, R>(items: readonly T[], find: (item: T) => R | undefined): R | undefined {
  for (const item of items) {
    const found = find(item)
    if (found !== undefined) return found
  }
  return undefined
}
