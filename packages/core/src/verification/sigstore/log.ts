import { X509Certificate } from 'node:crypto'
import { parseStrictJson } from '../../bundle/json.ts'
import { ModelSealError, shown } from '../../errors.ts'
import { parsedWithoutPrototypes } from '../../snapshot.ts'
import { checkCheckpoint, type Entry } from './checkpoint.ts'
import { isValidAt, type SigstoreTrust } from './trust.ts'

/** One is usual; a bundle of several logs would have two or three. */
const MAX_LOG_ENTRIES = 8
/** An entry holds hashes, a signature and a certificate: some 3 KiB. */
const MAX_BODY_BYTES = 128 * 1024
const MAX_BODY_VALUES = 1000

/** The kinds of entries that say what was signed, and in which versions it is known where. */
const KINDS = new Set(['dsse 0.0.1', 'dsse 0.0.2', 'intoto 0.0.2', 'hashedrekord 0.0.1', 'hashedrekord 0.0.2'])

/**
 * What `@sigstore/verify` leaves open about log entries: their number and kind, and that each is in a log
 * that the trusted root names.
 *
 * @throws {@link ModelSealError} `BUNDLE_MALFORMED`, `LOG_UNTRUSTED`, `LOG_ENTRY_MISMATCH`
 */
export function checkLogs(entries: readonly Entry[], trust: SigstoreTrust, path: string | undefined): void {
  if (entries.length > MAX_LOG_ENTRIES) {
    throw new ModelSealError('BUNDLE_MALFORMED', 'The bundle names more log entries than any real one.', {
      file: path,
      expected: `at most ${MAX_LOG_ENTRIES}`,
      found: String(entries.length),
    })
  }
  for (const entry of entries) {
    if (logsOf(entry, trust).length === 0) throw unknownLog(entry, trust, path)
    checkKind(entry, path)
  }
}

/**
 * Further, what it looks at only where the log promised a time: that the key of the log was valid when the
 * model was signed. And that what nobody signed in an entry agrees with what the log signed.
 *
 * @param times that the bundle states, each of which is verified afterwards
 * @throws {@link ModelSealError} `LOG_UNTRUSTED`, `LOG_INCLUSION_INVALID`
 */
export function checkEntries(
  entries: readonly Entry[],
  trust: SigstoreTrust,
  times: readonly Date[],
  path: string | undefined,
): void {
  for (const entry of entries) {
    const known = logsOf(entry, trust)
    const valid = known.filter(({ publicKey }) => isValidAt(publicKey?.validFor, times))
    if (valid.length === 0) throw outsideValidity(known, times, path)
    const names = valid.map(({ baseUrl }) => baseUrl)
    checkCheckpoint(entry, names, path)
  }
}

type Log = SigstoreTrust['root']['tlogs'][number]

function logsOf({ logId }: Entry, { root }: SigstoreTrust): Log[] {
  return root.tlogs.filter((log) => (log.checkpointKeyId ?? log.logId)?.keyId.equals(logId.keyId))
}

function checkKind({ kindVersion, canonicalizedBody }: Entry, file: string | undefined): void {
  const kind = `${kindVersion.kind} ${kindVersion.version}`
  if (KINDS.has(kind) && canonicalizedBody.length <= MAX_BODY_BYTES) return
  throw new ModelSealError(
    'LOG_ENTRY_MISMATCH',
    'The bundle has a log entry of a kind that is not for model signatures.',
    {
      file,
      expected: `${[...KINDS].join(', ')}, of at most ${MAX_BODY_BYTES} bytes`,
      found: `${shown(kind)}, of ${canonicalizedBody.length} bytes`,
    },
  )
}

function unknownLog({ logId }: Entry, { root }: SigstoreTrust, file: string | undefined): ModelSealError {
  return new ModelSealError(
    'LOG_UNTRUSTED',
    'The bundle has an entry of a transparency log that the trusted root does not name.',
    {
      file,
      expected: root.tlogs.map(({ baseUrl }) => shown(baseUrl)).join(' or '),
      found: `the log ${logId.keyId.toString('hex')}`,
      hint: 'Check which Sigstore instance signed, and whether the trusted root is older than the log.',
    },
  )
}

function outsideValidity(logs: readonly Log[], times: readonly Date[], file: string | undefined): ModelSealError {
  return new ModelSealError(
    'LOG_UNTRUSTED',
    'The bundle has an entry of a transparency log, but the key of that log was not valid when the model was signed.',
    {
      file,
      expected: logs.map(({ publicKey }) => rangeText(publicKey?.validFor)).join(' or '),
      found: times.map((at) => at.toISOString()).join(', '),
      hint: 'Do not load the model: an attacker may have a retired key of the log.',
    },
  )
}

function rangeText(range: { start?: Date | undefined; end?: Date | undefined } | undefined): string {
  return `a time from ${range?.start?.toISOString() ?? 'an unknown start'} to ${range?.end?.toISOString() ?? 'now'}`
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
    const json = parseStrictJson(body, { what: 'log entry', maxValues: MAX_BODY_VALUES })
    const { spec } = parsedWithoutPrototypes(json) as { spec: Spec }
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
