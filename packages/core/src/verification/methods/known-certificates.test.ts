import { createHash, generateKeyPairSync, KeyObject, sign } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { parseBundle, writeBundle, type UnverifiedBundle } from '../../bundle/bundle.ts'
import type { CertificateMaterial } from '../../bundle/materials/certificate.ts'
import { IN_TOTO_PAYLOAD_TYPE, preAuthEncoding } from '../../bundle/dsse.ts'
import { writeStatement } from '../../bundle/statement.ts'
import { Manifest } from '../../manifest/manifest.ts'
import { authority, inDays, revocationList, signingLeaf, type Issued } from '../../testing/authority.ts'
import { timestamp, timestampAuthority } from '../../testing/timestamp.ts'
import { publicKeyOf } from '../../x509/public-key.ts'
import type { ModelSealError } from '../../errors.ts'
import { Effort } from '../effort.ts'
import { verifyCertificateWithin } from './certificate.ts'
import { verifiedSignature } from '../verified-signature.ts'
import { verifyKeyWithin } from './key.ts'

const wide = { notBefore: inDays(-400), notAfter: inDays(400) }
const root = await authority('Root', wide)
const intermediate = await authority('Intermediate', { ...wide, issuer: root })
const leaf = await signingLeaf(intermediate, { notAfter: inDays(2) })
const tsa = await timestampAuthority(wide)
const timestampAuthorities = [tsa.root.der]

const payload = writeStatement(
  new Manifest('model', { method: 'files', hashType: 'sha256', allowSymlinks: false }, [
    { name: 'weights.bin', digest: createHash('sha256').update('weights').digest('hex') },
  ]),
)
const encoded = preAuthEncoding(IN_TOTO_PAYLOAD_TYPE, payload)

interface Wanted {
  chain?: readonly Issued[]
  stampedAt?: Date | undefined
}

async function bundleOf({ chain = [leaf, intermediate], stampedAt }: Wanted = {}) {
  const [by = leaf] = chain
  const signature = sign('sha256', encoded, KeyObject.from(by.keys.privateKey))
  const certificates = chain.map(({ der }) => ({ rawBytes: der.toString('base64') }))
  return written({ x509CertificateChain: { certificates } }, signature, stampedAt)
}

async function written(material: object, signature: Buffer, stampedAt: Date | undefined) {
  const stamp = stampedAt && (await timestamp(tsa.signer, signature, { at: stampedAt }))
  const rfc3161Timestamps = stamp ? [{ signedTimestamp: stamp.toString('base64') }] : []
  const all = { ...material, timestampVerificationData: { rfc3161Timestamps } }
  return parseBundle(writeBundle(all, { payloadType: IN_TOTO_PAYLOAD_TYPE, payload, signature }))
}

interface Circumstances {
  now?: Date
  crls?: readonly Buffer[]
  effort?: Effort
}

/** Verifies by the same roots each time, like the loads by one policy. */
function policyOf(roots: readonly Issued[] = [root]) {
  const authorities = { roots: roots.map(({ der }) => der), intermediates: [] }
  return async (
    bundle: UnverifiedBundle,
    { now = new Date(), crls = [], effort = new Effort() }: Circumstances = {},
  ) => {
    const trust = { authorities, crls, timestampAuthorities, now, effort }
    return verifiedSignature(await verifyCertificateWithin(bundle, trust, 'roots'), undefined)
  }
}

const NO_CHECKS = { effort: new Effort(undefined, 0) }
const outcome = (attempt: Promise<unknown>) =>
  attempt.then(
    () => 'accepted',
    (error: unknown) => {
      const { code, message, expected, found } = error as ModelSealError
      return { code, message, expected, found }
    },
  )

test.each([
  ['without a timestamp', 'CHAIN_TOO_LARGE', undefined],
  ['with a timestamp', 'TIMESTAMP_INVALID', new Date()],
])('a bundle %s is verified once by a policy', async (_, code, stampedAt) => {
  const verify = policyOf()
  const bundle = await bundleOf({ stampedAt })
  await expect(verify(bundle, NO_CHECKS)).rejects.toMatchObject({ code })
  const first = await verify(bundle)
  const { manifest, ...again } = await verify(bundle, NO_CHECKS)
  expect({ ...again, manifest }).toEqual(first)
  expect(manifest).not.toBe(first.manifest)
})

test('another model by the same signer costs one check, of its statement', async () => {
  const verify = policyOf()
  await verify(await bundleOf())
  const other = await bundleOf()
  await expect(verify(other, NO_CHECKS)).rejects.toMatchObject({ code: 'CHAIN_TOO_LARGE' })
  await verify(other, { effort: new Effort(undefined, 1) })
  await verify(other, NO_CHECKS)
})

const flip = (bytes: Buffer) => void (bytes[bytes.length - 1]! ^= 1)
const certificates = ({ material }: UnverifiedBundle) => (material as CertificateMaterial).certificates as Buffer[]

test.each<[string, string, (bundle: UnverifiedBundle) => unknown, Wanted?]>([
  ['signature', 'SIGNATURE_INVALID', ({ envelope }) => flip(envelope.signature)],
  [
    'signature with a timestamp',
    'TIMESTAMP_INVALID',
    (bundle) => flip(bundle.envelope.signature),
    { stampedAt: new Date() },
  ],
  ['payload', 'SIGNATURE_INVALID', ({ envelope }) => (envelope.payload[9]! ^= 1)],
  ['leaf', 'CHAIN_NO_PATH', (bundle) => flip(certificates(bundle)[0]!)],
  ['intermediate', 'CHAIN_NO_PATH', (bundle) => flip(certificates(bundle)[1]!)],
  ['chain', 'CHAIN_NO_PATH', (bundle) => certificates(bundle).pop()],
  ['timestamp', 'TIMESTAMP_INVALID', (bundle) => flip(bundle.timestamps[0]!), { stampedAt: new Date() }],
])('a bundle with another %s is verified, and refused each time', async (_, code, change, wanted) => {
  const verify = policyOf()
  const bundle = await bundleOf(wanted)
  await verify(bundle)
  change(bundle)
  const refusal = await outcome(verify(bundle))
  expect(refusal).toMatchObject({ code })
  expect(await outcome(verify(bundle))).toEqual(refusal)
  expect(await outcome(policyOf()(bundle))).toEqual(refusal)
})

test('a policy with other roots verifies for itself', async () => {
  const bundle = await bundleOf()
  await policyOf()(bundle)
  await expect(policyOf()(bundle, NO_CHECKS)).rejects.toMatchObject({ code: 'CHAIN_TOO_LARGE' })
  await expect(policyOf([await authority('Root')])(bundle)).rejects.toMatchObject({ code: 'CHAIN_NO_PATH' })
})

describe('the current time decides each time', () => {
  const short = { notBefore: inDays(-1), notAfter: inDays(1) }
  test.each<[string, () => Promise<[Issued, Issued, Issued]>]>([
    ['leaf', async () => [await signingLeaf(intermediate, short), intermediate, root]],
    [
      'intermediate',
      async () => {
        const middle = await authority('Intermediate', { ...short, issuer: root })
        return [await signingLeaf(middle, wide), middle, root]
      },
    ],
    [
      'root',
      async () => {
        const top = await authority('Root', short)
        const middle = await authority('Intermediate', { ...wide, issuer: top })
        return [await signingLeaf(middle, wide), middle, top]
      },
    ],
  ])('on the validity of the %s', async (_, make) => {
    const [signer, middle, top] = await make()
    const verify = policyOf([top])
    const bundle = await bundleOf({ chain: [signer, middle] })
    await verify(bundle)
    for (const [now, code] of [
      [inDays(2), 'CERTIFICATE_EXPIRED'],
      [inDays(-2), 'CERTIFICATE_NOT_YET_VALID'],
    ] as const) {
      const refusal = await outcome(verify(bundle, { now }))
      expect(refusal).toMatchObject({ code })
      expect(refusal).toEqual(await outcome(policyOf([top])(bundle, { now })))
    }
    await verify(bundle, NO_CHECKS)
  })

  test('on a timestamp, which must not be in the future', async () => {
    const verify = policyOf()
    const bundle = await bundleOf({ stampedAt: inDays(1) })
    await verify(bundle, { now: inDays(30) })
    await verify(bundle, { now: inDays(30), ...NO_CHECKS })
    const refusal = await outcome(verify(bundle))
    expect(refusal).toMatchObject({ code: 'TIMESTAMP_INVALID' })
    expect(refusal).toEqual(await outcome(policyOf()(bundle)))
  })

  test('on which of two chains counts', async () => {
    const others = { ...wide, keys: intermediate.keys }
    const [rootA, rootB] = [await authority('A', wide), await authority('B', wide)]
    const viaA = await authority('Intermediate', { ...others, issuer: rootA, notAfter: inDays(1) })
    const viaB = await authority('Intermediate', { ...others, issuer: rootB })
    const signer = await signingLeaf(viaA, wide)
    const bundle = await bundleOf({ chain: [signer, viaA, viaB] })
    const verify = policyOf([rootA, rootB])
    const chosen = async (now: Date, by = verify) => (await by(bundle, { now })).signer.rootFingerprint
    const [later, current] = [await chosen(inDays(2)), await chosen(new Date(), policyOf([rootA, rootB]))]
    expect(later).not.toBe(current)
    expect(await chosen(new Date())).toBe(current)
    expect(await chosen(inDays(2))).toBe(later)
    expect(await chosen(new Date())).toBe(current)
  })
})

test('revocation lists decide each time', async () => {
  const verify = policyOf()
  const bundle = await bundleOf()
  const clean = await revocationList(intermediate)
  await verify(bundle, { crls: [clean] })
  await verify(bundle, { crls: [clean], ...NO_CHECKS })
  for (const [code, crls] of [
    ['CERTIFICATE_REVOKED', [await revocationList(intermediate, { revoked: [{ certificate: leaf }] })]],
    ['CERTIFICATE_REVOKED', [clean, await revocationList(root, { revoked: [{ certificate: intermediate }] })]],
    ['CRL_STALE', [await revocationList(intermediate, { thisUpdate: inDays(-9), nextUpdate: inDays(-1) })]],
    ['CRL_MISSING', [await revocationList(root)]],
    ['CRL_INVALID', [clean.subarray(1)]],
  ] as const) {
    const now = new Date()
    const refusal = await outcome(verify(bundle, { crls, now }))
    expect(refusal).toMatchObject({ code })
    expect(refusal).toEqual(await outcome(policyOf()(bundle, { crls, now })))
  }
  await verify(bundle, NO_CHECKS)
})

test('what is remembered is what was verified, even if the bundle changes meanwhile', async () => {
  const verify = policyOf()
  const [good, evil] = [await bundleOf({ stampedAt: new Date() }), await bundleOf({ stampedAt: new Date() })]
  const parts = (bundle: UnverifiedBundle) => [...certificates(bundle), ...bundle.timestamps, bundle.envelope.signature]
  parts(evil).forEach(flip)
  const bytes = parts(evil).map((part) => Buffer.from(part))
  const attempt = verify(evil)
  parts(evil).forEach(flip)
  await expect(attempt).rejects.toThrow()
  parts(evil).forEach((part, index) => bytes[index]!.copy(part))
  await expect(verify(evil)).rejects.toThrow()
  const honest = verify(good)
  parts(good).forEach(flip)
  await honest
  await expect(verify(good)).rejects.toThrow()
  parts(good).forEach(flip)
  await verify(good, NO_CHECKS)
})

test('what a caller does to a result does not reach the next load', async () => {
  const verify = policyOf()
  const bundle = await bundleOf({ stampedAt: new Date() })
  const first = await verify(bundle)
  const parts = ({ signer, time, timestampPath }: typeof first) => JSON.stringify({ signer, time, timestampPath })
  const before = parts(first)
  Object.assign(first.signer, { subject: 'CN=Somebody' })
  ;(first.signer.subjectAltNames as string[]).push('DNS:somebody')
  Object.assign(first.time!, { at: '2001-01-01T00:00:00Z' })
  first.timestampPath!.forEach((der) => der.fill(0))
  expect(parts(await verify(bundle, NO_CHECKS))).toBe(before)
})

test('a caller can abort the load of a bundle that is known', async () => {
  const verify = policyOf()
  const bundle = await bundleOf()
  await verify(bundle)
  await expect(verify(bundle, { effort: new Effort(AbortSignal.abort()) })).rejects.toMatchObject({ code: 'ABORTED' })
})

test('a timestamp of a bundle that was signed with a key is verified once by a policy', async () => {
  const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const key = publicKeyOf(pair.publicKey)
  const signature = sign('sha256', encoded, pair.privateKey)
  const bundle = await written({ publicKey: { hint: key.fingerprint } }, signature, new Date())
  const authorities = [tsa.root.der]
  const verify = (effort: Effort, now = new Date()) =>
    verifyKeyWithin(bundle, key, 'key', { timestampAuthorities: authorities, now, effort })
  await expect(verify(new Effort(undefined, 0))).rejects.toMatchObject({ code: 'TIMESTAMP_INVALID' })
  const { time } = await verify(new Effort())
  expect((await verify(new Effort(undefined, 0))).time).toEqual(time)
  await expect(verify(new Effort(), inDays(-1))).rejects.toMatchObject({ code: 'TIMESTAMP_INVALID' })
  flip(bundle.timestamps[0]!)
  await expect(verify(new Effort())).rejects.toMatchObject({ code: 'TIMESTAMP_INVALID' })
})
