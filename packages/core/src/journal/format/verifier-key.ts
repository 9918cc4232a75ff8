import type { KeyObject } from 'node:crypto'
import { createPublicKey } from 'node:crypto'
import { noteKeyHash } from '../../merkle/signed-note.ts'

/** C2SP signed-note, "Verifier keys": Ed25519. */
const ED25519 = 1
/** RFC 8410: what precedes the 32 bytes of the key. */
const SPKI = Buffer.from('302a300506032b6570032100', 'hex')

/** A public key in the text form of C2SP signed notes: `<name>+<hash>+<key>`. */
export function verifierKey(name: string, key: KeyObject): string {
  const raw = key.export({ type: 'spki', format: 'der' }).subarray(-32)
  return `${name}+${noteKeyHash(name, key).toString('hex')}+${Buffer.concat([Buffer.from([ED25519]), raw]).toString('base64')}`
}

/** @returns undefined if the text is not a verifier key with an Ed25519 key */
export function readVerifierKey(text: string): { name: string; key: KeyObject } | undefined {
  const [, name = '', , encoded = ''] = /^([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+={0,2})$/.exec(text) ?? []
  const bytes = Buffer.from(encoded, 'base64')
  if (bytes.length !== 33 || bytes[0] !== ED25519) return undefined
  const key = createPublicKey({ key: Buffer.concat([SPKI, bytes.subarray(1)]), format: 'der', type: 'spki' })
  return verifierKey(name, key) === text ? { name, key } : undefined
}
