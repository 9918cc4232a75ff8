import { createHash, createPublicKey, type KeyObject } from 'node:crypto'
import { ModelSealError, shown } from '../errors.ts'
import { hashOf, SIGNING_KEYS } from './key-algorithms.ts'
import { foundIn, publicKeyHint } from './key-kinds.ts'
import { readSmallFile, type SmallFile } from '../source/read-small-file.ts'

/** A public key to verify with. */
export interface PublicKey {
  key: KeyObject
  /** OpenSSL's name of the hash that its signatures use. */
  hash: string
  /** Hex SHA-256 of the PEM of the key (SPKI): the `hint` of a bundle. */
  fingerprint: string
}

/**
 * All SHA-256 fingerprints by which people and tools know a key, in lowercase hex: over the PEM (SPKI), as in bundles, and
 * over the DER, as in most other tools. A key that was given in another encoding also has the fingerprints of that encoding.
 *
 * @returns an empty list for a key that OpenSSL cannot write
 */
export function keyFingerprints(key: KeyObject): string[] {
  try {
    return [...new Set([key, canonical(key)].flatMap((one) => [sha256(spkiPem(one)), sha256(spkiDer(one))]))]
  } catch {
    return []
  }
}

/** SHA-256 in base64, with its padding. */
const BASE64_SHA256_LENGTH = 44

/**
 * Whether the hint of a bundle names a key: by its fingerprint, as in OMS, or by the SHA-256 of its DER in base64, as cosign does.
 * The hint is not signed: it only says which key to try.
 */
export function isNamedBy(hint: string, { key, fingerprint }: PublicKey): boolean {
  if (hint === fingerprint) return true
  return hint.length === BASE64_SHA256_LENGTH && hint === Buffer.from(sha256(spkiDer(key)), 'hex').toString('base64')
}

/** The hint of a bundle, for messages: a fingerprint as it is written elsewhere, and anything else in quotes. */
export function namedKey(hint: string): string {
  return /^[0-9a-f]{64}$/.test(hint) ? `sha256:${hint}` : shown(hint)
}

/** A key file is a few hundred bytes. */
export const MAX_KEY_BYTES = 64 * 1024

/** The file that {@link parsePublicKey} parses. */
export const PUBLIC_KEY_FILE: SmallFile = {
  what: 'public key',
  maxBytes: MAX_KEY_BYTES,
  hint: 'Give the path of a PEM file that begins with "-----BEGIN PUBLIC KEY-----".',
}

/**
 * Reads a public key from a PEM file (SPKI, `BEGIN PUBLIC KEY`).
 *
 * @throws {@link ModelSealError} `FILE_NOT_FOUND`, `FILE_UNREADABLE`, `FILE_SPECIAL`,
 * `FILE_TOO_LARGE`, `KEY_INVALID`
 */
export async function readPublicKey(path: string): Promise<PublicKey> {
  const pem = await readSmallFile(path, PUBLIC_KEY_FILE)
  return parsePublicKey(pem.toString('latin1'), path)
}

/**
 * Parses a public key in PEM (SPKI) on P-256, P-384 or P-521.
 *
 * @throws {@link ModelSealError} `KEY_INVALID`
 */
export function parsePublicKey(pem: string, path?: string): PublicKey {
  const labels = [...pem.matchAll(/-----BEGIN ([A-Z0-9 ]+)-----/g)].map(([, label]) => label)
  if (labels.length !== 1 || labels[0] !== 'PUBLIC KEY') {
    throw new ModelSealError('KEY_INVALID', `Cannot read ${subject(path)}: it is not a single public key in PEM.`, {
      file: path,
      expected: 'one block "-----BEGIN PUBLIC KEY-----"',
      found: foundIn(pem, labels),
      hint: publicKeyHint(pem),
    })
  }
  try {
    return publicKeyOf(createPublicKey(pem), path)
  } catch (cause) {
    if (cause instanceof ModelSealError) throw cause
    throw new ModelSealError('KEY_INVALID', `Cannot read ${subject(path)}: its public key is not valid.`, {
      file: path,
      cause,
    })
  }
}

/**
 * Parses the public key in a bundle: PEM, as written by releases of the reference tool before v1.1.0, or DER, as specified by
 * Sigstore.
 *
 * @throws {@link ModelSealError} `KEY_INVALID`
 */
export function parseCarriedKey(bytes: Buffer, path?: string): PublicKey {
  if (!isDer(bytes)) return parsePublicKey(bytes.toString('latin1'), path)
  try {
    const key = createPublicKey({ key: bytes, format: 'der', type: 'spki' })
    if (!spkiDer(key).equals(bytes)) throw new Error('there is trailing data after the key')
    return publicKeyOf(key, path)
  } catch (cause) {
    if (cause instanceof ModelSealError) throw cause
    throw new ModelSealError('KEY_INVALID', `Cannot read the public key in ${subject(path)}.`, {
      file: path,
      expected: 'DER of one public key (SPKI)',
      cause,
    })
  }
}

/** Whether the bytes begin like an ASN.1 SEQUENCE, which PEM never does. */
export function isDer(bytes: Uint8Array): boolean {
  return bytes[0] === 0x30
}

/** @throws {@link ModelSealError} `KEY_INVALID` for other kinds of keys and other curves */
export function publicKeyOf(key: KeyObject, path?: string): PublicKey {
  const hash = hashOf(key)
  if (hash === undefined) {
    throw new ModelSealError(
      'KEY_INVALID',
      `Cannot use ${subject(path)}: model signatures do not use this kind of key.`,
      {
        file: path,
        expected: SIGNING_KEYS,
        found: [key.asymmetricKeyType, key.asymmetricKeyDetails?.namedCurve].filter(Boolean).join(' '),
        hint: 'Make one with "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256".',
      },
    )
  }
  const usual = canonical(key)
  return {
    key: usual,
    hash,
    fingerprint: sha256(spkiPem(usual)),
  }
}

/** Converts the key through a JWK, so that every elliptic curve key has one encoding and one fingerprint. */
function canonical(key: KeyObject): KeyObject {
  if (key.asymmetricKeyType !== 'ec') return key
  try {
    return createPublicKey({ key: key.export({ format: 'jwk' }), format: 'jwk' })
  } catch {
    // The curve has no JWK. No model is signed with it, and an authority's key keeps its own encoding.
    return key
  }
}

function spkiPem(key: KeyObject): string | Buffer {
  return key.export({ type: 'spki', format: 'pem' })
}

function spkiDer(key: KeyObject): Buffer {
  return key.export({ type: 'spki', format: 'der' })
}

function sha256(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('hex')
}

function subject(path: string | undefined): string {
  return path === undefined ? 'the key' : `the file ${shown(path)}`
}
