import { createPublicKey, type KeyObject } from 'node:crypto'
import { noteKeyHash } from '../../merkle/signed-note.ts'

/** RFC 8410 4: what precedes the 32 bytes of an Ed25519 key. */
export const ED25519_SPKI = Buffer.from('302a300506032b6570032100', 'hex')
/** RFC 5480 2: what precedes the 65 bytes of an uncompressed point on P-256. */
const P256_SPKI = Buffer.from('3059301306072a8648ce3d020106082a8648ce3d030107034200', 'hex')

/** C2SP signed-note, "Signature types": Ed25519 keys are raw, ECDSA keys are SubjectPublicKeyInfo. */
const TYPES = [
  { type: 1, spki: ED25519_SPKI, bare: ED25519_SPKI.length, length: 32 },
  { type: 2, spki: P256_SPKI, bare: 0, length: P256_SPKI.length + 65 },
] as const

/** True for the keys that sign checkpoints of journals: Ed25519 and ECDSA on P-256. */
export function signsJournals(key: KeyObject): boolean {
  return typeOf(key) !== undefined
}

/**
 * A public key in the text form of C2SP signed notes: `<name>+<hash>+<key>`.
 *
 * @param key Ed25519, or ECDSA on P-256
 */
export function verifierKey(name: string, key: KeyObject): string {
  const { type, bare } = typeOf(key) ?? TYPES[1]
  const encoded = Buffer.concat([Buffer.from([type]), spkiOf(key).subarray(bare)])
  return `${name}+${noteKeyHash(name, key).toString('hex')}+${encoded.toString('base64')}`
}

/** Whether a text was meant as a verifier key, valid or not, and not as a path. The file would not be found, which says nothing. */
export function isVerifierKeyText(text: string): boolean {
  return /^[^\s+]+\+[0-9a-f]{8}\+[A-Za-z0-9+/=]+$/.test(text)
}

/** @returns undefined if the text is not a verifier key with such a key */
export function readVerifierKey(text: string): { name: string; key: KeyObject } | undefined {
  const [, name = '', encoded = ''] = /^([^\s+]+)\+[0-9a-f]{8}\+([A-Za-z0-9+/]+={0,2})$/.exec(text) ?? []
  const bytes = Buffer.from(encoded, 'base64')
  const found = TYPES.find(({ type, length }) => bytes[0] === type && bytes.length === length + 1)
  if (!found) return undefined
  const key = publicKeyFrom(Buffer.concat([found.spki.subarray(0, found.bare), bytes.subarray(1)]))
  return key && typeOf(key) === found && verifierKey(name, key) === text ? { name, key } : undefined
}

function typeOf(key: KeyObject): (typeof TYPES)[number] | undefined {
  const spki = spkiOf(key)
  return TYPES.find((one) => spki.subarray(0, one.spki.length).equals(one.spki))
}

function spkiOf(key: KeyObject): Buffer {
  return key.export({ type: 'spki', format: 'der' })
}

/** @returns undefined if it is none, such as a point that is not on the curve */
function publicKeyFrom(der: Buffer): KeyObject | undefined {
  try {
    return createPublicKey({ key: der, format: 'der', type: 'spki' })
  } catch {
    return undefined
  }
}
