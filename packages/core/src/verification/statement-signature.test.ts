import { sign } from 'node:crypto'
import { beforeEach, describe, expect, test, vi } from 'vitest'
import type { UnverifiedBundle } from '../bundle/bundle.ts'
import { defectivePreAuthEncoding, IN_TOTO_PAYLOAD_TYPE, preAuthEncoding } from '../bundle/dsse.ts'
import { atOnce } from '../source/turns.ts'
import { encoded, keyPair, sha256, statementOver, type LooseJson } from '../testing/bundles.ts'
import { refusal } from '../testing/scratch.ts'
import { isSignedBy } from '../x509/key-algorithms.ts'
import { payloadSteps, signedManifestSteps, signedPayload, verifyPayload } from './statement-signature.ts'

vi.mock('../x509/key-algorithms.ts', { spy: true })

beforeEach(() => void vi.mocked(isSignedBy).mockClear())

const pair = keyPair()
const larger = keyPair('secp384r1')

/** A statement of release 0.3, which recorded no ignored paths. */
const old: LooseJson = statementOver({ weights: 'w' })
delete old.predicate.serialization.ignore_paths

/** A statement of release 0.2.0. */
const oldest = {
  _type: 'https://in-toto.io/Statement/v1',
  subject: [{ name: 'weights', digest: { sha256: sha256('w') } }],
  predicateType: 'https://model_signing/Digests/v0.1',
  predicate: { unused: true },
}

interface Signing {
  by?: typeof pair
  hash?: string
  isAttestation?: true
  /** Signs the encoding of current releases. */
  sound?: boolean
}

function bundleOf(payload: Buffer, { by = pair, hash = by.publicKey.hash, sound, ...more }: Signing = {}) {
  const envelope = { payloadType: IN_TOTO_PAYLOAD_TYPE, payload, signature: Buffer.alloc(0) } as const
  // The buffer of a piece is reused for the next.
  const defective = Array.from(defectivePreAuthEncoding(envelope), (piece) => Buffer.from(piece))
  const signed = sound ? preAuthEncoding(IN_TOTO_PAYLOAD_TYPE, payload) : Buffer.concat(defective)
  const signature = sign(hash, signed, by.privateKey)
  const bundle: UnverifiedBundle = {
    ...more,
    material: { method: 'key' },
    envelope: { ...envelope, signature },
    timestamps: [],
    digest: '',
    size: 0,
    path: 'model.sig',
  }
  return bundle
}

const verified = (bundle: UnverifiedBundle, by = pair, mayBeOld = true) =>
  atOnce(payloadSteps(bundle, by.publicKey, 'release', mayBeOld))
const isInvalid = refusal('SIGNATURE_INVALID', { file: 'model.sig', signer: 'release' })

/** How often a signature was verified since the last call. */
function checks(): number {
  const { length } = vi.mocked(isSignedBy).mock.calls
  vi.mocked(isSignedBy).mockClear()
  return length
}

describe('a signature over the current encoding', () => {
  test('is valid for a payload that nobody has read', () => {
    const payload = Buffer.from('junk')
    expect({ ...verified(bundleOf(payload, { sound: true })) }).toEqual({ payload, old: undefined })
  })

  test('by another key is refused, and names the signer', () => {
    const bundle = bundleOf(encoded(statementOver({ weights: 'w' })), { by: keyPair(), sound: true })
    expect(() => verified(bundle)).toThrow(isInvalid)
    expect(checks()).toBe(1)
  })

  test('is verified in turns', async () => {
    const bundle = bundleOf(encoded(old), { sound: true })
    expect((await verifyPayload(bundle, pair.publicKey, 'release', undefined)).payload).toBe(bundle.envelope.payload)
  })

  test('is checked as the caller wants', () => {
    const { envelope } = bundleOf(encoded(old))
    expect(atOnce(signedPayload(envelope, pair.publicKey))).toBeUndefined()
    const isValid = function* () {
      yield
      return true
    }
    expect(atOnce(signedPayload(envelope, pair.publicKey, isValid))?.payload).toBe(envelope.payload)
  })
})

describe('a signature over the defective encoding of a release before 1.0', () => {
  test.each([
    ['of release 0.3', old, {}],
    ['of release 0.3 on a larger curve', old, { by: larger }],
    ['of release 0.2.0', oldest, {}],
    ['of release 0.2.0 on a larger curve, with the hash of the curve', oldest, { by: larger }],
    ['of release 0.2.0 on a larger curve, with SHA-256', oldest, { by: larger, hash: 'sha256' }],
  ] as const)('is valid for a statement %s', (_, statement, how: Signing) => {
    const bundle = bundleOf(encoded(statement), how)
    const signed = verified(bundle, how.by ?? pair)
    expect(signed.payload).toBe(bundle.envelope.payload)
    const manifest = atOnce(signedManifestSteps(signed))
    expect(manifest).toBe(signed.old)
    expect([...manifest.files.keys()]).toEqual(['weights'])
  })

  test('is valid by verifyPayload(), too', async () => {
    const { old: manifest } = await verifyPayload(bundleOf(encoded(old)), pair.publicKey, 'release', undefined)
    expect(manifest?.files.size).toBe(1)
  })

  test('is not valid with SHA-256 on a larger curve for a statement of release 0.3', () => {
    const bundle = bundleOf(encoded(old), { by: larger, hash: 'sha256' })
    expect(() => verified(bundle, larger)).toThrow(isInvalid)
  })

  test('is not valid by another key, or with another hash', () => {
    expect(() => verified(bundleOf(encoded(old), { by: keyPair() }))).toThrow(isInvalid)
    // With SHA-256, the hash of the curve is not tried again.
    expect(checks()).toBe(2)
    for (const by of [pair, larger])
      expect(() => verified(bundleOf(encoded(oldest), { by, hash: 'sha512' }), by)).toThrow(isInvalid)
    expect(() => verified(bundleOf(encoded(oldest), { by: keyPair('secp384r1') }), larger)).toThrow(isInvalid)
  })

  test('is not even checked if the bundle names its signer in a current form, or is an attestation', () => {
    expect(() => verified(bundleOf(encoded(old)), pair, false)).toThrow(isInvalid)
    expect(checks()).toBe(1)
    expect(() => verified(bundleOf(encoded(old), { isAttestation: true }))).toThrow(isInvalid)
    expect(checks()).toBe(1)
  })

  test('is not even checked for a statement with ignored paths, which those releases did not record', () => {
    expect(() => verified(bundleOf(encoded(statementOver({ weights: 'w' }))))).toThrow(isInvalid)
    expect(checks()).toBe(1)
  })

  test('is not valid if the ignored paths are written in another way', () => {
    const escaped = JSON.stringify(statementOver({ weights: 'w' })).replace('"ignore_paths"', '"ignore\\u005fpaths"')
    expect(() => verified(bundleOf(Buffer.from(escaped)))).toThrow(isInvalid)
    expect(checks()).toBe(2)
  })

  test.each([
    [33_554_432, 2],
    [33_554_433, 1],
  ])('is checked for up to 32 MiB: of %i bytes, %i times', (size, expected) => {
    const bundle = bundleOf(encoded(old))
    Object.assign(bundle.envelope, { payload: Buffer.alloc(size) })
    vi.mocked(isSignedBy).mockImplementation(function* () {
      return false
    })
    try {
      expect(() => verified(bundle)).toThrow(isInvalid)
      expect(checks()).toBe(expected)
    } finally {
      vi.mocked(isSignedBy).mockRestore()
    }
  })

  test('does not make a payload valid that is no statement', () => {
    expect(() => verified(bundleOf(Buffer.from('junk')))).toThrow(refusal('JSON_INVALID'))
  })
})

test('the manifest of a signed payload is read from it', () => {
  const payload = encoded(statementOver({ weights: 'w' }))
  const manifest = atOnce(signedManifestSteps(verified(bundleOf(payload, { sound: true }))))
  expect([...manifest.files.keys()]).toEqual(['weights'])
  const junk = verified(bundleOf(Buffer.from('junk'), { sound: true }))
  expect(() => atOnce(signedManifestSteps(junk))).toThrow(refusal('JSON_INVALID'))
})
