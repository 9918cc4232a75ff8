import type { SignedEntity } from '@sigstore/verify'
import type { Certificate } from '../../x509/certificate.ts'
import { ModelSealError } from '../../errors.ts'
import type { SigstoreTrust } from './trust.ts'
import type { SignatureTime } from '../../results.ts'

type Timestamps = SignedEntity['timestamps']

/** Clocks of servers and of this machine differ by less. */
const CLOCK_SKEW_MS = 5 * 60_000
/** Usually one, and perhaps one from a second authority. */
const MAX_TIMES = 8

/**
 * Checks the times that a bundle states, before they are verified: there must be at least one, none in
 * the future, and each within the few minutes for which the certificate is valid.
 *
 * @throws {@link ModelSealError} `TIME_MISSING`, `TIMESTAMP_INVALID`, `CERTIFICATE_EXPIRED`,
 * `CERTIFICATE_NOT_YET_VALID`
 */
export function checkTimes(times: readonly Date[], { fields }: Certificate, now: Date, file: string | undefined): void {
  if (times.length === 0) {
    throw new ModelSealError('TIME_MISSING', 'The bundle has no trusted time of signing.', {
      file,
      expected: 'a time promised by the transparency log, or a timestamp (RFC 3161)',
      found: 'neither',
      hint: 'Rekor v2 states no time: use a timestamp authority as well when signing.',
    })
  }
  const [notBefore, notAfter] = [fields.notBefore.value, fields.notAfter.value]
  for (const at of times) {
    if (times.length > MAX_TIMES || !isPossible(at, now)) {
      throw new ModelSealError('TIMESTAMP_INVALID', 'The bundle states an impossible time.', {
        file,
        expected: `a time before ${now.toISOString()}`,
        found: Number.isNaN(at.getTime()) ? 'an invalid time' : at.toISOString(),
        hint: 'Check the clock of this machine.',
      })
    }
    if (at >= notBefore && at <= notAfter) continue
    const early = at < notBefore
    throw new ModelSealError(
      early ? 'CERTIFICATE_NOT_YET_VALID' : 'CERTIFICATE_EXPIRED',
      `The certificate of the signer ${early ? 'was not yet valid' : 'had expired'} when the model was signed.`,
      {
        file,
        expected: `a time from ${notBefore.toISOString()} to ${notAfter.toISOString()}`,
        found: at.toISOString(),
      },
    )
  }
}

/** False for a time in the future, and for none. */
export function isPossible(at: Date, now: Date): boolean {
  return at.getTime() <= now.getTime() + CLOCK_SKEW_MS
}

/** The earliest of the times that were verified with the bundle. */
export function earliestTime(timestamps: Timestamps, trust: SigstoreTrust): SignatureTime {
  const [first] = statedTimes(timestamps).sort((a, b) => a.at.getTime() - b.at.getTime())
  if (!first) throw new ModelSealError('TIME_MISSING', 'The bundle has no trusted time of signing.')
  const at = first.at.toISOString()
  if (first.stamp.$case === 'transparency-log') {
    const { keyId } = first.stamp.tlogEntry.logId
    const log = trust.root.tlogs.find((log) => (log.checkpointKeyId ?? log.logId)?.keyId.equals(keyId))
    return { at, source: 'rekor', authority: log?.baseUrl ?? keyId.toString('hex') }
  }
  return { at, source: 'rfc3161', authority: authorityOf(first.stamp.timestamp, trust) }
}

/** Certificates of the authorities whose timestamps were verified with the bundle, each up to its root: DER. */
export function timestampPath(timestamps: Timestamps, { root, material }: SigstoreTrust): Buffer[] {
  return timestamps.flatMap((stamp) => {
    const index = stamp.$case === 'timestamp-authority' ? authorityIndex(stamp.timestamp, material) : -1
    return (root.timestampAuthorities[index]?.certChain?.certificates ?? []).map(({ rawBytes }) => rawBytes)
  })
}

/** A log's time is used only with its signed promise; Rekor v2 gives none. */
export function statedTimes(timestamps: Timestamps): { at: Date; stamp: Timestamps[number] }[] {
  return timestamps.flatMap((stamp): { at: Date; stamp: Timestamps[number] }[] => {
    if (stamp.$case === 'timestamp-authority') return [{ at: stamp.timestamp.signingTime, stamp }]
    const { inclusionPromise, integratedTime } = stamp.tlogEntry
    return inclusionPromise ? [{ at: new Date(Number(integratedTime) * 1000), stamp }] : []
  })
}

type Timestamp = Extract<Timestamps[number], { $case: 'timestamp-authority' }>['timestamp']

function authorityOf(timestamp: Timestamp, { root, material }: SigstoreTrust): string {
  const { uri, subject } = root.timestampAuthorities[authorityIndex(timestamp, material)] ?? {}
  return uri ? uri : `CN=${subject?.commonName ?? ''},O=${subject?.organization ?? ''}`
}

function authorityIndex(timestamp: Timestamp, { timestampAuthorities }: SigstoreTrust['material']): number {
  return timestampAuthorities.findIndex((authority) => isBy(timestamp, authority))
}

/** The authorities of the trusted root that a timestamp names as its signer. */
export function timestampAuthoritiesOf(timestamp: Timestamp, { root, material }: SigstoreTrust) {
  return root.timestampAuthorities.filter((_, index) => {
    const authority = material.timestampAuthorities[index]
    return authority !== undefined && isBy(timestamp, authority)
  })
}

function isBy(
  { signerSerialNumber, signerIssuer }: Timestamp,
  { certChain: [leaf] }: SigstoreTrust['material']['timestampAuthorities'][number],
): boolean {
  return leaf !== undefined && leaf.serialNumber.equals(signerSerialNumber) && leaf.issuer.equals(signerIssuer)
}
