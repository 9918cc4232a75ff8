import type { UnverifiedBundle } from '../../bundle/bundle.ts'
import { ModelSealError, sentenceOf } from '../../errors.ts'
import type { VerifiedIdentity } from '../../results.ts'
import { Effort, passAbort } from '../../verification/effort.ts'
import { describedSigner, identifyEnvelope } from '../identify.ts'
import type { IdentifiedEnvelope } from '../methods/method.ts'
import type { Occasion } from '../occasion.ts'
import type { PolicyFacts } from '../policy-facts.ts'
import { countDistinctSigners, type NamedSigner } from '../requirements/distinct-signers.ts'
import { validityFailure } from '../requirements/key-validity.ts'
import { revokedSignature } from '../revocations/revoked-signature.ts'
import { signerNames } from '../signer-names.ts'
import { feedBundles } from './feed-file.ts'
import type { FollowedFeed } from './followed-feed.ts'

/** Whose signatures count, and where the feed is, for messages. */
type Wanted = Pick<FollowedFeed, 'source' | 'signers' | 'threshold'>

/**
 * Verifies the signatures of a feed file by the signers that a policy names for it. A signer whom the policy itself revokes does
 * not count.
 *
 * @param bytes must not change meanwhile
 * @param policy its trust roots and its own revocations
 * @returns the signed statement, which has not been read
 * @throws {@link ModelSealError} what {@link feedBundles} throws; `SIGNER_NOT_TRUSTED`, or the reason why the signature of a trusted
 * signer does not count; `SIGNATURE_THRESHOLD`; `ABORTED`
 */
export async function verifiedPayload(
  bytes: Buffer,
  wanted: Wanted,
  policy: PolicyFacts,
  signal?: AbortSignal,
): Promise<Buffer> {
  const bundles = await feedBundles(bytes, { file: wanted.source, signal })
  await acceptedSigners(bundles, wanted, policy, signal)
  return bundles[0].envelope.payload
}

/**
 * Verifies the bundles of a feed file by the signers that a policy names for it.
 *
 * @returns the signer of each bundle that counts
 * @throws {@link ModelSealError} what {@link verifiedPayload} throws, except for what reading the file throws
 */
export async function acceptedSigners(
  bundles: readonly UnverifiedBundle[],
  wanted: Wanted,
  policy: PolicyFacts,
  signal?: AbortSignal,
): Promise<VerifiedIdentity[]> {
  const occasion = { now: Date.now(), effort: new Effort(signal) }
  const accepted: Accepted[] = []
  let reason: ModelSealError | undefined
  for (const bundle of bundles) {
    try {
      accepted.push(await acceptedSigner(bundle, wanted, policy, occasion))
    } catch (error) {
      passAbort(error)
      if (!(error instanceof ModelSealError)) throw error
      // A signature by somebody else explains least.
      if (!reason || reason.code === 'SIGNER_NOT_TRUSTED') reason = error
    }
  }
  const count = countDistinctSigners(accepted)
  if (count < wanted.threshold) throw count === 0 && reason ? reason : tooFew(wanted, count, reason)
  return accepted.map(({ signature }) => signature.signer)
}

type Accepted = NamedSigner & IdentifiedEnvelope

async function acceptedSigner(
  bundle: UnverifiedBundle,
  wanted: Wanted,
  policy: PolicyFacts,
  occasion: Occasion,
): Promise<Accepted> {
  await occasion.effort.signatures()
  const { signers, source } = wanted
  const trusted = { signers, notTrusted: (found: string) => notTrusted(wanted, found) }
  const identified = await identifyEnvelope(bundle, trusted, policy, occasion)
  const { signature } = identified
  const revoked = await revokedSignature(bundle, signature, policy.revocations, occasion.effort.signal)
  if (revoked) throw revoked
  const invalid = validityFailure({ ...identified, now: occasion.now })
  if (invalid) {
    const { code, message, expected, found } = invalid
    throw new ModelSealError(code, message, { file: source, signer: signature.signer.name, expected, found })
  }
  return { ...identified, names: await signerNames(signature.signer, bundle) }
}

function notTrusted({ source, signers }: Wanted, found: string): ModelSealError {
  return new ModelSealError(
    'SIGNER_NOT_TRUSTED',
    'Cannot use the advisory feed: no signer whom the policy names for it signed it.',
    {
      file: source,
      signer: found,
      expected: signers.map(describedSigner).join(' or '),
      found,
      hint: 'If you trust this signer with the feed, add it to its "signers" in the policy.',
    },
  )
}

function tooFew({ source, threshold }: Wanted, count: number, reason: ModelSealError | undefined): ModelSealError {
  return new ModelSealError(
    'SIGNATURE_THRESHOLD',
    'Cannot use the advisory feed: too few distinct signers signed it.',
    {
      file: source,
      expected: `${threshold}`,
      found: `${count}`,
      hint: reason && sentenceOf(reason),
    },
  )
}
