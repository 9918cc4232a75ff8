import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import { ModelSealError, shown } from '../../errors.ts'
import { givenPath, required, secret } from '../../kinds.ts'
import { snapshot, type Shape } from '../../snapshot.ts'
import { readSmallFile } from '../../source/read-small-file.ts'
import { signWith } from '../../x509/key-algorithms.ts'
import { MAX_KEY_BYTES, publicKeyOf } from '../../x509/public-key.ts'
import { foundIn, privateKeyHint } from '../../x509/key-kinds.ts'
import { keyWords } from '../../bundle/signer-words.ts'
import type { SignedBy, Signer } from '../signer.ts'

export interface KeySignerOptions {
  /** Path of the private key: PEM, SEC1 or PKCS#8, on P-256, P-384 or P-521. */
  privateKey: string
  /** Needed only for an encrypted key. */
  password?: string | undefined
}

export const KEY_OPTIONS: Shape<KeySignerOptions> = { privateKey: required(givenPath), password: secret }

/**
 * Creates a signer with an elliptic curve private key from a file (OMS 4.1 `key`).
 *
 * @throws {@link ModelSealError} `FILE_NOT_FOUND`, `FILE_UNREADABLE`, `KEY_INVALID`, `KEY_ENCRYPTED`
 * @example
 * ```ts
 * await signModel('models/vad', { signer: await keySigner({ privateKey: 'release.key' }) })
 * ```
 */
export async function keySigner(given: KeySignerOptions): Promise<Signer> {
  const options = snapshot(given, KEY_OPTIONS, 'keySigner')
  const key = await readPrivateKey(options)
  const publicKey = createPublicKey(key)
  const { hash, fingerprint } = publicKeyOf(publicKey, options.privateKey)
  const signer: SignedBy = { method: 'key', description: keyWords(fingerprint), fingerprint }
  return {
    method: 'key',
    hash,
    sign(encoded) {
      const signature = signWith(key, encoded, hash)
      const verificationMaterial = { publicKey: { hint: fingerprint }, tlogEntries: [] }
      return Promise.resolve({ signature, verificationMaterial, publicKey, signer })
    },
  }
}

/**
 * Reads a private key from a PEM file.
 *
 * @throws {@link ModelSealError} `FILE_NOT_FOUND`, `FILE_UNREADABLE`, `KEY_INVALID`, `KEY_ENCRYPTED`
 */
export async function readPrivateKey({ privateKey: path, password }: KeySignerOptions): Promise<KeyObject> {
  const pem = await readSmallFile(path, {
    what: 'private key',
    maxBytes: MAX_KEY_BYTES,
    hint: 'Give the path of a PEM file that begins with "-----BEGIN PRIVATE KEY-----" or "-----BEGIN EC PRIVATE KEY-----".',
  })
  return parsePrivateKey(pem.toString('latin1'), path, password)
}

function parsePrivateKey(pem: string, path: string, password: string | undefined): KeyObject {
  if (!/-----BEGIN (EC |ENCRYPTED |RSA |DSA )?PRIVATE KEY-----/.test(pem)) {
    throw new ModelSealError(
      'KEY_INVALID',
      `Cannot use the private key ${shown(path)}: the file contains no private key in PEM.`,
      {
        file: path,
        found: foundIn(
          pem,
          [...pem.matchAll(/-----BEGIN ([A-Z0-9 ]+)-----/g)].map(([, label]) => label),
        ),
        hint: privateKeyHint(pem),
      },
    )
  }
  const encrypted = /-----BEGIN ENCRYPTED|Proc-Type: 4,ENCRYPTED/.test(pem)
  if (encrypted && !password) {
    throw new ModelSealError(
      'KEY_ENCRYPTED',
      `The private key ${shown(path)} is encrypted, but no password was given.`,
      {
        file: path,
        hint: 'Give the password of the key.',
      },
    )
  }
  try {
    return createPrivateKey(encrypted ? { key: pem, passphrase: password } : { key: pem })
  } catch (cause) {
    if (encrypted) {
      throw new ModelSealError(
        'KEY_ENCRYPTED',
        `Cannot decrypt the private key ${shown(path)}: the password is wrong, or the file is damaged.`,
        {
          file: path,
          cause,
        },
      )
    }
    throw new ModelSealError(
      'KEY_INVALID',
      `Cannot use the private key ${shown(path)}: the key is malformed or unsupported.`,
      {
        file: path,
        cause,
      },
    )
  }
}
