import type { BundleLatest } from '@sigstore/bundle'
import { ModelSealError, shown } from '../../errors.ts'

export type Entry = BundleLatest['verificationMaterial']['tlogEntries'][number]

/** A checkpoint has three lines, a signature by its log, and at most some ten by witnesses. */
const MAX_CHECKPOINT_BYTES = 16 * 1024
const MAX_SIGNATURES = 16
/** As many as a tree of 2^64 entries needs. */
const MAX_PROOF_HASHES = 64
const HASH_BYTES = 32

const DECIMAL = /^(0|[1-9]\d{0,18})$/
const SIGNATURE_LINE = /^\u2014 (\S+) (\S+)$/

/**
 * Compares the unsigned fields of an entry with the checkpoint, which the log signed and `@sigstore/verify`
 * verifies. That library takes tree size and root hash from the checkpoint, and ignores those in the entry.
 *
 * @param logs base URLs under which the trusted root names the log
 * @throws {@link ModelSealError} `LOG_INCLUSION_INVALID`
 */
export function checkCheckpoint(entry: Entry, logs: readonly string[], file: string | undefined): void {
  const { inclusionProof, inclusionPromise, logIndex } = entry
  const fault = (what: string, expected: string, found: string) =>
    new ModelSealError('LOG_INCLUSION_INVALID', `Cannot prove that the entry is in the log: ${what}.`, {
      file,
      expected,
      found,
      hint: 'The bundle was modified or forged. Do not load the model.',
    })
  const same = (what: string, signed: string, stated: string) => {
    if (signed !== stated) throw fault(`${what} is not the one that the log signed`, signed, shown(stated))
  }

  const { envelope } = inclusionProof.checkpoint
  if (envelope.length > MAX_CHECKPOINT_BYTES || inclusionProof.hashes.length > MAX_PROOF_HASHES)
    throw fault('its proof is too large', `at most ${MAX_PROOF_HASHES} hashes`, `${inclusionProof.hashes.length}`)
  const checkpoint = readCheckpoint(envelope)
  if (!checkpoint) throw fault('the checkpoint cannot be read', 'a signed note by a log', shown(envelope))

  same('the size of the tree', checkpoint.size, inclusionProof.treeSize)
  same('the root hash', checkpoint.root, inclusionProof.rootHash.toString('base64'))
  if (!DECIMAL.test(inclusionProof.logIndex) || !DECIMAL.test(logIndex))
    throw fault('an index is not a number', 'decimal digits', shown(`${logIndex} ${inclusionProof.logIndex}`))
  // The promise covers the index in the whole log, which differs from that in the tree if the log has several trees.
  if (!inclusionPromise) same('the index', inclusionProof.logIndex, logIndex)

  const names = new Set(logs.flatMap(namesOf))
  const signers = checkpoint.signers.filter((name) => names.has(name))
  // Rekor v1 appends the number of the tree to the name: "rekor.sigstore.dev - 1193050959916656506".
  const isOrigin = (name: string) => checkpoint.origin === name || checkpoint.origin.startsWith(`${name} - `)
  if (!signers.some(isOrigin))
    throw fault('the checkpoint is by another log', [...names].map(shown).join(' or '), shown(checkpoint.origin))
}

interface Checkpoint {
  origin: string
  size: string
  /** Base64. */
  root: string
  signers: string[]
}

/** C2SP tlog-checkpoint and signed-note: at least three lines, an empty line, signatures. */
function readCheckpoint(envelope: string): Checkpoint | undefined {
  const split = envelope.indexOf('\n\n')
  if (split < 0 || !envelope.endsWith('\n')) return undefined
  const [origin = '', size = '', root = ''] = envelope.slice(0, split).split('\n')
  const lines = envelope.slice(split + 2, -1).split('\n')
  const signers = lines.flatMap((line) => SIGNATURE_LINE.exec(line)?.[1] ?? [])
  if (lines.length > MAX_SIGNATURES || signers.length !== lines.length) return undefined
  const hash = Buffer.from(root, 'base64')
  if (!DECIMAL.test(size) || hash.length !== HASH_BYTES || hash.toString('base64') !== root) return undefined
  return { origin, size, root, signers }
}

/** A log signs with the name of its host, with or without port and path. */
function namesOf(baseUrl: string): string[] {
  try {
    const { hostname, host, pathname } = new URL(baseUrl)
    return [hostname, host, `${host}${pathname.replace(/\/$/, '')}`]
  } catch {
    return [baseUrl]
  }
}
