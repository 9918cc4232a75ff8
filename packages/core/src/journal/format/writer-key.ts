import { createPublicKey, generateKeyPairSync, sign, verify, type KeyObject } from 'node:crypto'
import type { RecordOf } from './record.ts'
import { ED25519_SPKI } from './verifier-key.ts'

/** What a writer signs for each segment that it begins. */
export interface BegunSegment {
  /** ID of the journal. */
  journal: string
  segment: string
  /** The segment that the same writer filled before. */
  continues?: string | undefined
}

/**
 * The key by which the segments of one writer are known. It is only in the memory of the writer, so that nobody who can write to the
 * directory can pretend to be it, even with the key of the host.
 */
export interface WriterKey {
  /** In hex. */
  readonly publicKey: string
  /** @returns the signature, in hex */
  sign: (begun: BegunSegment) => string
}

export function newWriterKey(): WriterKey {
  return writerKeyOf(generateKeyPairSync('ed25519'))
}

export function writerKeyOf({ privateKey, publicKey }: { privateKey: KeyObject; publicKey: KeyObject }): WriterKey {
  return {
    publicKey: publicKey.export({ type: 'spki', format: 'der' }).subarray(ED25519_SPKI.length).toString('hex'),
    sign: (begun) => sign(null, signedText(begun), privateKey).toString('hex'),
  }
}

/**
 * Who writes a segment: the key that its first record states, if that signed it for this journal and segment, and for the segment that it
 * continues.
 *
 * @param journal ID of the journal
 * @returns undefined if it did not: someone else wrote the record
 */
export function writerOf(
  { key, signature, segment, continues }: RecordOf<'segment'>,
  journal: string,
): string | undefined {
  const signed = signedText({ journal, segment, continues })
  try {
    const der = Buffer.concat([ED25519_SPKI, Buffer.from(key, 'hex')])
    const publicKey = createPublicKey({ key: der, format: 'der', type: 'spki' })
    return verify(null, signed, publicKey, Buffer.from(signature, 'hex')) ? key : undefined
  } catch {
    return undefined
  }
}

function signedText({ journal, segment, continues = '' }: BegunSegment): Buffer {
  return Buffer.from(`modelseal journal segment v1\n${journal}\n${continues}\n${segment}\n`)
}
