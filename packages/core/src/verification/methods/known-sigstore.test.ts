import { beforeAll, describe, expect, test } from 'vitest'
import type { UnverifiedBundle } from '../../bundle/bundle.ts'
import type { SigstoreMaterial } from '../../bundle/materials/sigstore.ts'
import { parsed, TestSigstore, type BundleJson } from '../../testing/sigstore.ts'
import type { ModelSealError } from '../../errors.ts'
import { Effort } from '../effort.ts'
import type { SigstoreTrust } from '../sigstore/trust.ts'
import { verifiedSignature } from '../verified-signature.ts'
import { verifySigstoreWithin } from './known-sigstore.ts'

const sigstore = new TestSigstore()
const minutes = (count: number) => new Date(sigstore.at.getTime() + count * 60_000)
let trust: SigstoreTrust
let json: Record<'v1' | 'v2', BundleJson>

beforeAll(async () => {
  trust = await sigstore.trust()
  json = {
    v1: await sigstore.json({ rekor: 'v1', stampedAt: minutes(0) }),
    v2: await sigstore.json({ rekor: 'v2', stampedAt: minutes(0) }),
  }
})

interface Circumstances {
  by?: SigstoreTrust
  now?: Date
  effort?: Effort
}

const NO_CHECKS = { effort: new Effort(undefined, 0) }

async function verify(
  bundle: UnverifiedBundle,
  { by = trust, now = minutes(1), effort = new Effort() }: Circumstances = {},
) {
  return verifiedSignature(await verifySigstoreWithin(bundle, by, 'ours', { now, effort }), undefined)
}

const outcome = (attempt: Promise<unknown>) =>
  attempt.then(
    () => 'accepted',
    (error: unknown) => {
      const { code, message, expected, found } = error as ModelSealError
      return { code, message, expected, found }
    },
  )

test.each(['v1', 'v2'] as const)('a bundle with Rekor %s is verified once by a policy', async (rekor) => {
  const by = await sigstore.trust()
  await expect(verify(parsed(json[rekor]), { by, ...NO_CHECKS })).rejects.toMatchObject({ code: 'CHAIN_TOO_LARGE' })
  const first = await verify(parsed(json[rekor]), { by })
  const again = await verify(parsed(json[rekor]), { by, ...NO_CHECKS })
  expect(again).toEqual(first)
  expect(again.manifest).not.toBe(first.manifest)
  await expect(verify(parsed(json[rekor]), { by: await sigstore.trust(), ...NO_CHECKS })).rejects.toMatchObject({
    code: 'CHAIN_TOO_LARGE',
  })
})

test('a trusted root of another instance verifies for itself', async () => {
  await verify(parsed(json.v1))
  const by = await new TestSigstore().trust()
  await expect(verify(parsed(json.v1), { by })).rejects.toMatchObject({ code: 'LOG_UNTRUSTED' })
})

/** Changes a byte of a value in base64. */
function flip(of: BundleJson, name: string, at = -1): void {
  const bytes = Buffer.from(of[name], 'base64')
  bytes[bytes.length + at]! ^= 1
  of[name] = bytes.toString('base64')
}

const entry = (bundle: BundleJson) => bundle.verificationMaterial.tlogEntries[0]
const stamps = (bundle: BundleJson) => bundle.verificationMaterial.timestampVerificationData.rfc3161Timestamps

/** Signed certificate timestamps (RFC 6962 3.3), from the end of the certificate. */
function inTimestampOfLog(certificate: { rawBytes: string }): number {
  const der = Buffer.from(certificate.rawBytes, 'base64')
  const id = Buffer.from('060a2b06010401d679020402', 'hex')
  expect(der.includes(id)).toBe(true)
  return der.indexOf(id) + id.length + 30 - der.length
}

test.each<[string, string, (json: BundleJson) => unknown]>([
  ['signature', 'TIMESTAMP_INVALID', (json) => flip(json.dsseEnvelope.signatures[0], 'sig')],
  ['payload', 'LOG_ENTRY_MISMATCH', (json) => flip(json.dsseEnvelope, 'payload', -9)],
  ['certificate', 'CHAIN_NO_PATH', (json) => flip(json.verificationMaterial.certificate, 'rawBytes')],
  [
    'signed certificate timestamp',
    'CHAIN_NO_PATH',
    ({ verificationMaterial: { certificate } }) => flip(certificate, 'rawBytes', inTimestampOfLog(certificate)),
  ],
  ['timestamp', 'TIMESTAMP_INVALID', (json) => flip(stamps(json)[0], 'signedTimestamp')],
  ['number of timestamps', 'TIMESTAMP_INVALID', (json) => stamps(json).push(...stamps(json))],
  ['log', 'LOG_UNTRUSTED', (json) => flip(entry(json).logId, 'keyId')],
  ['index', 'LOG_INCLUSION_INVALID', (json) => (entry(json).logIndex = '7')],
  ['time of the entry', 'LOG_INCLUSION_INVALID', (json) => (entry(json).integratedTime = `${+minutes(0) / 1000 + 1}`)],
  ['promise of the log', 'LOG_INCLUSION_INVALID', (json) => flip(entry(json).inclusionPromise, 'signedEntryTimestamp')],
  ['root hash', 'LOG_INCLUSION_INVALID', (json) => flip(entry(json).inclusionProof, 'rootHash')],
  ['size of the tree', 'LOG_INCLUSION_INVALID', (json) => (entry(json).inclusionProof.treeSize = '2')],
  [
    'checkpoint',
    'LOG_INCLUSION_INVALID',
    (json) => {
      const { checkpoint } = entry(json).inclusionProof
      checkpoint.envelope = checkpoint.envelope.replace('\n1\n', '\n2\n')
    },
  ],
  ['body', 'LOG_INCLUSION_INVALID', (json) => flip(entry(json), 'canonicalizedBody', -3)],
  ['kind of entry', 'LOG_ENTRY_MISMATCH', (json) => (entry(json).kindVersion.version = '0.0.2')],
])('a bundle with another %s is verified, and refused each time', async (_, code, change) => {
  await verify(parsed(json.v1))
  const changed = structuredClone(json.v1)
  change(changed)
  const refusal = await outcome(verify(parsed(changed)))
  expect(refusal).toMatchObject({ code })
  expect(await outcome(verify(parsed(changed)))).toEqual(refusal)
  expect(await outcome(verify(parsed(changed), { by: await sigstore.trust() }))).toEqual(refusal)
})

test.each<[string, (bundle: UnverifiedBundle) => unknown]>([
  ['certificate', ({ material }) => ((material as SigstoreMaterial).certificate[9]! ^= 1)],
  ['payload', ({ envelope }) => (envelope.payload[9]! ^= 1)],
  ['signature', ({ envelope }) => (envelope.signature[9]! ^= 1)],
])('a bundle with another %s than its JSON is verified, and refused', async (_, change) => {
  await verify(parsed(json.v1))
  const bundle = parsed(json.v1)
  change(bundle)
  await expect(verify(bundle)).rejects.toMatchObject({ name: 'ModelSealError' })
})

test('a bundle with the same texts in other places is verified, and refused', async () => {
  await verify(parsed(json.v1))
  const changed = structuredClone(json.v1)
  const { inclusionProof, canonicalizedBody, ...rest } = entry(changed)
  const texts = Object.keys(entry(changed))
  expect(texts.slice(-2)).toEqual(['inclusionProof', 'canonicalizedBody'])
  changed.verificationMaterial.tlogEntries[0] = { ...rest, inclusionProof: { ...inclusionProof, canonicalizedBody } }
  await expect(verify(parsed(changed))).rejects.toMatchObject({ name: 'ModelSealError' })
})

test('a bundle is remembered separately under each name', async () => {
  await verify(parsed(json.v1))
  const occasion = { now: minutes(1), effort: new Effort() }
  expect((await verifySigstoreWithin(parsed(json.v1), trust, 'theirs', occasion)).signer.name).toBe('theirs')
})

test('a bundle may state null, as some writers of JSON do', async () => {
  expect((await verify(parsed({ ...json.v1, messageSignature: null }))).signer.name).toBe('ours')
})

test('a bundle of another method is refused', async () => {
  const key = { ...json.v1, verificationMaterial: { publicKey: { hint: 'ab' }, tlogEntries: [] } }
  await expect(verify(parsed(key))).rejects.toMatchObject({ code: 'METHOD_MISMATCH', signer: 'ours' })
})

describe('the current time decides each time', () => {
  test('on every time of a bundle', async () => {
    const stamped = parsed(await sigstore.json({ rekor: 'v1', stampedAt: minutes(3) }))
    await verify(stamped, { now: minutes(3) })
    await verify(stamped, { now: minutes(-2), ...NO_CHECKS })
    await expect(verify(stamped, { now: minutes(-3) })).rejects.toMatchObject({ code: 'TIMESTAMP_INVALID' })
  })

  test('on a time in the future', async () => {
    await verify(parsed(json.v2))
    const now = minutes(-6)
    const refusal = await outcome(verify(parsed(json.v2), { now }))
    expect(refusal).toMatchObject({ code: 'TIMESTAMP_INVALID' })
    expect(refusal).toEqual(await outcome(verify(parsed(json.v2), { by: await sigstore.trust(), now })))
    await verify(parsed(json.v2), { now: minutes(-5), ...NO_CHECKS })
    await verify(parsed(json.v2), { now: minutes(1_000_000), ...NO_CHECKS })
  })

  test('on no time at all', async () => {
    await verify(parsed(json.v2))
    const now = new Date(NaN)
    await expect(verify(parsed(json.v2), { now })).rejects.toThrow()
  })
})

test('what is remembered is what was verified, even if the bundle changes meanwhile', async () => {
  const by = await sigstore.trust()
  const bundle = parsed(json.v1)
  const parts = ({ envelope, material }: UnverifiedBundle) => [
    envelope.payload,
    envelope.signature,
    (material as SigstoreMaterial).certificate,
  ]
  const flipAll = () => parts(bundle).forEach((part) => (part[part.length - 1]! ^= 1))
  flipAll()
  const attempt = verify(bundle, { by })
  flipAll()
  await expect(attempt).rejects.toThrow()
  flipAll()
  await expect(verify(bundle, { by })).rejects.toThrow()
  flipAll()
  const honest = verify(bundle, { by })
  flipAll()
  Object.assign((bundle.json as BundleJson).dsseEnvelope, { payload: '' })
  await honest
  await expect(verify(bundle, { by })).rejects.toThrow()
  await verify(parsed(json.v1), { by, ...NO_CHECKS })
})

test('what a caller does to a result does not reach the next load', async () => {
  const first = await verify(parsed(json.v1))
  const before = JSON.stringify({ ...first.signer, time: first.time })
  Object.assign(first.signer, { identity: 'somebody' })
  Object.assign(first.signer.extensions, { sourceRepositoryUri: 'https://example.org' })
  Object.assign(first.signer.trustRoot, { name: 'another' })
  Object.assign(first.time!, { at: '2001-01-01T00:00:00Z' })
  const next = await verify(parsed(json.v1), NO_CHECKS)
  expect(JSON.stringify({ ...next.signer, time: next.time })).toBe(before)
})

test('a method on Object.prototype does not hide a change', async () => {
  await verify(parsed(json.v1))
  const changed = structuredClone(json.v1)
  entry(changed).logIndex = '7'
  const bundle = parsed(changed)
  Object.defineProperty(Object.prototype, 'toJSON', { configurable: true, value: () => 'the same' })
  try {
    await expect(verify(bundle)).rejects.toMatchObject({ code: 'LOG_INCLUSION_INVALID' })
  } finally {
    Reflect.deleteProperty(Object.prototype, 'toJSON')
  }
})

test('a caller can abort the load of a bundle that is known', async () => {
  await verify(parsed(json.v1))
  const effort = new Effort(AbortSignal.abort())
  await expect(verify(parsed(json.v1), { effort })).rejects.toMatchObject({ code: 'ABORTED' })
})
