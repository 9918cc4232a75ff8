import { createPublicKey, generateKeyPairSync, sign } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { IN_TOTO_PAYLOAD_TYPE, preAuthEncoding, type Envelope } from '../bundle/dsse.ts'
import { judgeModel } from '../loading/operations/judge-model.ts'
import { openVerifiedModel } from '../loading/open-verified-model.ts'
import { loadPolicy } from '../policy/load-policy.ts'
import { atOnce } from '../source/turns.ts'
import { TestSite } from '../testing/site.ts'
import { isSignedBy } from '../x509/key-algorithms.ts'
import { isKnownOrValid } from './known-signatures.ts'

vi.mock('../x509/key-algorithms.ts', { spy: true })

let site: TestSite
beforeAll(async () => {
  site = await TestSite.make()
  for (const name of ['a', 'b']) await site.key(name)
  await site.signedModel('model')
})
afterAll(() => site.remove())
beforeEach(() => void vi.mocked(isSignedBy).mockClear())

/** How often a signature was verified since the last call. */
function verified(): number {
  const { length } = vi.mocked(isSignedBy).mock.calls
  vi.mocked(isSignedBy).mockClear()
  return length
}

async function policy(more = {}, key: unknown = 'a.pub') {
  const signers = [{ key: 'publisher' }]
  const trustRoots = { publisher: { publicKey: key } }
  return loadPolicy(
    await site.policy({ version: 1, trustRoots, rules: [{ name: 'all', match: { path: '**' }, signers }], ...more }),
  )
}

async function judged(trust: Awaited<ReturnType<typeof policy>>, model = 'model'): Promise<string> {
  const { decision, error } = await judgeModel(site.file(model), { policy: trust })
  return error ? error.code : decision
}

test('the same bundle is verified once by a policy', async () => {
  const trust = await policy()
  expect(await judged(trust)).toBe('accepted')
  expect(verified()).toBe(1)
  expect(await judged(trust)).toBe('accepted')
  expect(verified()).toBe(0)
})

test('a policy that was read again verifies again, and one with another key refuses', async () => {
  expect(await judged(await policy())).toBe('accepted')
  expect(await judged(await policy())).toBe('accepted')
  expect(verified()).toBe(2)
  expect(await judged(await policy({}, 'b.pub'))).toBe('SIGNER_NOT_TRUSTED')
})

test('a bundle with another signature, or another statement, is verified and refused', async () => {
  const trust = await policy()
  for (const changed of ['signature', 'payload']) {
    await site.signedModel(changed)
    expect(await judged(trust, changed)).toBe('accepted')
    const bundle = JSON.parse(await readFile(site.file(`${changed}.sig`), 'utf8'))
    const { dsseEnvelope: envelope } = bundle
    const bytes = Buffer.from(changed === 'payload' ? envelope.payload : envelope.signatures[0].sig, 'base64')
    bytes[bytes.length - 20]! ^= 1
    if (changed === 'payload') envelope.payload = bytes.toString('base64')
    else envelope.signatures[0].sig = bytes.toString('base64')
    await site.write(`${changed}.sig`, JSON.stringify(bundle))
    verified()
    expect(await judged(trust, changed)).toBe('SIGNATURE_INVALID')
    expect(verified()).toBe(1)
    expect(await judged(trust, changed)).toBe('SIGNATURE_INVALID')
    expect(verified()).toBe(1)
  }
})

test('the end of the validity of a key refuses a signature that was valid before', async () => {
  const trust = await policy({}, [{ file: 'a.pub', notAfter: new Date(Date.now() + 3_600_000).toISOString() }])
  expect(await judged(trust)).toBe('accepted')
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 7_200_000 })
  try {
    expect(await judged(trust)).toBe('KEY_OUTSIDE_VALIDITY')
  } finally {
    vi.useRealTimers()
  }
})

test('a revocation refuses a signature that was valid before', async () => {
  const rootDigest = await site.signedModel('revoked')
  expect(await judged(await policy(), 'revoked')).toBe('accepted')
  const revoking = await policy({ revoked: { rootDigests: [rootDigest] } })
  expect(await judged(revoking, 'revoked')).toBe('MODEL_REVOKED')
})

test('what a caller does to a manifest does not reach the next load', async () => {
  const trust = await policy()
  const open = () => openVerifiedModel(site.file('model'), { policy: trust })
  const { manifest } = await open()
  const before = structuredClone(manifest!.resources)
  for (const resource of manifest!.resources) Object.assign(resource, { digest: '0'.repeat(64) })
  Object.assign(manifest!.serialization, { hashType: 'blake3' })
  verified()
  expect((await open()).manifest!.resources).toEqual(before)
  expect(verified()).toBe(0)
})

const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' })

function envelopeOf(text: string): Envelope {
  const payload = Buffer.from(text)
  const encoded = preAuthEncoding(IN_TOTO_PAYLOAD_TYPE, payload)
  return { payloadType: IN_TOTO_PAYLOAD_TYPE, payload, signature: sign('sha256', encoded, pair.privateKey) }
}

const holds = (envelope: Envelope, key = pair.publicKey) => atOnce(isKnownOrValid(envelope, key))

test('remembers the 1,024 most recently used signatures of a key', () => {
  const envelopes = Array.from({ length: 1_025 }, (_, index) => envelopeOf(`${index}`))
  for (const envelope of envelopes.slice(0, 1_024)) expect(holds(envelope)).toBe(true)
  verified()
  expect(holds(envelopes[0]!)).toBe(true)
  expect(verified()).toBe(0)
  expect(holds(envelopes[1_024]!)).toBe(true)
  expect(holds(envelopes[0]!)).toBe(true)
  expect(verified()).toBe(1)
  expect(holds(envelopes[1]!)).toBe(true)
  expect(verified()).toBe(1)
})

test('a long payload and an invalid signature are not remembered', () => {
  const long = envelopeOf('x'.repeat(256 * 1024 + 1))
  const invalid = { ...envelopeOf('a'), payload: Buffer.from('b') }
  for (const [envelope, valid] of [
    [long, true],
    [invalid, false],
  ] as const)
    for (let time = 0; time < 2; time++) {
      expect(holds(envelope)).toBe(valid)
      expect(verified()).toBe(1)
    }
})

test('a payload of 256 KiB is remembered', () => {
  const longest = envelopeOf('x'.repeat(256 * 1024))
  expect([holds(longest), holds(longest)]).toEqual([true, true])
  expect(verified()).toBe(1)
})

test('another object with the same key verifies for itself', () => {
  const envelope = envelopeOf('object')
  expect(holds(envelope)).toBe(true)
  expect(holds(envelope, createPublicKey(pair.publicKey.export({ type: 'spki', format: 'pem' })))).toBe(true)
  expect(verified()).toBe(2)
})

test('what is remembered is what was verified, even if the payload changes meanwhile', async () => {
  const { isSignedBy: actual } = await vi.importActual<{ isSignedBy: typeof isSignedBy }>('../x509/key-algorithms.ts')
  const [good, evil] = [envelopeOf('good'), Buffer.from('evil')]
  const envelope = { ...good, payload: Buffer.from(evil) }
  vi.mocked(isSignedBy).mockImplementationOnce(function* (...given) {
    good.payload.copy(envelope.payload)
    const valid = yield* actual(...given)
    evil.copy(envelope.payload)
    return valid
  })
  expect(holds(envelope)).toBe(false)
  expect(holds(envelope)).toBe(false)
  expect(holds(good)).toBe(true)
})
