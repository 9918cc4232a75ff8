import { createPrivateKey, sign, type KeyObject } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { parseBundle, writeBundle, type UnverifiedBundle } from '../../bundle/bundle.ts'
import { IN_TOTO_PAYLOAD_TYPE, preAuthEncoding } from '../../bundle/dsse.ts'
import { readerFromHere } from '../../source/read-small-file.ts'
import { authority, pemOf, privateKeyPem, revocationList, signingLeaf, type Issued } from '../../testing/authority.ts'
import { encoded, keyPair, statementOver } from '../../testing/bundles.ts'
import { pem } from '../../testing/feeds.ts'
import { refusal } from '../../testing/scratch.ts'
import { IDENTITY, ISSUER, TestSigstore } from '../../testing/sigstore.ts'
import { TestSite } from '../../testing/site.ts'
import { timestamp, timestampAuthority } from '../../testing/timestamp.ts'
import { verifierCopy, verifyBundle, verifyEnvelope, type Verifier } from './verifier.ts'
import { verifyModel } from './verify-model.ts'

const key = keyPair()
const payload = encoded(statementOver({ 'model.onnx': 'weights' }))
let site: TestSite
let publicKey: string
let tsa: Issued
let tsaRoot: string
let otherTsaRoot: string

beforeAll(async () => {
  site = await TestSite.make()
  publicKey = await site.write('a.pub', pem(key))
  const { root, signer } = await timestampAuthority()
  tsa = signer
  tsaRoot = await site.write('tsa.pem', pemOf(root))
  otherTsaRoot = await site.write('other-tsa.pem', pemOf((await timestampAuthority()).root))
})
afterAll(() => site.remove())

interface Material {
  publicKey?: { hint: string }
  x509CertificateChain?: { certificates: { rawBytes: string }[] }
}

/** A bundle with a timestamp. */
async function stampedBundle(privateKey: KeyObject, material: Material): Promise<UnverifiedBundle> {
  const signature = sign('sha256', preAuthEncoding(IN_TOTO_PAYLOAD_TYPE, payload), privateKey)
  const signedTimestamp = (await timestamp(tsa, signature)).toString('base64')
  const stamps = { timestampVerificationData: { rfc3161Timestamps: [{ signedTimestamp }] } }
  const envelope = { payloadType: IN_TOTO_PAYLOAD_TYPE, payload, signature } as const
  return parseBundle(writeBundle({ ...material, ...stamps, tlogEntries: [] }, envelope))
}

const byKey = () => stampedBundle(key.privateKey, { publicKey: { hint: key.publicKey.fingerprint } })
const verify = (bundle: UnverifiedBundle, verifier: Verifier) =>
  verifyBundle(bundle, verifierCopy(verifier, 'verifier') as Verifier, readerFromHere())

describe('a key', () => {
  test('verifies what it signed, with its path as the name of the signer', async () => {
    const { signer, time, manifest } = await verify(await byKey(), { publicKey })
    expect(signer).toMatchObject({ method: 'key', name: publicKey, fingerprint: key.publicKey.fingerprint })
    expect(manifest.modelName).toBe('model')
    expect(time).toBeUndefined()
  })

  test('comes with the time, if its authority is trusted', async () => {
    const verified = await verify(await byKey(), { publicKey, timestampAuthorities: [otherTsaRoot, tsaRoot] })
    expect(verified.time).toMatchObject({ source: 'rfc3161' })
    const untrusted = verify(await byKey(), { publicKey, timestampAuthorities: [otherTsaRoot] })
    await expect(untrusted).rejects.toEqual(refusal('TIMESTAMP_UNTRUSTED'))
  })

  test('must be in a file that can be read', async () => {
    const missing = site.file('missing.pub')
    await expect(verify(await byKey(), { publicKey: missing })).rejects.toEqual(
      refusal('FILE_NOT_FOUND', { file: missing }),
    )
    await expect(verify(await byKey(), { publicKey: tsaRoot })).rejects.toEqual(
      refusal('KEY_INVALID', { file: tsaRoot }),
    )
    const timestampAuthorities = [publicKey]
    await expect(verify(await byKey(), { publicKey, timestampAuthorities })).rejects.toEqual(
      refusal('CERTIFICATE_INVALID', { file: publicKey }),
    )
  })
})

describe('certificates', () => {
  let root: Issued
  let leaf: Issued
  let rootPath: string

  beforeAll(async () => {
    root = await authority('Root')
    leaf = await signingLeaf(root)
    rootPath = await site.write('root.pem', pemOf(root))
  })

  const byLeaf = async () => {
    const rawBytes = Buffer.from(leaf.der).toString('base64')
    const privateKey = createPrivateKey(await privateKeyPem(leaf))
    return stampedBundle(privateKey, { x509CertificateChain: { certificates: [{ rawBytes }] } })
  }

  test('verify what a certificate under them signed', async () => {
    const { signer, time } = await verify(await byLeaf(), { certificateChain: [rootPath] })
    expect(signer).toMatchObject({ method: 'certificate', name: rootPath, subject: 'CN=Signer' })
    expect(time).toBeUndefined()
  })

  test('come with the time, if its authority is trusted', async () => {
    const certificateChain = [rootPath]
    const verified = await verify(await byLeaf(), { certificateChain, timestampAuthorities: [tsaRoot] })
    expect(verified.time).toMatchObject({ source: 'rfc3161' })
    const untrusted = verify(await byLeaf(), { certificateChain, timestampAuthorities: [otherTsaRoot] })
    await expect(untrusted).rejects.toEqual(refusal('TIMESTAMP_UNTRUSTED'))
  })

  test('may be those of the operating system, which are not these', async () => {
    const bySystem = verify(await byLeaf(), { certificateChain: [], systemRoots: true })
    await expect(bySystem).rejects.toEqual(refusal('CHAIN_NO_PATH'))
    const alone = verify(await byLeaf(), { systemRoots: true } as Verifier)
    await expect(alone).rejects.toEqual(refusal('CHAIN_NO_PATH'))
    const both = await verify(await byLeaf(), { certificateChain: [rootPath], systemRoots: true })
    expect(both.signer).toMatchObject({ name: rootPath })
    await expect(verify(await byLeaf(), { certificateChain: [], systemRoots: false })).rejects.toEqual(
      refusal('INVALID_ARGUMENT', {
        expected: 'a self-signed certificate among the given ones, or the roots of the operating system',
      }),
    )
  })

  test('may be those of the operating system, after which the signer is named then', async () => {
    const tls = process.getBuiltinModule('node:tls')
    vi.spyOn(process, 'getBuiltinModule').mockReturnValue({ ...tls, getCACertificates: () => [pemOf(root)] })
    onTestFinished(() => void vi.restoreAllMocks())
    const verified = await verify(await byLeaf(), { certificateChain: [], systemRoots: true })
    expect(verified.signer).toMatchObject({ name: 'the operating system', subject: 'CN=Signer' })
  })

  test('come with several revocation lists, each of which counts', async () => {
    const good = await site.write('good.crl', await revocationList(root))
    const bad = await site.write('bad.crl', await revocationList(root, { revoked: [{ certificate: leaf }] }))
    const certificateChain = [rootPath]
    expect(await verify(await byLeaf(), { certificateChain, crls: [good] })).toBeDefined()
    await expect(verify(await byLeaf(), { certificateChain, crls: [good, bad] })).rejects.toEqual(
      refusal('CERTIFICATE_REVOKED'),
    )
  })
})

describe('an identity', () => {
  const sigstore = new TestSigstore()
  let trustRoot: { file: string }
  beforeAll(async () => {
    trustRoot = { file: await site.write('sigstore.json', JSON.stringify(await sigstore.root())) }
  })

  test('verifies what it signed, under a root of its own', async () => {
    const verified = await verify(await sigstore.bundle(), { identity: IDENTITY, issuer: ISSUER, trustRoot })
    expect(verified.signer).toMatchObject({
      method: 'sigstore',
      name: trustRoot.file,
      identity: IDENTITY,
      issuer: ISSUER,
    })
    expect(verified.manifest.modelName).toBe('model')
  })

  test.each([
    ['IDENTITY_MISMATCH', { identity: 'https://example.com/another', issuer: ISSUER }],
    ['ISSUER_MISMATCH', { identity: IDENTITY, issuer: 'https://example.com' }],
    [
      'CERTIFICATE_CONDITION',
      { identity: IDENTITY, issuer: ISSUER, extensions: { sourceRepositoryRef: 'refs/heads/x' } },
    ],
  ] as const)('refuses another: %s', async (code, named) => {
    await expect(verify(await sigstore.bundle(), { ...named, trustRoot })).rejects.toEqual(refusal(code))
  })

  test('refuses one that another instance certified, and signatures by keys', async () => {
    const identity = { identity: IDENTITY, issuer: ISSUER, trustRoot }
    await expect(verify(await new TestSigstore().bundle(), identity)).rejects.toMatchObject({
      name: 'ModelSealError',
      code: expect.stringMatching(/^(CHAIN|CERTIFICATE|SCT|LOG)_/) as string,
    })
    await expect(verify(await byKey(), identity)).rejects.toEqual(refusal('METHOD_MISMATCH'))
  })
})

test('the time of the signature of a model is reported', async () => {
  const signature = sign('sha256', preAuthEncoding(IN_TOTO_PAYLOAD_TYPE, payload), key.privateKey)
  const signedTimestamp = (await timestamp(tsa, signature)).toString('base64')
  const material = {
    publicKey: { hint: key.publicKey.fingerprint },
    timestampVerificationData: { rfc3161Timestamps: [{ signedTimestamp }] },
    tlogEntries: [],
  }
  const bundle = writeBundle(material, { payloadType: IN_TOTO_PAYLOAD_TYPE, payload, signature })
  const path = await site.write('stamped.sig', bundle)
  await site.model('stamped', { 'model.onnx': 'weights' })
  const verifyStamped = (verifier: Verifier) => verifyModel(site.file('stamped'), { signature: path, verifier })
  const verified = await verifyStamped({ publicKey, timestampAuthorities: [tsaRoot] })
  expect(verified.time).toMatchObject({ source: 'rfc3161' })
  expect(await verifyStamped({ publicKey })).not.toHaveProperty('time')
})

test('a bundle with any statement can be verified without reading it', async () => {
  const bytes = encoded({ any: 'thing' })
  const signature = sign('sha256', preAuthEncoding(IN_TOTO_PAYLOAD_TYPE, bytes), key.privateKey)
  const material = { publicKey: { hint: key.publicKey.fingerprint }, tlogEntries: [] }
  const envelope = { payloadType: IN_TOTO_PAYLOAD_TYPE, payload: bytes, signature } as const
  const bundle = parseBundle(writeBundle(material, envelope))
  expect(await verifyEnvelope(bundle, { publicKey }, readerFromHere())).toMatchObject({ signer: { method: 'key' } })
  await expect(verify(bundle, { publicKey })).rejects.toEqual(refusal('STATEMENT_MALFORMED'))
})

describe('a verifier', () => {
  test.each<[object]>([
    [{ publicKey: 'a.pub' }],
    [{ publicKey: 'a.pub', timestampAuthorities: ['tsa.pem'] }],
    [{ certificateChain: ['root.pem'], systemRoots: true, crls: ['a.crl'], timestampAuthorities: ['tsa.pem'] }],
    [{ identity: 'me', issuer: 'https://issuer.example', extensions: { a: 'b' }, trustRoot: 'staging' }],
  ])('is copied with all fields of its kind: %j', (verifier) => {
    const copy = verifierCopy(verifier, 'verifier') as object
    expect({ ...copy }).toEqual(verifier)
    expect(Object.isFrozen(copy)).toBe(true)
    expect(Object.getPrototypeOf(copy)).toBe(null)
  })

  test('may have undefined fields of other kinds, which are left out', () => {
    const copy = verifierCopy({ publicKey: 'a.pub', identity: undefined, crls: undefined }, 'verifier') as object
    expect(Object.keys(copy)).toEqual(['publicKey'])
  })

  test.each<[string, object]>([
    ['publicKey, crls', { publicKey: 'a.pub', crls: ['a.crl'] }],
    ['publicKey, systemRoots', { publicKey: 'a.pub', systemRoots: true }],
    ['publicKey, issuer', { publicKey: 'a.pub', issuer: 'x' }],
    ['certificateChain, trustRoot', { certificateChain: ['a.pem'], trustRoot: 'staging' }],
    ['timestampAuthorities, identity', { identity: 'me', timestampAuthorities: ['tsa.pem'] }],
  ])('of two kinds is refused: %s', (found, verifier) => {
    expect(() => verifierCopy(verifier, 'verifier')).toThrow(
      refusal('INVALID_ARGUMENT', {
        message: expect.stringContaining('the verifier') as string,
        expected: 'the fields of one kind of verifier',
        found: JSON.stringify(found),
      }),
    )
  })

  test.each<[object]>([
    [{ publicKey: 1 }],
    [{ publicKey: 'a.pub', timestampAuthorities: 'tsa.pem' }],
    [{ certificateChain: 'root.pem' }],
    [{ certificateChain: [], systemRoots: 'yes' }],
    [{ certificateChain: [], crls: [1] }],
    [{ identity: 1, issuer: 'x' }],
    [{ identity: 'me', issuer: 1 }],
    [{ identity: 'me', issuer: 'x', extensions: { a: 1 } }],
    [{ identity: 'me', issuer: 'x', trustRoot: 'other' }],
    [{ key: 'a.pub' }],
  ])('with a field that it cannot have is refused: %j', (verifier) => {
    expect(() => verifierCopy(verifier, 'verifier')).toThrow(refusal('INVALID_ARGUMENT'))
  })
})
