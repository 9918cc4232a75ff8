import { createHash, generateKeyPairSync, sign } from 'node:crypto'
import { bundleToJSON, toDSSEBundle } from '@sigstore/bundle'
import { describe, expect, test } from 'vitest'
import { parseBundle } from '../../bundle/bundle.ts'
import { defectivePreAuthEncoding, IN_TOTO_PAYLOAD_TYPE, preAuthEncoding, type Envelope } from '../../bundle/dsse.ts'
import type { ErrorCode } from '../../errors.ts'
import {
  bundleOver,
  encoded,
  keyPair,
  sha256,
  statementOver,
  type Curve,
  type LooseJson,
} from '../../testing/bundles.ts'
import { refusal } from '../../testing/scratch.ts'
import { verifyKeyBundle } from './key.ts'

const statement = encoded(statementOver({ weights: 'w' }))
const pair = keyPair()
const good = bundleOver(statement, pair)

function changed(change: (bundle: LooseJson) => void): Buffer {
  const bundle: LooseJson = JSON.parse(good.toString())
  change(bundle)
  return encoded(bundle)
}

function refuses(bytes: Uint8Array, code: ErrorCode, publicKey = pair.publicKey): void {
  expect(() => verifyKeyBundle(parseBundle(bytes), publicKey, 'release')).toThrow(
    refusal(code, code.startsWith('JSON') ? {} : { signer: 'release' }),
  )
}

test.each<Curve>(['prime256v1', 'secp384r1', 'secp521r1'])(
  'accepts a signature on %s, and says by whom and over what',
  (curve) => {
    const own = keyPair(curve)
    const bytes = bundleOver(statement, own)
    const signature = verifyKeyBundle(parseBundle(bytes), own.publicKey, 'release')
    const { fingerprint } = own.publicKey
    const description = `key sha256:${fingerprint}`
    expect(signature.signer).toEqual({ method: 'key', description, name: 'release', fingerprint })
    expect(signature.bundleDigest).toBe(sha256(bytes))
    expect(signature.manifest.files.get('weights')?.digests).toEqual([sha256('w')])
  },
)

test('a bundle may name its key as cosign does', () => {
  const named = ({ publicKey: { key } }: typeof pair) =>
    changed((b) => {
      const der = key.export({ type: 'spki', format: 'der' })
      b.verificationMaterial.publicKey.hint = createHash('sha256').update(der).digest('base64')
    })
  expect(verifyKeyBundle(parseBundle(named(pair)), pair.publicKey, 'release').signer).toMatchObject({ name: 'release' })
  refuses(named(keyPair()), 'KEY_MISMATCH')
})

describe('a bundle is refused that', () => {
  test('names another key', () => refuses(good, 'KEY_MISMATCH', keyPair().publicKey))

  test('names the given key but was signed with another', () => {
    const other = bundleOver(statement, { ...keyPair(), publicKey: pair.publicKey })
    refuses(other, 'SIGNATURE_INVALID')
  })

  test('names no key in a comparable form', () => {
    refuses(
      changed((b) => (b.verificationMaterial.publicKey.hint = pair.publicKey.fingerprint.toUpperCase())),
      'KEY_MISMATCH',
    )
    refuses(
      changed((b) => (b.verificationMaterial.publicKey.hint = pair.publicKey.fingerprint.slice(0, 16))),
      'KEY_MISMATCH',
    )
  })

  test('has another payload under the same signature', () => {
    refuses(
      changed((b) => (b.dsseEnvelope.payload = encoded(statementOver({ weights: 'x' })).toString('base64'))),
      'SIGNATURE_INVALID',
    )
  })

  test('has another payload under the same signature, without reading that payload', () => {
    refuses(
      changed((b) => (b.dsseEnvelope.payload = Buffer.from('junk').toString('base64'))),
      'SIGNATURE_INVALID',
    )
  })

  test('has a signature over the payload instead of its encoding', () => {
    const bare = sign('sha256', statement, pair.privateKey).toString('base64')
    refuses(
      changed((b) => (b.dsseEnvelope.signatures[0].sig = bare)),
      'SIGNATURE_INVALID',
    )
  })

  test('is signed with a hash other than that of its curve', () => {
    const other = bundleOver(statement, { ...pair, publicKey: { ...pair.publicKey, hash: 'sha384' } })
    refuses(other, 'SIGNATURE_INVALID')
  })

  test.each([
    ['empty sequence', 'MAA='],
    ['raw r and s instead of DER', Buffer.alloc(64, 1).toString('base64')],
    ['r and s of zero', Buffer.from('3006020100020100', 'hex').toString('base64')],
    ['one byte', 'AA=='],
    ['many bytes', Buffer.alloc(100_000, 0x30).toString('base64')],
  ])('has a signature of %s', (_, sig) => {
    refuses(
      changed((b) => (b.dsseEnvelope.signatures[0].sig = sig)),
      'SIGNATURE_INVALID',
    )
  })

  test('has a signature with trailing bytes', () => {
    refuses(
      changed((b) => {
        const [signature] = b.dsseEnvelope.signatures
        signature.sig = Buffer.concat([Buffer.from(signature.sig as string, 'base64'), Buffer.alloc(1)]).toString(
          'base64',
        )
      }),
      'SIGNATURE_INVALID',
    )
  })

  test.each<[string, LooseJson]>([
    ['a certificate', { x509CertificateChain: { certificates: [{ rawBytes: 'AA==' }] } }],
    ['the log', { certificate: { rawBytes: 'AA==' }, tlogEntries: [{}] }],
  ])('was signed by the method %s', (_, material) => {
    refuses(
      changed((b) => (b.verificationMaterial = material)),
      'METHOD_MISMATCH',
    )
  })

  test('has a valid signature over something that is not a statement', () => {
    refuses(bundleOver(Buffer.from('junk'), pair), 'JSON_INVALID')
  })
})

describe('a bundle of a release before v1.1.0, which contains the key itself,', () => {
  const pem = (key = pair.publicKey) => key.key.export({ type: 'spki', format: 'pem' }).toString()
  const withRawKey = (text: string) =>
    changed((b) => (b.verificationMaterial.publicKey = { rawBytes: Buffer.from(text).toString('base64') }))

  test('is accepted with the given key', () => {
    expect(verifyKeyBundle(parseBundle(withRawKey(pem())), pair.publicKey, 'release').manifest.files.size).toBe(1)
  })

  test('is never verified with the key that it contains', () => {
    const forger = keyPair()
    const forged: LooseJson = JSON.parse(bundleOver(statement, forger).toString())
    forged.verificationMaterial.publicKey = { rawBytes: Buffer.from(pem(forger.publicKey)).toString('base64') }
    refuses(encoded(forged), 'KEY_MISMATCH')
  })

  test('is refused when it contains something other than a key', () => {
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({ type: 'spki', format: 'pem' })
    for (const text of ['junk', rsa.toString(), pem() + pem()])
      expect(() => verifyKeyBundle(parseBundle(withRawKey(text)), pair.publicKey, 'release')).toThrow(
        refusal('KEY_INVALID'),
      )
  })

  test('is refused when its fingerprint and its key do not match', () => {
    const both = changed(
      (b) => (b.verificationMaterial.publicKey.rawBytes = Buffer.from(pem(keyPair().publicKey)).toString('base64')),
    )
    refuses(both, 'KEY_MISMATCH')
  })
})

describe('a bundle of another signer', () => {
  const der = (key = pair.publicKey) => key.key.export({ type: 'spki', format: 'der' })
  const withDer = (bytes: Uint8Array, of = good) => {
    const bundle: LooseJson = JSON.parse(of.toString())
    bundle.verificationMaterial.publicKey = {
      rawBytes: Buffer.from(bytes).toString('base64'),
      keyDetails: 'PKIX_ECDSA_P256_SHA_256',
    }
    return encoded(bundle)
  }

  test('is accepted if it contains the given key, whatever its hint is, and refused if it contains another', () => {
    const hinted = (key: Uint8Array, hint: string) => {
      const bundle: LooseJson = JSON.parse(withDer(key).toString())
      bundle.verificationMaterial.publicKey.hint = hint
      return encoded(bundle)
    }
    const other = keyPair().publicKey
    for (const hint of ['release@acme.example', other.fingerprint]) {
      const { manifest } = verifyKeyBundle(parseBundle(hinted(der(), hint)), pair.publicKey, 'release')
      expect(manifest.files.size).toBe(1)
    }
    refuses(hinted(der(other), pair.publicKey.fingerprint), 'KEY_MISMATCH')
  })

  test('is accepted if it contains the given key as DER', () => {
    for (const curve of ['prime256v1', 'secp384r1', 'secp521r1'] as const) {
      const own = keyPair(curve)
      const bytes = withDer(der(own.publicKey), bundleOver(statement, own))
      expect(verifyKeyBundle(parseBundle(bytes), own.publicKey, 'release').manifest.files.size).toBe(1)
    }
  })

  test('is refused if the DER is of another key, of another kind of key, or more than a key', () => {
    const forger = keyPair()
    refuses(withDer(der(forger.publicKey), bundleOver(statement, forger)), 'KEY_MISMATCH')
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({ type: 'spki', format: 'der' })
    for (const bytes of [rsa, der().subarray(0, 50), Buffer.concat([der(), Buffer.from('x')]), Buffer.from([0x30])])
      expect(() => verifyKeyBundle(parseBundle(withDer(bytes)), pair.publicKey, 'release')).toThrow(
        refusal('KEY_INVALID'),
      )
  })

  test('is never treated like one of a release that signed a defective encoding', () => {
    const old = statementOver({ weights: 'w' })
    delete old.predicate.serialization.ignore_paths
    const envelope: Envelope = { payloadType: IN_TOTO_PAYLOAD_TYPE, payload: encoded(old), signature: Buffer.alloc(0) }
    const defective = Buffer.concat([...defectivePreAuthEncoding(envelope)].map((piece) => Buffer.from(piece)))
    const bundle: LooseJson = JSON.parse(bundleOver(encoded(old), pair).toString())
    bundle.dsseEnvelope.signatures[0].sig = sign('sha256', defective, pair.privateKey).toString('base64')
    const carrying = (raw: string | Buffer) => {
      bundle.verificationMaterial.publicKey = { rawBytes: Buffer.from(raw).toString('base64') }
      return encoded(bundle)
    }
    const pem = pair.publicKey.key.export({ type: 'spki', format: 'pem' })
    expect(verifyKeyBundle(parseBundle(carrying(pem)), pair.publicKey, 'release').manifest.files.size).toBe(1)
    refuses(carrying(der()), 'SIGNATURE_INVALID')
  })

  test('is accepted in the form of sigstore-js, with the hint as its key id', () => {
    const payload = Buffer.from(statement)
    const made = toDSSEBundle({
      artifact: payload,
      artifactType: IN_TOTO_PAYLOAD_TYPE,
      signature: sign('sha256', preAuthEncoding(IN_TOTO_PAYLOAD_TYPE, payload), pair.privateKey),
      keyHint: pair.publicKey.fingerprint,
      certificateChain: false,
    })
    const bytes = encoded(bundleToJSON(made))
    expect(verifyKeyBundle(parseBundle(bytes), pair.publicKey, 'release').manifest.files.size).toBe(1)
  })

  test('is judged by the given key, whatever its key id says', () => {
    const named = (keyid: string, of: Buffer) => {
      const bundle: LooseJson = JSON.parse(of.toString())
      bundle.dsseEnvelope.signatures[0].keyid = keyid
      return encoded(bundle)
    }
    const forger = { ...keyPair(), publicKey: pair.publicKey }
    refuses(named(pair.publicKey.fingerprint, bundleOver(statement, forger)), 'SIGNATURE_INVALID')
    expect(verifyKeyBundle(parseBundle(named('somebody else', good)), pair.publicKey, 'release').signer.name).toBe(
      'release',
    )
  })
})
