import { createHash, sign, verify, type KeyObject } from 'node:crypto'

/** Signed notes (C2SP signed-note): a text, and lines with signatures over it. */
export interface SignedNote {
  /** Ends with a newline. */
  text: string
  signatures: NoteSignature[]
}

/** One line of a signed note. */
export interface NoteSignature {
  /** Name of the key. */
  name: string
  /** Begins to identify the key. */
  keyHash: Buffer
  signature: Buffer
}

/** A log signs its checkpoints itself, and has them signed by at most some ten witnesses. */
const MOST_SIGNATURES = 16
const KEY_HASH_BYTES = 4
const SIGNATURE_LINE = /^\u2014 (\S+) (\S+)$/
/** Names contain no spaces and no plus. */
const NAME = /^[^\s+]+$/
/** Other ASCII control characters than the newline. */
const CONTROL = /[\x00-\x09\x0b-\x1f]/

/** @returns undefined if this is not a signed note */
export function parseNote(note: string): SignedNote | undefined {
  const split = note.lastIndexOf('\n\n')
  if (split < 0 || !note.endsWith('\n') || CONTROL.test(note)) return undefined
  const lines = note.slice(split + 2, -1).split('\n')
  const signatures = lines.flatMap((line) => parseSignature(line) ?? [])
  if (lines.length > MOST_SIGNATURES || signatures.length !== lines.length) return undefined
  return { text: note.slice(0, split + 1), signatures }
}

function parseSignature(line: string): NoteSignature | undefined {
  const [, name = '', encoded = ''] = SIGNATURE_LINE.exec(line) ?? []
  const bytes = Buffer.from(encoded, 'base64')
  if (!NAME.test(name) || bytes.length <= KEY_HASH_BYTES || bytes.toString('base64') !== encoded) return undefined
  return { name, keyHash: bytes.subarray(0, KEY_HASH_BYTES), signature: bytes.subarray(KEY_HASH_BYTES) }
}

export function writeNote({ text, signatures }: SignedNote): string {
  const line = ({ name, keyHash, signature }: NoteSignature) =>
    `\u2014 ${name} ${Buffer.concat([keyHash, signature]).toString('base64')}\n`
  return `${text}\n${signatures.map(line).join('')}`
}

/** @param key private key, Ed25519 or ECDSA, of the public key */
export function signNote(text: string, name: string, key: KeyObject, publicKey: KeyObject): NoteSignature {
  return {
    name,
    keyHash: noteKeyHash(name, publicKey),
    signature: sign(digestOf(key), Buffer.from(text), key),
  }
}

/** True if the note has a signature by this key, and no wrong one in its name. */
export function isNoteSignedBy({ text, signatures }: SignedNote, name: string, key: KeyObject): boolean {
  const hash = noteKeyHash(name, key)
  const own = signatures.filter((one) => one.name === name && one.keyHash.equals(hash))
  const isValid = ({ signature }: NoteSignature) => verify(digestOf(key), Buffer.from(text), key, signature)
  return own.length > 0 && own.every(isValid)
}

/** The key ID (C2SP signed-note, "Signature types"): for ECDSA, it does not depend on the name. */
export function noteKeyHash(name: string, key: KeyObject): Buffer {
  const spki = key.export({ type: 'spki', format: 'der' })
  const hash = createHash('sha256')
  if (key.asymmetricKeyType === 'ed25519') hash.update(`${name}\n\x01`).update(spki.subarray(-32))
  else hash.update(spki)
  return hash.digest().subarray(0, KEY_HASH_BYTES)
}

function digestOf({ asymmetricKeyType }: KeyObject): string | null {
  return asymmetricKeyType === 'ed25519' ? null : 'sha256'
}
