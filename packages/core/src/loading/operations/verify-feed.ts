import { ModelSealError } from '../../errors.ts'
import { required, signal as signalCopy } from '../../kinds.ts'
import { readFeedFile } from '../../policy/advisories/feed-file.ts'
import { feedExpired, type AdvisoryFeed } from '../../policy/advisories/feed-statement.ts'
import type { SignatureTime, VerifiedIdentity } from '../../results.ts'
import { snapshot, type Shape } from '../../snapshot.ts'
import { localPlace } from '../../source/local/local-source.ts'
import { readerFromHere } from '../../source/read-small-file.ts'
import { signerNamedBy, type InspectedSigner } from '../inspecting/claimed-signer.ts'
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
  const named = await Promise.all(bundles.map(({ material }) => signerNamedBy(material, path)))
  return { feed, signers: named.map(({ signer }) => signer) }
}

export interface VerifyFeedOptions {
  /** The signer that must have signed it. Other signers may have as well. */
  verifier: Verifier
  signal?: AbortSignal | undefined
}

const OPTIONS: Shape<VerifyFeedOptions> = { verifier: required(verifierCopy), signal: signalCopy }

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
 * `SIGNATURE_INVALID`, `CERTIFICATE_*`, `CHAIN_*`, `TIMESTAMP_*`, `IDENTITY_MISMATCH`, `FILE_*`
 * @example
 * ```ts
 * const { feed } = await verifyFeed('advisories.jsonl', { verifier: { publicKey: 'security.pub' } })
 * ```
 */
export async function verifyFeed(path: string, given: VerifyFeedOptions): Promise<VerifiedFeed> {
  const { verifier, signal } = snapshot(given, OPTIONS, 'verifyFeed')
  const read = readerFromHere()
  const file = localPlace(path)
  const { feed, bundles } = await readFeedFile(file, signal)
  let failure: ModelSealError | undefined
  for (const bundle of bundles) {
    try {
      const { signer, time } = await verifyEnvelope(bundle, verifier, read)
      if (Date.parse(feed.expires) <= Date.now()) throw feedExpired(feed, file)
      return { feed, signer, ...(time ? { time } : {}), signatures: bundles.length }
    } catch (error) {
      if (!(error instanceof ModelSealError) || !ABOUT_THE_SIGNATURE.test(error.code)) throw error
      // A signature by somebody else explains least.
      if (!failure || BY_ANOTHER.test(failure.code)) failure = error
    }
  }
  throw failure ?? new RangeError('a feed has at least one bundle')
}

const BY_ANOTHER = /^(METHOD|KEY|IDENTITY|ISSUER)_MISMATCH$|^CHAIN_NO_PATH$/
/** Another signature of the feed may still be valid. */
const ABOUT_THE_SIGNATURE =
  /^(METHOD|KEY|IDENTITY|ISSUER)_MISMATCH$|^(CHAIN|TIMESTAMP|LOG|CERTIFICATE)_|^SIGNATURE_INVALID$|^(SCT_INVALID|TIME_MISSING|BUNDLE_MALFORMED)$/
