import type { AttestationVerdict, BundleVerdict, Verdict, VerifiedIdentity } from '../../results.ts'
import type { RecordOf } from '../format/record.ts'
import type { JournalSettings } from '../writing/settings/settings.ts'
import { safePath, safeUrl } from './safe-text.ts'

/** As many as the format allows. */
const [MAX_SIGNERS, MAX_CLAIMS, MAX_NAMES, MAX_FEEDS, MAX_INCLUDES] = [64, 256, 16, 64, 64]

type LoadRecord = RecordOf<'load'>

/**
 * The record of a verdict. Secrets in its texts are withheld where it is written; here, those parts of URLs are left out that nothing recognizes.
 *
 * @param inputs root digests of what the model was made from, by the digest of the statement that names them
 */
export function loadRecord(
  verdict: Verdict,
  inputs: ReadonlyMap<string, readonly string[]>,
  paths: JournalSettings['paths'],
): LoadRecord {
  const { decision, error, wouldRefuse, rule, mode, by, model, bundles, advisories, hashed, durations } = verdict
  const counted = bundles.filter((bundle) => bundle.counted || decision === 'refused' || decision === 'tolerated')
  const signers = counted.flatMap((bundle) => signerOf(bundle) ?? [])
  const claims = (verdict.attestations ?? []).flatMap((attestation) => claimOf(attestation, inputs) ?? [])
  const { rootDigest } = model
  return {
    type: 'load',
    time: verdict.at,
    decision,
    ...(error && { code: error.code }),
    ...(wouldRefuse && { wouldRefuse: wouldRefuse.code }),
    ...(rule !== undefined && { rule }),
    ...(mode && { mode }),
    ...(by !== undefined && { by }),
    model: modelOf(model, paths),
    ...(rootDigest !== undefined && { rootDigest }),
    ...(verdict.policy !== undefined && { policy: policyOf(verdict.policy, verdict.policyDigests, paths) }),
    signers: signers.slice(0, MAX_SIGNERS),
    claims: claims.slice(0, MAX_CLAIMS),
    ...(advisories && {
      advisories: advisories.slice(0, MAX_FEEDS).map(({ source, feed, sequence, stale }) => ({
        source: safePath(source, paths),
        ...(feed !== undefined && { feed }),
        ...(sequence !== undefined && { sequence }),
        ...(stale && { stale }),
      })),
    }),
    ...(hashed && { hashed }),
    bytes: verdict.bytes,
    durations: {
      policy: Math.round(durations.policy),
      verification: Math.round(durations.verification),
      hashing: Math.round(durations.hashing),
    },
  }
}

function modelOf(
  { path, url, revision, requested, packageUrl, format, name, entry }: Verdict['model'],
  paths: JournalSettings['paths'],
): LoadRecord['model'] {
  return {
    path: safePath(path, paths),
    ...(url !== undefined && { url: safeUrl(url) }),
    ...(revision !== undefined && { revision }),
    ...(requested !== undefined && { requested }),
    ...(packageUrl !== undefined && { packageUrl: safeUrl(packageUrl) }),
    ...(format !== undefined && { format }),
    ...(name !== undefined && { name }),
    ...(entry !== undefined && { entry }),
  }
}

function policyOf(
  path: string,
  digests: Verdict['policyDigests'],
  paths: JournalSettings['paths'],
): NonNullable<LoadRecord['policy']> {
  const { file, includes = [] } = digests ?? {}
  return {
    path: safePath(path, paths),
    ...(file !== undefined && { digest: file }),
    ...(includes.length > 0 && { includes: includes.slice(0, MAX_INCLUDES) }),
  }
}

/** @returns undefined if no signer is proven */
function signerOf({ signer, counted, time, logEntry }: BundleVerdict): LoadRecord['signers'][number] | undefined {
  if (!signer) return undefined
  return {
    ...identityOf(signer),
    counted,
    ...(logEntry && { log: logEntry.log, logIndex: logEntry.index }),
    ...(time && { signedAt: time.at }),
  }
}

function identityOf(signer: VerifiedIdentity): Omit<LoadRecord['signers'][number], 'counted'> {
  const { method, fingerprint, name } = signer
  if (method === 'key') return { method, fingerprint, name }
  const { issuer, serialNumber } = signer
  if (method === 'sigstore') return { method, fingerprint, name, identity: signer.identity, issuer, serialNumber }
  const { subject, subjectAltNames, rootFingerprint } = signer
  const alternativeNames = subjectAltNames.slice(0, MAX_NAMES)
  return { method, fingerprint, name, subject, issuer, serialNumber, rootFingerprint, alternativeNames }
}

/** @returns undefined if it satisfied nothing that the rule requires */
function claimOf(
  { type, kind, digest, signer, satisfies = [] }: AttestationVerdict,
  inputs: ReadonlyMap<string, readonly string[]>,
): LoadRecord['claims'][number] | undefined {
  if (satisfies.length === 0 || type === undefined || digest === undefined || !signer) return undefined
  const named = inputs.get(digest) ?? []
  return {
    type,
    ...(kind !== undefined && { kind }),
    digest,
    signer: signer.fingerprint,
    ...(named.length > 0 && { inputs: named.slice(0, 500) }),
  }
}
