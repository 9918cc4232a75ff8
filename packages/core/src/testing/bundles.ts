import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, sign, type KeyObject } from 'node:crypto'
import { parseBundle, writeBundle } from '../bundle/bundle.ts'
import { IN_TOTO_PAYLOAD_TYPE, preAuthEncoding } from '../bundle/dsse.ts'
import { publicKeyOf, type PublicKey } from '../x509/public-key.ts'
import { type CURVE_HASHES } from '../x509/ecdsa.ts'

export type Curve = keyof typeof CURVE_HASHES

export interface KeyPair {
  privateKey: KeyObject
  publicKey: PublicKey
}

export function keyPair(curve: Curve = 'prime256v1'): KeyPair {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: curve })
  return { privateKey, publicKey: publicKeyOf(publicKey) }
}

/** A bundle with a valid signature over any payload, well-formed or not. */
export function bundleOver(payload: Uint8Array, { privateKey, publicKey }: KeyPair): Buffer {
  const signature = sign(publicKey.hash, preAuthEncoding(IN_TOTO_PAYLOAD_TYPE, payload), privateKey)
  return writeBundle(
    { publicKey: { hint: publicKey.fingerprint }, tlogEntries: [] },
    { payloadType: IN_TOTO_PAYLOAD_TYPE, payload: Buffer.from(payload), signature },
  )
}

/** A valid bundle over the same statement, padded with trailing whitespace to about this size. */
export function paddedBundle(bundle: Uint8Array, privateKeyPem: string, size: number): Buffer {
  const privateKey = createPrivateKey(privateKeyPem)
  const { payload } = parseBundle(bundle).envelope
  const padding = Buffer.alloc((size / 4) * 3 - payload.length, ' ')
  return bundleOver(Buffer.concat([payload, padding]), {
    privateKey,
    publicKey: publicKeyOf(createPublicKey(privateKey)),
  })
}

/** JSON that a test modifies. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type LooseJson = any

export function sha256(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('hex')
}

export function blake2b(content: string | Uint8Array): string {
  return createHash('blake2b512').update(content).digest('hex')
}

/** A valid statement over the given contents, for tests to modify. */
export function statementOver(contents: Readonly<Record<string, string>>): LooseJson {
  const resources = Object.entries(contents).map(([name, content]) => ({
    name,
    digest: sha256(content),
    algorithm: 'sha256',
  }))
  return {
    _type: 'https://in-toto.io/Statement/v1',
    subject: [{ name: 'model', digest: { sha256: rootOf(resources.map(({ digest }) => digest)) } }],
    predicateType: 'https://model_signing/signature/v1.0',
    predicate: {
      resources,
      serialization: { method: 'files', hash_type: 'sha256', allow_symlinks: false, ignore_paths: [] },
    },
  }
}

export function rootOf(digests: readonly string[]): string {
  return sha256(Buffer.from(digests.join(''), 'hex'))
}

export function encoded(json: unknown): Buffer {
  return Buffer.from(JSON.stringify(json))
}
