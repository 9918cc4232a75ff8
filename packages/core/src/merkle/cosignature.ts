import { createHash, createPublicKey, verify, type KeyObject } from 'node:crypto'
import type { SignedNote } from './signed-note.ts'

/** Who cosigns the checkpoints of logs, such as a witness (C2SP tlog-cosignature). */
export interface Cosigner {
  name: string
  /** Ed25519. */
  key: KeyObject
  /** Begins the signatures of this key. */
  keyHash: Buffer
}

/** C2SP tlog-cosignature: the type of Ed25519 keys that cosign. A key with another type signs other texts. */
const TYPE = 4
const KEY_BYTES = 32
const TIME_BYTES = 8
const SIGNATURE_BYTES = TIME_BYTES + 64
/** RFC 8410 4: what precedes the 32 bytes of an Ed25519 key. */
const ED25519_SPKI = Buffer.from('302a300506032b6570032100', 'hex')
/** The end of the year 9999, in seconds. */
const LATEST = 253_402_300_799n

/** @returns undefined if the text is not a C2SP verifier key of a cosigner */
export function readCosignerKey(text: string): Cosigner | undefined {
  const [, name = '', hash = '', encoded = ''] = /^([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+={0,2})$/.exec(text) ?? []
  const bytes = Buffer.from(encoded, 'base64')
  const isKey = bytes[0] === TYPE && bytes.length === KEY_BYTES + 1 && bytes.toString('base64') === encoded
  const keyHash = createHash('sha256').update(`${name}\n`).update(bytes).digest().subarray(0, 4)
  if (!isKey || keyHash.toString('hex') !== hash) return undefined
  const key = createPublicKey({ key: Buffer.concat([ED25519_SPKI, bytes.subarray(1)]), format: 'der', type: 'spki' })
  return { name, key, keyHash }
}

/** The signatures of a note that say to be by this cosigner. */
export function cosignaturesBy({ signatures }: SignedNote, { name, keyHash }: Cosigner): SignedNote['signatures'] {
  return signatures.filter((one) => one.name === name && one.keyHash.equals(keyHash))
}

/**
 * When the cosigner saw this checkpoint as the newest one: the latest of its signatures.
 *
 * @returns undefined if it did not sign, or if one signature in its name is wrong
 */
export function cosignedAt(note: SignedNote, cosigner: Cosigner): Date | undefined {
  const times = cosignaturesBy(note, cosigner).map(({ signature }) => timeOf(note.text, signature, cosigner))
  const latest = times.reduce<number>((most, time) => Math.max(most, time ?? NaN), 0)
  return times.length > 0 && Number.isFinite(latest) ? new Date(latest * 1_000) : undefined
}

/** In seconds. */
function timeOf(text: string, signature: Buffer, { key }: Cosigner): number | undefined {
  if (signature.length !== SIGNATURE_BYTES) return undefined
  const time = signature.readBigUInt64BE()
  const signed = Buffer.from(`cosignature/v1\ntime ${time}\n${text}`)
  return time <= LATEST && verify(null, signed, key, signature.subarray(TIME_BYTES)) ? Number(time) : undefined
}
