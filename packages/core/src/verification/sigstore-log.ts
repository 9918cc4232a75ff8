import { X509Certificate } from 'node:crypto'
import type { BundleLatest } from '@sigstore/bundle'
import { ModelSealError, shown } from '../errors.ts'
import type { SigstoreTrust } from './sigstore-trust.ts'

type Entry = BundleLatest['verificationMaterial']['tlogEntries'][number]

/** One is usual; a bundle of several logs would have two or three. */
const MAX_LOG_ENTRIES = 8

/**
 * What `@sigstore/verify` leaves open about log entries: their number, and that each is in a log
 * that the trusted root names.
 *
 * @throws {@link ModelSealError} `BUNDLE_MALFORMED`, `LOG_UNTRUSTED`
 */
export function checkLogs(entries: readonly Entry[], { root }: SigstoreTrust, path: string | undefined): void {
  if (entries.length > MAX_LOG_ENTRIES) {
    throw new ModelSealError('BUNDLE_MALFORMED', 'The bundle names more log entries than any real one.', {
      file: path,
      expected: `at most ${MAX_LOG_ENTRIES}`,
      found: String(entries.length),
    })
  }
  for (const { logId } of entries) {
    const known = root.tlogs.some((log) => (log.checkpointKeyId ?? log.logId)?.keyId.equals(logId.keyId))
    if (known) continue
    throw new ModelSealError(
      'LOG_UNTRUSTED',
      'The bundle names an entry in a transparency log that the trusted root does not know.',
      {
        file: path,
        expected: root.tlogs.map(({ baseUrl }) => shown(baseUrl)).join(' or '),
        found: `the log ${logId.keyId.toString('hex')}`,
        hint: 'Check which Sigstore instance signed, and whether the trusted root is older than the log.',
      },
    )
  }
}

/**
 * An entry records the signer's certificate beside the signature. `@sigstore/verify` compares the
 * signature alone, so that a second certificate for the same key could be put in its place.
 *
 * @throws {@link ModelSealError} `LOG_ENTRY_MISMATCH`
 */
export function checkLoggedCertificate(
  entries: readonly Entry[],
  certificate: X509Certificate,
  path: string | undefined,
): void {
  for (const { canonicalizedBody } of entries) {
    const logged = loggedCertificate(canonicalizedBody)
    if (logged?.raw.equals(certificate.raw)) continue
    throw new ModelSealError(
      'LOG_ENTRY_MISMATCH',
      'The transparency log recorded another certificate than the one in the bundle.',
      { file: path, hint: 'The bundle was changed, or forged: do not load the model.' },
    )
  }
}

/** Where the kinds of entries keep it, as PEM (Rekor v1) or DER (Rekor v2), in base64. */
function loggedCertificate(body: Buffer): X509Certificate | undefined {
  try {
    const { spec } = JSON.parse(body.toString()) as { spec: Spec }
    const verifier = spec.hashedRekordV002?.signature.verifier ?? spec.dsseV002?.signatures[0]?.verifier
    const encoded =
      verifier?.x509Certificate.rawBytes ??
      spec.signatures?.[0]?.verifier ??
      spec.content?.envelope.signatures[0]?.publicKey ??
      spec.signature?.publicKey.content
    return encoded === undefined ? undefined : new X509Certificate(Buffer.from(encoded, 'base64'))
  } catch {
    return undefined
  }
}

interface Verifier {
  x509Certificate: { rawBytes: string }
}

/** The parts that matter here of each kind of entry. */
interface Spec {
  /** `hashedrekord` 0.0.2 */
  hashedRekordV002?: { signature: { verifier: Verifier } }
  /** `dsse` 0.0.2 */
  dsseV002?: { signatures: { verifier: Verifier }[] }
  /** `dsse` 0.0.1 */
  signatures?: { verifier: string }[]
  /** `intoto` 0.0.2 */
  content?: { envelope: { signatures: { publicKey: string }[] } }
  /** `hashedrekord` 0.0.1 */
  signature?: { publicKey: { content: string } }
}
