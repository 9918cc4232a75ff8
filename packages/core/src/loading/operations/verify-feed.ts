import { ModelSealError, shown } from '../../errors.ts'
import { signal as signalCopy } from '../../kinds.ts'
import { readFeedFile, type FoundFeed } from '../../policy/advisories/feed-file.ts'
import { feedExpired, type AdvisoryFeed } from '../../policy/advisories/feed-statement.ts'
import { staleness } from '../../policy/advisories/following/version.ts'
import type { SignatureTime, VerifiedIdentity } from '../../results.ts'
import { snapshot, type Shape } from '../../snapshot.ts'
import { throwIfAborted } from '../../source/aborted.ts'
import { localPlace } from '../../source/local/local-source.ts'
import { readerFromHere, type ReadFile } from '../../source/read-small-file.ts'
import { signerNamedBy, type InspectedSigner } from '../inspecting/claimed-signer.ts'
import { givenPolicy } from '../judging/read-policy.ts'
import { policyCopy, type OpenOptions } from '../open-options.ts'
import { verifyFeedByPolicy, type FeedVerifiedByPolicy } from './feed-by-policy.ts'
import { verifierCopy, verifyEnvelope, type Verifier } from './verifier.ts'

/** What a feed says, and who has signed it according to itself. Nothing of it is verified. */
export interface InspectedFeed {
  feed: AdvisoryFeed
  /** A signer for each signature; undefined if the bundle names none that can be read. */
  signers: readonly (InspectedSigner | undefined)[]
}

/**
 * Reads what a feed says. Verifies nothing.
 *
 * @throws {@link ModelSealError} `ADVISORY_INVALID`, `ADVISORY_TOO_LARGE`, `FILE_*`
 * @example
 * ```ts
 * const { feed } = await inspectFeed('advisories.jsonl')
 * ```
 */
export async function inspectFeed(path: string): Promise<InspectedFeed> {
  const { feed, bundles } = await readFeedFile(localPlace(path))
  return { feed, signers: await namedSigners(bundles, path) }
}

/** The signer that each bundle names. */
export async function namedSigners(bundles: FoundFeed['bundles'], path: string): Promise<InspectedFeed['signers']> {
  const named = await Promise.all(bundles.map(({ material }) => signerNamedBy(material, path)))
  return named.map(({ signer }) => signer)
}

/** Who must have signed the feed. */
export interface VerifyFeedOptions {
  /** The signer that must have signed it. Other signers may have as well. */
  verifier: Verifier
  signal?: AbortSignal | undefined
}

/** The policy of a service that follows the feed. */
export interface VerifyFeedByPolicyOptions {
  /** A path, a `file:` URL, or a loaded or watched policy. */
  policy: NonNullable<OpenOptions['policy']>
  signal?: AbortSignal | undefined
}

const OPTIONS: Shape<Partial<VerifyFeedOptions & VerifyFeedByPolicyOptions>> = {
  verifier: verifierCopy,
  policy: policyCopy,
  signal: signalCopy,
}

/** A feed with a valid signature. */
export interface VerifiedFeed {
  feed: AdvisoryFeed
  signer: VerifiedIdentity
  /** Present if timestamp authorities were given and the signature has a timestamp. */
  time?: SignatureTime
  /** Number of signatures, of which those by other signers were not verified. */
  signatures: number
}

/**
 * Verifies a feed against one given signer, without a policy. Does not know whether it is the latest version.
 *
 * @throws {@link ModelSealError} `ADVISORY_INVALID`, `ADVISORY_STALE`, `ADVISORY_TOO_LARGE`, `METHOD_MISMATCH`, `KEY_MISMATCH`,
 * `SIGNATURE_INVALID`, `CERTIFICATE_*`, `CHAIN_*`, `TIMESTAMP_*`, `IDENTITY_MISMATCH`, `FILE_*`, `ABORTED`
 * @example
 * ```ts
 * const { feed } = await verifyFeed('advisories.jsonl', { verifier: { publicKey: 'security.pub' } })
 * ```
 */
export function verifyFeed(path: string, given: VerifyFeedOptions): Promise<VerifiedFeed>
/**
 * Verifies a feed as a service does that follows it by a policy: by the signers and the threshold of each entry of `advisories`, and the
 * policy's own revocations. Does not know whether it is the latest version.
 *
 * @returns what each entry says; at least one accepts it
 * @throws {@link ModelSealError} `ADVISORY_INVALID`, `ADVISORY_STALE`, `ADVISORY_TOO_LARGE`, `FILE_*`, `POLICY_*`; if no entry accepts it,
 * `SIGNER_NOT_TRUSTED`, `SIGNATURE_THRESHOLD`, or the reason why the signature of a trusted signer does not count, such as `KEY_REVOKED`;
 * `ABORTED`
 * @example
 * ```ts
 * const { entries } = await verifyFeed('advisories.jsonl', { policy: 'trust-policy.yaml' })
 * ```
 */
export function verifyFeed(path: string, given: VerifyFeedByPolicyOptions): Promise<FeedVerifiedByPolicy>
export async function verifyFeed(
  path: string,
  given: Partial<VerifyFeedOptions & VerifyFeedByPolicyOptions>,
): Promise<VerifiedFeed | FeedVerifiedByPolicy> {
  const { verifier, policy, signal } = snapshot(given, OPTIONS, 'verifyFeed')
  const read = readerFromHere()
  const file = localPlace(path)
  if ((verifier === undefined) === (policy === undefined)) {
    throw new ModelSealError(
      'INVALID_ARGUMENT',
      'Invalid options for verifyFeed: they do not say who must have signed the feed.',
      {
        expected: 'either "verifier" or "policy"',
        found: policy === undefined ? 'neither' : 'both',
      },
    )
  }
  throwIfAborted(signal)
  const found = await readFeedFile(file, signal)
  if (policy !== undefined) {
    const verified = await verifyFeedByPolicy(found, await givenPolicy(policy), { file, signal })
    checkReliable(found.feed, file)
    return verified
  }
  // Checked above.
  return verifiedBy(verifier as Verifier, found, { file, read })
}

async function verifiedBy(
  verifier: Verifier,
  { feed, bundles }: FoundFeed,
  { file, read }: { file: string; read: ReadFile },
): Promise<VerifiedFeed> {
  let failure: ModelSealError | undefined
  for (const bundle of bundles) {
    try {
      const { signer, time } = await verifyEnvelope(bundle, verifier, read)
      checkReliable(feed, file)
      return { feed, signer, ...(time ? { time } : {}), signatures: bundles.length }
    } catch (error) {
      if (!(error instanceof ModelSealError) || !ABOUT_THE_SIGNATURE.test(error.code)) throw error
      // A signature by somebody else explains least.
      if (!failure || BY_ANOTHER.test(failure.code)) failure = error
    }
  }
  throw failure ?? new RangeError('a feed has at least one bundle')
}

/** A service refuses it although its signatures are valid. */
function checkReliable(feed: AdvisoryFeed, file: string): void {
  const now = Date.now()
  if (Date.parse(feed.expires) <= now) throw feedExpired(feed, file)
  const reason = staleness({ ...feed, confirmedAt: now }, { maxAge: { written: '', milliseconds: 0 } }, now)
  if (reason === undefined) return
  throw new ModelSealError('ADVISORY_STALE', `Cannot use the advisory feed ${shown(feed.feed)}: ${reason}.`, {
    file,
    hint: 'Check the clock of this machine, and that of the publisher.',
  })
}

const BY_ANOTHER = /^(METHOD|KEY|IDENTITY|ISSUER)_MISMATCH$|^CHAIN_NO_PATH$/
/** Another signature of the feed may still be valid. */
const ABOUT_THE_SIGNATURE =
  /^(METHOD|KEY|IDENTITY|ISSUER)_MISMATCH$|^(CHAIN|TIMESTAMP|LOG|CERTIFICATE)_|^SIGNATURE_INVALID$|^(SCT_INVALID|TIME_MISSING|BUNDLE_MALFORMED)$/
