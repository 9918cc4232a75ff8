import { randomBytes } from 'node:crypto'
import { truncateSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { ErrorCode } from '../errors.ts'
import { bundleOver, encoded, keyPair, sha256, type LooseJson } from '../testing/bundles.ts'
import { field, refusal, scratch } from '../testing/scratch.ts'
import { BUNDLE_MEDIA_TYPE, MAX_BUNDLE_BYTES, parseBundle, writeBundle } from './bundle.ts'
import { IN_TOTO_PAYLOAD_TYPE } from './dsse.ts'
import { readBundle } from './read-bundle.ts'

const good = bundleOver(Buffer.from('{}'), keyPair())

const CURRENT_TYPE = 'application/vnd.dev.sigstore.bundle.v0.3+json'
const OLD_TYPE = 'application/vnd.dev.sigstore.bundle+json'
const MATERIALS = 'one of publicKey, x509CertificateChain, certificate'

/** A valid bundle after a change. */
function changed(change: (bundle: LooseJson) => void): Buffer {
  const bundle: LooseJson = JSON.parse(good.toString())
  change(bundle)
  return encoded(bundle)
}

function refuses(bytes: Uint8Array, code: ErrorCode, details?: object): void {
  expect(() => parseBundle(bytes)).toThrow(refusal(code, details))
}

const notBase64 = (name: string) => ({ message: expect.stringContaining(`the field ${name}: it is not`) as string })

describe('a written bundle', () => {
  test('is read back completely', () => {
    const envelope = {
      payloadType: IN_TOTO_PAYLOAD_TYPE,
      payload: randomBytes(100),
      signature: randomBytes(70),
    } as const
    const bytes = writeBundle({ publicKey: { hint: 'abc' }, tlogEntries: [] }, envelope)
    const bundle = parseBundle(bytes, 'model.sig')
    expect(bundle.envelope).toEqual(envelope)
    expect(bundle.material).toEqual({ method: 'key', hint: 'abc' })
    expect(bundle.digest).toBe(sha256(bytes))
    expect(bundle.path).toBe('model.sig')
  })

  test('is the JSON of its fields, whatever its material contains', () => {
    const payload = randomBytes(100_000)
    const signature = randomBytes(70)
    const lookalike = { hint: '"dsseEnvelope":{"payload":""', dsseEnvelope: { payload: '' } }
    const bytes = writeBundle({ publicKey: lookalike }, { payloadType: IN_TOTO_PAYLOAD_TYPE, payload, signature })
    expect(bytes.toString()).toBe(
      JSON.stringify({
        mediaType: BUNDLE_MEDIA_TYPE,
        verificationMaterial: { publicKey: lookalike },
        dsseEnvelope: {
          payload: payload.toString('base64'),
          payloadType: IN_TOTO_PAYLOAD_TYPE,
          signatures: [{ sig: signature.toString('base64'), keyid: '' }],
        },
      }),
    )
  })

  test('is copied before the first check, so that later changes to its bytes have no effect', () => {
    const bytes = Buffer.from(good)
    const bundle = parseBundle(bytes)
    const payload = Buffer.from(bundle.envelope.payload)
    bytes.fill(0x20)
    expect(bundle.envelope.payload).toEqual(payload)
    expect(bundle.digest).toBe(sha256(good))
  })
})

describe('refuses a bundle that', () => {
  test.each<[string, ErrorCode, Uint8Array, object]>([
    ['is empty', 'JSON_INVALID', Buffer.alloc(0), {}],
    ['is truncated', 'JSON_INVALID', good.subarray(0, -1), {}],
    ['is not JSON', 'JSON_INVALID', Buffer.from('-----BEGIN CERTIFICATE-----'), {}],
    ['is not an object', 'BUNDLE_MALFORMED', Buffer.from('[]'), field('', 'an object', 'an array of length 0')],
    ['is null', 'BUNDLE_MALFORMED', Buffer.from('null'), field('', 'an object', 'null')],
    ['begins with a byte order mark', 'JSON_NOT_UTF8', Buffer.concat([Buffer.from('\ufeff'), good]), {}],
    [
      'has a repeated key',
      'JSON_DUPLICATE_KEY',
      Buffer.from(good.toString().replace('{', '{"mediaType":"",')),
      { found: '"mediaType"' },
    ],
    [
      'is nested too deeply',
      'JSON_TOO_COMPLEX',
      Buffer.from('['.repeat(100_000) + ']'.repeat(100_000)),
      { found: 'more than 32 levels' },
    ],
    [
      'has too many values',
      'JSON_TOO_COMPLEX',
      Buffer.from(`[${'1,'.repeat(200_000)}1]`),
      { found: 'more than 10000 values' },
    ],
  ])('%s', (_, code, bytes, details) => refuses(bytes, code, details))

  test.each<[string, ErrorCode, (bundle: LooseJson) => void, object]>([
    [
      'has no media type',
      'BUNDLE_MALFORMED',
      (b) => delete b.mediaType,
      field('mediaType', 'a non-empty string', 'nothing'),
    ],
    [
      'has a media type that is not a string',
      'BUNDLE_MALFORMED',
      (b) => (b.mediaType = 3),
      field('mediaType', 'a non-empty string', '3'),
    ],
    [
      'has the media type of v0.1',
      'BUNDLE_MEDIA_TYPE',
      (b) => (b.mediaType = 'application/vnd.dev.sigstore.bundle+json;version=0.1'),
      { expected: CURRENT_TYPE, found: '"application/vnd.dev.sigstore.bundle+json;version=0.1"' },
    ],
    [
      'has a media type in uppercase',
      'BUNDLE_MEDIA_TYPE',
      (b) => (b.mediaType = BUNDLE_MEDIA_TYPE.toUpperCase()),
      { expected: CURRENT_TYPE, found: '"APPLICATION/VND.DEV.SIGSTORE.BUNDLE.V0.3+JSON"' },
    ],
    ['has an unknown field', 'BUNDLE_MALFORMED', (b) => (b.extra = 1), field('extra', 'no such field', '"extra"')],
    [
      'has a message signature',
      'BUNDLE_MALFORMED',
      (b) => (b.messageSignature = {}),
      field('messageSignature', 'no such field', 'an object'),
    ],
    [
      'has a field from its prototype',
      'BUNDLE_MALFORMED',
      (b) => Object.defineProperty(b, '__proto__', { value: {}, enumerable: true }),
      field('__proto__', 'no such field', '"__proto__"'),
    ],
    [
      'has no verification material',
      'BUNDLE_MALFORMED',
      (b) => delete b.verificationMaterial,
      field('verificationMaterial', 'an object', 'nothing'),
    ],
    [
      'has an array as verification material',
      'BUNDLE_MALFORMED',
      (b) => (b.verificationMaterial = []),
      field('verificationMaterial', 'an object', 'an array of length 0'),
    ],
    [
      'does not say how it was signed',
      'BUNDLE_MALFORMED',
      (b) => (b.verificationMaterial = { tlogEntries: [] }),
      { expected: MATERIALS, found: 'none' },
    ],
    [
      'has two kinds of verification material',
      'BUNDLE_MALFORMED',
      (b) => (b.verificationMaterial.certificate = { rawBytes: 'AA==' }),
      { expected: MATERIALS, found: 'publicKey, certificate' },
    ],
    [
      'has an unknown field next to its key',
      'BUNDLE_MALFORMED',
      (b) => (b.verificationMaterial.extra = 1),
      field('verificationMaterial.extra', 'no such field', '"extra"'),
    ],
    [
      'has log entries that are not an array',
      'BUNDLE_MALFORMED',
      (b) => (b.verificationMaterial.tlogEntries = {}),
      field('verificationMaterial.tlogEntries', 'an array', 'an object'),
    ],
    [
      'has a log entry that is not an object',
      'BUNDLE_MALFORMED',
      (b) => (b.verificationMaterial.tlogEntries = [1]),
      field('verificationMaterial.tlogEntries[0]', 'an object', '1'),
    ],
    [
      'has timestamps that are not an object',
      'BUNDLE_MALFORMED',
      (b) => (b.verificationMaterial.timestampVerificationData = 1),
      field('verificationMaterial.timestampVerificationData', 'an object', '1'),
    ],
    [
      'has a key without a fingerprint',
      'BUNDLE_MALFORMED',
      (b) => (b.verificationMaterial.publicKey = {}),
      field('verificationMaterial.publicKey.hint', 'the fingerprint of a key', 'nothing'),
    ],
    [
      'has an empty fingerprint',
      'BUNDLE_MALFORMED',
      (b) => (b.verificationMaterial.publicKey.hint = ''),
      field('verificationMaterial.publicKey.hint', 'the fingerprint of a key', '""'),
    ],
    [
      'has an unknown field in its key',
      'BUNDLE_MALFORMED',
      (b) => (b.verificationMaterial.publicKey.extra = ''),
      field('verificationMaterial.publicKey.extra', 'no such field', '"extra"'),
    ],
    [
      'has a raw key that is not base64',
      'BASE64_INVALID',
      (b) => (b.verificationMaterial.publicKey = { rawBytes: 'AA' }),
      notBase64('rawBytes'),
    ],
    [
      'has no certificate in its chain',
      'BUNDLE_MALFORMED',
      (b) => (b.verificationMaterial = { x509CertificateChain: { certificates: [] } }),
      field('verificationMaterial.x509CertificateChain.certificates', '1 to 33 certificates', 'an array of length 0'),
    ],
    [
      'has a certificate that is not base64',
      'BASE64_INVALID',
      (b) => (b.verificationMaterial = { x509CertificateChain: { certificates: [{ rawBytes: '!' }] } }),
      notBase64('rawBytes'),
    ],
    [
      'is keyless without a log entry',
      'BUNDLE_MALFORMED',
      (b) => (b.verificationMaterial = { certificate: { rawBytes: 'AA==' }, tlogEntries: [] }),
      field('verificationMaterial.tlogEntries', 'at least one log entry', 'an array of length 0'),
    ],
    [
      'has no envelope',
      'BUNDLE_MALFORMED',
      (b) => delete b.dsseEnvelope,
      field('dsseEnvelope', 'an object', 'nothing'),
    ],
    [
      'has another payload type',
      'PAYLOAD_TYPE',
      (b) => (b.dsseEnvelope.payloadType = 'text/plain'),
      { expected: 'application/vnd.in-toto+json', found: '"text/plain"' },
    ],
    [
      'has no payload type',
      'BUNDLE_MALFORMED',
      (b) => delete b.dsseEnvelope.payloadType,
      field('dsseEnvelope.payloadType', 'a non-empty string', 'nothing'),
    ],
    [
      'has no payload',
      'BUNDLE_MALFORMED',
      (b) => delete b.dsseEnvelope.payload,
      field('dsseEnvelope.payload', 'a non-empty string', 'nothing'),
    ],
    [
      'has an empty payload',
      'BUNDLE_MALFORMED',
      (b) => (b.dsseEnvelope.payload = ''),
      field('dsseEnvelope.payload', 'a non-empty string', '""'),
    ],
    [
      'has a payload that is not base64',
      'BASE64_INVALID',
      (b) => (b.dsseEnvelope.payload = 'e30'),
      notBase64('payload'),
    ],
    [
      'has a payload with junk in it',
      'BASE64_INVALID',
      (b) => (b.dsseEnvelope.payload = 'e3*0='),
      notBase64('payload'),
    ],
    [
      'has no array of signatures',
      'BUNDLE_MALFORMED',
      (b) => delete b.dsseEnvelope.signatures,
      field('dsseEnvelope.signatures', 'an array', 'nothing'),
    ],
    ['has no signature', 'SIGNATURE_COUNT', (b) => (b.dsseEnvelope.signatures = []), { expected: '1', found: '0' }],
    [
      'has the same signature twice',
      'SIGNATURE_COUNT',
      (b) => b.dsseEnvelope.signatures.push(b.dsseEnvelope.signatures[0]),
      { expected: '1', found: '2' },
    ],
    [
      'has a signature that is not base64',
      'BASE64_INVALID',
      (b) => (b.dsseEnvelope.signatures[0].sig = 'AA'),
      notBase64('sig'),
    ],
    [
      'has an empty signature',
      'BUNDLE_MALFORMED',
      (b) => (b.dsseEnvelope.signatures[0].sig = ''),
      field('dsseEnvelope.signatures[0].sig', 'a non-empty string', '""'),
    ],
    [
      'has a key id that is not a string',
      'BUNDLE_MALFORMED',
      (b) => (b.dsseEnvelope.signatures[0].keyid = ['me']),
      field('dsseEnvelope.signatures[0].keyid', 'a string', 'an array of length 1'),
    ],
    [
      'has a media type with an unknown version',
      'BUNDLE_MEDIA_TYPE',
      (b) => (b.mediaType = `${OLD_TYPE};version=0.4`),
      { expected: CURRENT_TYPE, found: '"application/vnd.dev.sigstore.bundle+json;version=0.4"' },
    ],
    [
      'has a media type with an additional parameter',
      'BUNDLE_MEDIA_TYPE',
      (b) => (b.mediaType = `${OLD_TYPE};version=0.3;q=1`),
      { expected: CURRENT_TYPE, found: '"application/vnd.dev.sigstore.bundle+json;version=0.3;q=1"' },
    ],
    [
      'is keyless as in v0.3 but has the media type of v0.2',
      'BUNDLE_MALFORMED',
      (b) => {
        b.mediaType = `${OLD_TYPE};version=0.2`
        b.verificationMaterial = { certificate: { rawBytes: 'AA==' }, tlogEntries: [{}] }
      },
      field('verificationMaterial.certificate', 'no single certificate in a bundle of version 0.2', 'an object'),
    ],
    [
      'has an unknown field that is null',
      'BUNDLE_MALFORMED',
      (b) => (b.verificationMaterial.extra = null),
      field('verificationMaterial.extra', 'no such field', '"extra"'),
    ],
    [
      'has a null payload',
      'BUNDLE_MALFORMED',
      (b) => (b.dsseEnvelope.payload = null),
      field('dsseEnvelope.payload', 'a non-empty string', 'null'),
    ],
    [
      'has a message signature without fields',
      'BUNDLE_MALFORMED',
      (b) => (b.messageSignature = {}),
      field('messageSignature', 'no such field', 'an object'),
    ],
    [
      'has a malformed validity',
      'BUNDLE_MALFORMED',
      (b) => (b.verificationMaterial.publicKey.validFor = 1),
      field('verificationMaterial.publicKey.validFor', 'an object', '1'),
    ],
    [
      'has a null key',
      'BUNDLE_MALFORMED',
      (b) => (b.verificationMaterial.publicKey = null),
      { expected: MATERIALS, found: 'none' },
    ],
    [
      'has a key with a null fingerprint',
      'BUNDLE_MALFORMED',
      (b) => (b.verificationMaterial.publicKey = { hint: null }),
      field('verificationMaterial.publicKey.hint', 'the fingerprint of a key', 'null'),
    ],
    [
      'is keyless with null log entries',
      'BUNDLE_MALFORMED',
      (b) => (b.verificationMaterial = { certificate: { rawBytes: 'AA==' }, tlogEntries: null }),
      field('verificationMaterial.tlogEntries', 'at least one log entry', 'null'),
    ],
    [
      'has an unknown field in its signature',
      'BUNDLE_MALFORMED',
      (b) => (b.dsseEnvelope.signatures[0].cert = 'x'),
      field('dsseEnvelope.signatures[0].cert', 'no such field', '"cert"'),
    ],
    [
      'has an unknown field in its envelope',
      'BUNDLE_MALFORMED',
      (b) => (b.dsseEnvelope.extra = 1),
      field('dsseEnvelope.extra', 'no such field', '"extra"'),
    ],
  ])('%s', (_, code, change, details) => refuses(changed(change), code, details))

  test('has an unknown field, and says what to do', () => {
    const hint = expect.stringContaining('update modelseal') as string
    refuses(
      changed((b) => (b.extra = 1)),
      'BUNDLE_MALFORMED',
      { hint },
    )
  })

  test('is too large, before reading any of it', () => {
    const tooLarge = (bytes: number, path?: string) => () => parseBundle(Buffer.alloc(bytes), path)
    const details = { expected: 'at most 33554432 bytes', found: '33554433 bytes' }
    expect(tooLarge(MAX_BUNDLE_BYTES + 1)).toThrow(
      refusal('BUNDLE_TOO_LARGE', {
        ...details,
        message: expect.stringContaining('Cannot read the signature bundle: it is too large.') as string,
      }),
    )
    expect(tooLarge(MAX_BUNDLE_BYTES + 1, 'model.sig')).toThrow(
      refusal('BUNDLE_TOO_LARGE', {
        ...details,
        message: expect.stringContaining('Cannot read the signature bundle "model.sig": it is too large.') as string,
      }),
    )
    expect(tooLarge(MAX_BUNDLE_BYTES)).toThrow(
      refusal('BUNDLE_TOO_LARGE', { expected: 'at most 1048576 bytes besides the payload' }),
    )
  })
})

describe('accepts equivalent forms:', () => {
  test.each<[string, (bundle: LooseJson) => void]>([
    ['no key id', (b) => delete b.dsseEnvelope.signatures[0].keyid],
    ['a null key id', (b) => (b.dsseEnvelope.signatures[0].keyid = null)],
    ['any key id', (b) => (b.dsseEnvelope.signatures[0].keyid = 'release-2026')],
    ['the older name of the media type', (b) => (b.mediaType = `${OLD_TYPE};version=0.3`)],
    ['the media type of v0.2', (b) => (b.mediaType = `${OLD_TYPE};version=0.2`)],
    ['null for the log entries', (b) => (b.verificationMaterial.tlogEntries = null)],
    ['null for the timestamps', (b) => (b.verificationMaterial.timestampVerificationData = null)],
    [
      'null for the list of timestamps',
      (b) => (b.verificationMaterial.timestampVerificationData = { rfc3161Timestamps: null }),
    ],
    [
      'null for the other kinds of material',
      (b) => Object.assign(b.verificationMaterial, { certificate: null, x509CertificateChain: null }),
    ],
    [
      'null for the other fields of the key',
      (b) => Object.assign(b.verificationMaterial.publicKey, { rawBytes: null, keyDetails: null }),
    ],
    ['null for the message signature', (b) => (b.messageSignature = null)],
    [
      'an empty string and a validity next to the fingerprint',
      (b) =>
        Object.assign(b.verificationMaterial.publicKey, {
          rawBytes: '',
          keyDetails: '',
          validFor: { start: '2020-01-01T00:00:00Z' },
        }),
    ],
    ['no array of log entries', (b) => delete b.verificationMaterial.tlogEntries],
    [
      'key details next to the fingerprint',
      (b) => (b.verificationMaterial.publicKey.keyDetails = 'PKIX_ECDSA_P256_SHA_256'),
    ],
  ])('%s', (_, change) => {
    const { envelope, material, timestamps } = parseBundle(good)
    expect(parseBundle(changed(change))).toMatchObject({ envelope, material, timestamps })
  })

  test('a raw key instead of its fingerprint, as before v1.1.0', () => {
    for (const others of [{}, { hint: '' }, { hint: null }]) {
      const bytes = changed((b) => (b.verificationMaterial.publicKey = { rawBytes: 'AQI=', ...others }))
      expect(parseBundle(bytes).material).toEqual({ method: 'key', rawBytes: Buffer.from([1, 2]) })
    }
  })

  test('a certificate chain and a log entry', () => {
    const chain = changed(
      (b) =>
        (b.verificationMaterial = {
          x509CertificateChain: { certificates: [{ rawBytes: 'AQ==' }, { rawBytes: 'Ag==' }] },
        }),
    )
    expect(parseBundle(chain).material).toEqual({
      method: 'certificate',
      certificates: [Buffer.from([1]), Buffer.from([2])],
    })
    const older = changed((b) => {
      b.mediaType = `${OLD_TYPE};version=0.2`
      b.verificationMaterial = { x509CertificateChain: { certificates: [{ rawBytes: 'AQ==' }] }, publicKey: null }
    })
    expect(parseBundle(older).material).toEqual({ method: 'certificate', certificates: [Buffer.from([1])] })
    const keyless = changed((b) => (b.verificationMaterial = { certificate: { rawBytes: 'AQ==' }, tlogEntries: [{}] }))
    const { material, json } = parseBundle(keyless)
    expect(material).toEqual({ method: 'sigstore', certificate: Buffer.from([1]) })
    expect(json).toEqual(JSON.parse(keyless.toString()))
    expect(parseBundle(chain)).not.toHaveProperty('json')
  })
})

test('reads a payload that is not long enough to be cut out', () => {
  const payload = Buffer.alloc(150_000, 'model')
  expect(parseBundle(bundleOver(payload, keyPair())).envelope.payload.equals(payload)).toBe(true)
})

test('names the file that it refuses', () => {
  const message = (bytes: Uint8Array, path?: string) => {
    try {
      return parseBundle(bytes, path)
    } catch (error) {
      return (error as Error).message
    }
  }
  const extra = changed((b) => (b.extra = 1))
  expect(message(extra)).toMatch(/^Invalid field "extra"\. Expected/)
  expect(message(extra, 'model.sig')).toMatch(/^Invalid field "extra" in "model\.sig"\. Expected/)
  expect(message(Buffer.alloc(0))).toMatch(/^Cannot read the bundle: it is empty\./)
  expect(message(Buffer.alloc(0), 'model.sig')).toMatch(/^Cannot read the bundle "model\.sig": it is empty\./)
})

describe('a bundle file', () => {
  test('is refused if it is missing or not a file', async () => {
    const directory = scratch()
    await expect(readBundle(join(directory, 'model.sig'))).rejects.toEqual(refusal('BUNDLE_NOT_FOUND'))
    await expect(readBundle(directory)).rejects.toEqual(refusal('FILE_SPECIAL'))
  })

  test('is refused by its size without being read if it is too large', async () => {
    const path = join(scratch({ 'model.sig': '' }), 'model.sig')
    truncateSync(path, 256 * 1024 * 1024 + 1)
    await expect(readBundle(path)).rejects.toEqual(refusal('BUNDLE_TOO_LARGE', { file: path }))
  })

  test('is named in every refusal', async () => {
    const path = join(scratch({ 'model.sig': changed((b) => (b.mediaType = 'x')) }), 'model.sig')
    await expect(readBundle(path)).rejects.toEqual(refusal('BUNDLE_MEDIA_TYPE', { file: path }))
  })
})
