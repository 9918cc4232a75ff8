import type { BundleLatest } from '@sigstore/bundle'
import { ModelSealError, shown } from '../../errors.ts'
import { MAX_CHECKPOINT_BYTES, parseCheckpoint } from '../../merkle/checkpoint.ts'

export type Entry = BundleLatest['verificationMaterial']['tlogEntries'][number]

/** As many as a tree of 2^64 entries needs. */
const MAX_PROOF_HASHES = 64

const DECIMAL = /^(0|[1-9]\d{0,18})$/

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
  const { checkpoint, note } = parseCheckpoint(envelope) ?? {}
  if (!checkpoint || !note) throw fault('the checkpoint cannot be read', 'a signed note by a log', shown(envelope))

  same('the size of the tree', String(checkpoint.size), inclusionProof.treeSize)
  same('the root hash', checkpoint.root.toString('base64'), inclusionProof.rootHash.toString('base64'))
  if (!DECIMAL.test(inclusionProof.logIndex) || !DECIMAL.test(logIndex))
    throw fault('an index is not a number', 'decimal digits', shown(`${logIndex} ${inclusionProof.logIndex}`))
  // The promise covers the index in the whole log, which differs from that in the tree if the log has several trees.
  if (!inclusionPromise) same('the index', inclusionProof.logIndex, logIndex)

  const names = new Set(logs.flatMap(namesOfLog))
  const signers = note.signatures.map(({ name }) => name).filter((name) => names.has(name))
  // Rekor v1 appends the number of the tree to the name: "rekor.sigstore.dev - 1193050959916656506".
  const isOrigin = (name: string) => checkpoint.origin === name || checkpoint.origin.startsWith(`${name} - `)
  if (!signers.some(isOrigin))
    throw fault('the checkpoint is by another log', [...names].map(shown).join(' or '), shown(checkpoint.origin))
}

/** A log signs with the name of its host, with or without port and path. */
export function namesOfLog(baseUrl: string): string[] {
  try {
    const { hostname, host, pathname } = new URL(baseUrl)
    return [hostname, host, `${host}${pathname.replace(/\/$/, '')}`]
  } catch {
    return [baseUrl]
  }
}
