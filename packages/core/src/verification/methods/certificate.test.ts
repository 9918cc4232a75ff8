import { createHash, sign, KeyObject } from 'node:crypto'
import { PKIStatus } from 'pkijs'
import { describe, expect, test } from 'vitest'
import { parseBundle, writeBundle, type UnverifiedBundle } from '../../bundle/bundle.ts'
import { IN_TOTO_PAYLOAD_TYPE, preAuthEncoding } from '../../bundle/dsse.ts'
import { publicKeyOf } from '../../x509/public-key.ts'
import { writeStatement } from '../../bundle/statement.ts'
import { Manifest } from '../../manifest/manifest.ts'
import { isSelfSigned, systemRoots, verifyCertificateBundle, type CertificateTrust } from './certificate.ts'
import { verifyKeyBundle } from './key.ts'
import {
  authority,
  CODE_SIGNING,
  inDays,
  issue,
  ORGANIZATION,
  COMMON_NAME,
  revocationList,
  SERVER_AUTH,
  signingLeaf,
  TIME_STAMPING,
  type Issued,
} from '../../testing/authority.ts'
import {
  SIGNING_CERTIFICATE_V2,
  timestamp,
  timestampAuthority,
  type TimestampOptions,
} from '../../testing/timestamp.ts'

const root = await authority('Root', { notBefore: inDays(-400), notAfter: inDays(400) })
const intermediate = await authority('Intermediate', { issuer: root, notBefore: inDays(-400), notAfter: inDays(400) })
const leaf = await signingLeaf(intermediate)
const old = await signingLeaf(intermediate, { notBefore: inDays(-20), notAfter: inDays(-10) })
const roots = [root.der]
const tsa = await timestampAuthority({ notBefore: inDays(-400), notAfter: inDays(400) })

const payload = writeStatement(
  new Manifest('model', { method: 'files', hashType: 'sha256', allowSymlinks: false }, [
    { name: 'weights.bin', digest: createHash('sha256').update('weights').digest('hex') },
  ]),
)
const encoded = preAuthEncoding(IN_TOTO_PAYLOAD_TYPE, payload)

interface BundleOptions {
  by?: Issued
  chain?: readonly Issued[]
  method?: 'key'
  timestamps?: readonly ((signature: Buffer) => Promise<Buffer>)[]
  /** Replaces the signature after the timestamps were made. */
  signature?: Buffer
}

async function bundleOf({ by = leaf, chain = [by, intermediate], ...options }: BundleOptions = {}) {
  const key = KeyObject.from(by.keys.privateKey)
  const { hash, fingerprint } = publicKeyOf(by.x509.publicKey)
  const signature = sign(hash, encoded, { key, dsaEncoding: 'der' })
  const made = await Promise.all((options.timestamps ?? []).map((make) => make(signature)))
  const material = {
    ...(options.method === 'key'
      ? { publicKey: { hint: fingerprint } }
      : { x509CertificateChain: { certificates: chain.map(({ der }) => ({ rawBytes: der.toString('base64') })) } }),
    timestampVerificationData: {
      rfc3161Timestamps: made.map((der) => ({ signedTimestamp: der.toString('base64') })),
    },
  }
  const envelope = { payloadType: IN_TOTO_PAYLOAD_TYPE, payload, signature: options.signature ?? signature } as const
  return parseBundle(writeBundle(material, envelope))
}

function verified(bundle: UnverifiedBundle, trust: Partial<CertificateTrust> = {}) {
  return verifyCertificateBundle(bundle, { roots, ...trust }, 'ml-team')
}

test('names the signer as the certificate does', async () => {
  const signer = await signingLeaf(intermediate, {
    subject: [
      [ORGANIZATION, 'Example, Inc.'],
      [COMMON_NAME, 'Release'],
    ],
    names: [
      [1, 'release@example.org'],
      [6, 'https://example.org/ci'],
      [2, 'example.org'],
      [7, new Uint8Array([10, 0, 0, 1])],
    ],
  })
  const { signer: who, manifest, time } = await verified(await bundleOf({ by: signer }))
  expect(who).toEqual({
    method: 'certificate',
    description:
      'CN=Release,O=Example\\, Inc. (email:release@example.org, URI:https://example.org/ci, DNS:example.org, IP:10.0.0.1)',
    name: 'ml-team',
    fingerprint: createHash('sha256').update(signer.der).digest('hex'),
    subject: 'CN=Release,O=Example\\, Inc.',
    issuer: 'CN=Intermediate',
    serialNumber: Buffer.from(signer.fields.serialNumber.valueBlock.valueHexView).toString('hex'),
    subjectAltNames: ['email:release@example.org', 'URI:https://example.org/ci', 'DNS:example.org', 'IP:10.0.0.1'],
    notBefore: signer.fields.notBefore.value.toISOString(),
    notAfter: signer.fields.notAfter.value.toISOString(),
    rootFingerprint: createHash('sha256').update(root.der).digest('hex'),
  })
  expect([...manifest.files.keys()]).toEqual(['weights.bin'])
  expect(time).toBeUndefined()
})

test.for(['P-256', 'P-384', 'P-521'] as const)(
  'accepts a signature on %s, with the hash of the curve',
  async (algorithm) => {
    const by = await signingLeaf(intermediate, { algorithm })
    expect((await verified(await bundleOf({ by }))).signer.method).toBe('certificate')
  },
)

test('uses intermediates from the bundle and the verifier, but roots only from the verifier', async () => {
  const bundle = await bundleOf({ chain: [leaf] })
  await expect(verified(bundle)).rejects.toMatchObject({ code: 'CHAIN_NO_PATH' })
  expect((await verified(bundle, { intermediates: [intermediate.der] })).signer.name).toBe('ml-team')
  await expect(verified(await bundleOf({ chain: [leaf, intermediate, root] }), { roots: [] })).rejects.toMatchObject({
    code: 'CHAIN_NO_PATH',
  })
})

test('refuses a bundle of another method', async () => {
  await expect(verified(await bundleOf({ method: 'key' }))).rejects.toMatchObject({
    code: 'METHOD_MISMATCH',
    signer: 'ml-team',
    expected: 'the method certificate',
    found: 'the method key',
    hint: expect.stringContaining('"modelseal verify key"') as string,
  })
  const key = publicKeyOf(leaf.x509.publicKey)
  const bundle = await bundleOf()
  expect(() => verifyKeyBundle(bundle, key, 'release')).toThrow(
    expect.objectContaining({
      code: 'METHOD_MISMATCH',
      signer: 'release',
      expected: 'the method key',
      found: 'the method certificate',
    }),
  )
})

test('refuses a signature by a key other than that of the leaf', async () => {
  const other = await signingLeaf(intermediate)
  await expect(verified(await bundleOf({ by: other, chain: [leaf, intermediate] }))).rejects.toMatchObject({
    code: 'SIGNATURE_INVALID',
  })
})

test('refuses a leaf with a key that model signatures do not use', async () => {
  const by = await signingLeaf(intermediate, { algorithm: 'RSA' })
  await expect(verified(await bundleOf({ chain: [by, intermediate] }))).rejects.toMatchObject({ code: 'KEY_INVALID' })
})

describe('checks the usage of the leaf', () => {
  const cases = [
    ['the usage digitalSignature', { usages: ['digitalSignature'] }, undefined],
    ['the extended usage codeSigning alone', { extendedUsages: [CODE_SIGNING] }, undefined],
    ['both', { usages: ['digitalSignature'], extendedUsages: [CODE_SIGNING] }, undefined],
    ['no usage', {}, 'CERTIFICATE_USAGE'],
    ['the usage keyCertSign only', { usages: ['keyCertSign'], ca: true }, 'CERTIFICATE_USAGE'],
    [
      'the extended usage serverAuth only',
      { usages: ['digitalSignature'], extendedUsages: [SERVER_AUTH] },
      'CERTIFICATE_USAGE',
    ],
    [
      'the extended usage timeStamping only',
      { usages: ['digitalSignature'], extendedUsages: [TIME_STAMPING] },
      'CERTIFICATE_USAGE',
    ],
  ] as const
  test.for(cases)('a leaf with %s', async ([, options, code]) => {
    const by = await issue({ subject: 'Signer', issuer: intermediate, ...options })
    const outcome = verified(await bundleOf({ by }))
    if (code) await expect(outcome).rejects.toMatchObject({ code })
    else expect((await outcome).signer.method).toBe('certificate')
  })
})

test('names the usages of a leaf that is not for signing, and asks only for what is missing', async () => {
  const by = await issue({
    subject: 'Signer',
    issuer: intermediate,
    usages: ['digitalSignature'],
    extendedUsages: [SERVER_AUTH],
  })
  await expect(verified(await bundleOf({ by }))).rejects.toMatchObject({
    expected: 'the extended key usage codeSigning',
    found: 'the extended key usages 1.3.6.1.5.5.7.3.1 (serverAuth)',
  })
})

describe('with trusted timestamp authorities', () => {
  const trust = { timestampAuthorities: [tsa.root.der] }
  const stamp =
    (options: TimestampOptions = {}, by = tsa.signer) =>
    (data: Buffer) =>
      timestamp(by, data, options)
  const codeOf = async (outcome: Promise<unknown>) =>
    outcome.then(
      () => undefined,
      (error: unknown) => (error as { code: string }).code,
    )

  test('returns the time of a signature, including one by a key', async () => {
    const at = inDays(-0.5)
    const expected = { at: at.toISOString(), source: 'rfc3161', authority: 'CN=Time Authority' }
    const timestamps = [stamp(), stamp({ at })]
    expect((await verified(await bundleOf({ timestamps }), trust)).time).toEqual(expected)
    const bundle = await bundleOf({ method: 'key', timestamps })
    expect((await verifyKeyBundle(bundle, publicKeyOf(leaf.x509.publicKey), 'release', trust)).time).toEqual(expected)
  })

  test('leaves the time unknown without trusted authorities or timestamps', async () => {
    expect((await verified(await bundleOf({ timestamps: [stamp()] }))).time).toBeUndefined()
    expect((await verified(await bundleOf(), trust)).time).toBeUndefined()
  })

  test('accepts an expired leaf that was valid at that time, and refuses it otherwise', async () => {
    const outcome = async (at: Date) =>
      codeOf(verified(await bundleOf({ by: old, timestamps: [stamp({ at })] }), trust))
    expect(await outcome(inDays(-15))).toBeUndefined()
    expect(await outcome(inDays(-9))).toBe('CERTIFICATE_EXPIRED')
    expect(await outcome(inDays(-21))).toBe('CERTIFICATE_NOT_YET_VALID')
    expect(await codeOf(verified(await bundleOf({ by: old }), trust))).toBe('CERTIFICATE_EXPIRED')
    expect(await codeOf(verified(await bundleOf({ by: old, timestamps: [stamp({ at: inDays(-15) })] })))).toBe(
      'CERTIFICATE_EXPIRED',
    )
  })

  test('considers the accuracy of the time', async () => {
    const day = 24 * 60 * 60
    const outcome = async (seconds: number) =>
      codeOf(
        verified(await bundleOf({ by: old, timestamps: [stamp({ at: inDays(-11), accuracy: { seconds } })] }), trust),
      )
    expect(await outcome(day / 2)).toBeUndefined()
    expect(await outcome(2 * day)).toBe('CERTIFICATE_EXPIRED')
  })

  test('requires the whole time to be within the validity of the leaf', async () => {
    const { notBefore, notAfter } = old.fields
    const refusal = {
      file: undefined,
      signer: 'CN=Signer',
      expected: `a time from ${notBefore.value.toISOString()} to ${notAfter.value.toISOString()}`,
    }
    for (const [at, code] of [
      [notBefore.value, 'CERTIFICATE_NOT_YET_VALID'],
      [notAfter.value, 'CERTIFICATE_EXPIRED'],
    ] as const) {
      const outcome = async (accuracy: { millis?: number }) =>
        verified(await bundleOf({ by: old, timestamps: [stamp({ at, accuracy })] }), trust)
      expect((await outcome({})).time?.at).toBe(at.toISOString())
      const [earliest, latest] = [new Date(at.getTime() - 1), new Date(at.getTime() + 1)]
      await expect(outcome({ millis: 1 })).rejects.toMatchObject({
        ...refusal,
        code,
        found: `${earliest.toISOString()} to ${latest.toISOString()}`,
      })
    }
  })

  test('requires revocation lists that are current now, and not only when the model was signed', async () => {
    const stale = { thisUpdate: inDays(-16), nextUpdate: inDays(-14) }
    const crls = [await revocationList(intermediate, stale)]
    const bundle = await bundleOf({ by: old, timestamps: [stamp({ at: inDays(-15) })] })
    expect(await codeOf(verified(bundle, { ...trust, crls }))).toBe('CRL_STALE')
  })

  test('accepts a signature from before the revocation, and refuses one from after it', async () => {
    const crls = [await revocationList(intermediate, { revoked: [{ certificate: old, at: inDays(-15) }] })]
    const outcome = async (at: Date) =>
      codeOf(verified(await bundleOf({ by: old, timestamps: [stamp({ at })] }), { ...trust, crls }))
    expect(await outcome(inDays(-16))).toBeUndefined()
    expect(await outcome(inDays(-14))).toBe('CERTIFICATE_REVOKED')
  })

  test('accepts a timestamp whose authority has since expired', async () => {
    const past = { notBefore: inDays(-20), notAfter: inDays(-10) }
    const { signer } = await timestampAuthority(past, tsa.root)
    const timestamps = [stamp({ at: inDays(-15) }, signer)]
    expect((await verified(await bundleOf({ by: old, timestamps }), trust)).time?.authority).toBe('CN=Time Authority')
    expect(await codeOf(verified(await bundleOf({ timestamps: [stamp({}, signer)] }), trust))).toBe(
      'TIMESTAMP_UNTRUSTED',
    )
  })

  const bad: readonly (readonly [string, string, (data: Buffer) => Promise<Buffer>])[] = [
    ['covers another signature', 'TIMESTAMP_INVALID', stamp({ over: Buffer.from('another') })],
    ['is from the future', 'TIMESTAMP_INVALID', stamp({ at: inDays(1) })],
    ['was changed after it was signed', 'TIMESTAMP_INVALID', stamp({ changedAfter: true })],
    ['does not sign its content', 'TIMESTAMP_INVALID', stamp({ without: ['1.2.840.113549.1.9.4'] })],
    ['does not sign the kind of its content', 'TIMESTAMP_INVALID', stamp({ without: ['1.2.840.113549.1.9.3'] })],
    ['does not name its certificate', 'TIMESTAMP_INVALID', stamp({ without: [SIGNING_CERTIFICATE_V2] })],
    ['names another certificate', 'TIMESTAMP_INVALID', stamp({ names: leaf })],
    ['was not granted', 'TIMESTAMP_INVALID', stamp({ status: PKIStatus.rejection })],
    ['has two signers', 'TIMESTAMP_INVALID', stamp({ signers: 2 })],
    ['has no signer', 'TIMESTAMP_INVALID', stamp({ signers: 0 })],
    ['is not DER', 'TIMESTAMP_INVALID', () => Promise.resolve(Buffer.from('junk'))],
    ['is cut short', 'TIMESTAMP_INVALID', async (data) => (await timestamp(tsa.signer, data)).subarray(0, -1)],
    [
      'has something after it',
      'TIMESTAMP_INVALID',
      async (data) => Buffer.concat([await timestamp(tsa.signer, data), data]),
    ],
    ['is larger than any real one', 'TIMESTAMP_INVALID', () => Promise.resolve(Buffer.alloc(65 * 1024, 0x30))],
    [
      'is by an untrusted authority',
      'TIMESTAMP_UNTRUSTED',
      async (data) => timestamp((await timestampAuthority()).signer, data),
    ],
    [
      'is by a certificate that also permits other usages',
      'TIMESTAMP_UNTRUSTED',
      async (data) =>
        timestamp((await timestampAuthority({ extendedUsages: [TIME_STAMPING, CODE_SIGNING] }, tsa.root)).signer, data),
    ],
    [
      'is by a certificate whose restriction to timestamps is not critical',
      'TIMESTAMP_UNTRUSTED',
      async (data) => timestamp((await timestampAuthority({ extendedCritical: false }, tsa.root)).signer, data),
    ],
  ]
  test.for(bad)('refuses a bundle with a currently valid leaf if a timestamp %s', async ([, code, make]) => {
    const outcome = verified(await bundleOf({ timestamps: [stamp(), make] }), trust)
    await expect(outcome).rejects.toMatchObject({ code })
    const bundle = await bundleOf({ method: 'key', timestamps: [make] })
    await expect(verifyKeyBundle(bundle, publicKeyOf(leaf.x509.publicKey), 'release', trust)).rejects.toMatchObject({
      code,
    })
  })
})

test('uses the roots of the operating system only on request', () => {
  for (const der of systemRoots()) expect(der[0]).toBe(0x30)
})

test('a certificate is self-signed by its name and its key', async () => {
  const namesake = await authority('Root', { issuer: root })
  const renamed = await authority('Other', { issuer: root, keys: root.keys })
  expect([root, namesake, renamed, intermediate].map(({ der }) => isSelfSigned(der))).toEqual([
    true,
    false,
    false,
    false,
  ])
})
