import { X509Certificate } from 'node:crypto'
import { parseStrictJson } from '../../bundle/json.ts'
import { ModelSealError, shown } from '../../errors.ts'
import { parsedWithoutPrototypes } from '../../snapshot.ts'
import type { LogEntry } from '../../results.ts'
import { checkCheckpoint, type Entry } from './checkpoint.ts'
import { isValidAt, type SigstoreTrust } from './trust.ts'

/** Usually one; with several logs, two or three. */
const MAX_LOG_ENTRIES = 8
/** An entry contains hashes, a signature and a certificate: some 3 KiB. */
const MAX_BODY_BYTES = 128 * 1024
const MAX_BODY_VALUES = 1000

/** The kinds and versions of entries that record what was signed, in a known place. */
const KINDS = new Set(['dsse 0.0.1', 'dsse 0.0.2', 'intoto 0.0.2', 'hashedrekord 0.0.1', 'hashedrekord 0.0.2'])

/**
 * Checks what `@sigstore/verify` does not: the number and kind of log entries, and that each is in a log that
 * the trusted root names.
 *
 * @throws {@link ModelSealError} `BUNDLE_MALFORMED`, `LOG_UNTRUSTED`, `LOG_ENTRY_MISMATCH`
 */
export function checkLogs(entries: readonly Entry[], trust: SigstoreTrust, path: string | undefined): void {
  if (entries.length > MAX_LOG_ENTRIES) {
    throw new ModelSealError('BUNDLE_MALFORMED', 'The bundle has too many log entries.', {
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
 * Checks that the key of each log was valid when the model was signed, which `@sigstore/verify` checks only if
 * the log promised a time, and that the unsigned fields of an entry match what the log signed.
 *
 * @param times stated in the bundle; each is verified later
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

/** The first entry, for verdicts. All were checked. */
export function logEntryOf([entry]: readonly Entry[], trust: SigstoreTrust): LogEntry | undefined {
  if (!entry) return undefined
  const index = Number(entry.logIndex)
  if (!Number.isSafeInteger(index)) return undefined
  const [log] = logsOf(entry, trust)
  return { log: log?.baseUrl ?? entry.logId.keyId.toString('hex'), index }
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
    'The bundle has a log entry of a kind that is not used for model signatures.',
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
    'The bundle has an entry from a transparency log that the trusted root does not name.',
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
    'The bundle has an entry from a transparency log whose key was not valid when the model was signed.',
    {
      file,
      expected: logs.map(({ publicKey }) => rangeText(publicKey?.validFor)).join(' or '),
      found: times.map((at) => at.toISOString()).join(', '),
      hint: 'Do not load the model. An attacker may have a retired key of the log.',
    },
  )
}

function rangeText(range: { start?: Date | undefined; end?: Date | undefined } | undefined): string {
  return `a time from ${range?.start?.toISOString() ?? 'an unknown start'} to ${range?.end?.toISOString() ?? 'now'}`
}

/**
 * An entry records the signer's certificate beside the signature. `@sigstore/verify` compares only the
 * signature, so a second certificate for the same key could replace the recorded one.
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
      'The transparency log recorded a different certificate than the one in the bundle.',
      { file: path, hint: 'The bundle was modified or forged. Do not load the model.' },
    )
  }
}

/** The certificate in an entry: PEM (Rekor v1) or DER (Rekor v2), in base64. */
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

/** The relevant parts of each kind of entry. */
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
