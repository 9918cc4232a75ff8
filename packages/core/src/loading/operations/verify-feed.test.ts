import { sign } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import { writeBundle } from '../../bundle/bundle.ts'
import { IN_TOTO_PAYLOAD_TYPE, preAuthEncoding } from '../../bundle/dsse.ts'
import { certificateSigner } from '../../signing/methods/certificate.ts'
import { keySigner } from '../../signing/methods/key.ts'
import type { Signer } from '../../signing/signer.ts'
import { authority, pemOf, privateKeyPem, signingLeaf } from '../../testing/authority.ts'
import { bundleOver, encoded, keyPair } from '../../testing/bundles.ts'
import { pem } from '../../testing/feeds.ts'
import { refusal } from '../../testing/scratch.ts'
import { TestSite } from '../../testing/site.ts'
import { timestamp, timestampAuthority } from '../../testing/timestamp.ts'
import { writeFeedStatement } from '../../policy/advisories/feed-statement.ts'
import { createFeedSource } from './edit-feed.ts'
import { signFeed } from './sign-feed.ts'
import { inspectFeed, verifyFeed } from './verify-feed.ts'

let site: TestSite
let certificate: Signer
const keys: Record<string, Signer> = {}
const HOUR = 3_600_000

beforeAll(async () => {
  site = await TestSite.make()
  for (const name of ['one', 'two', 'stranger']) {
    await site.key(name)
    keys[name] = await keySigner({ privateKey: site.file(`${name}.key`) })
  }
  const root = await authority('Root')
  await site.write('root.pem', pemOf(root))
  await site.write('other-root.pem', pemOf(await authority('Other')))
  const leaf = await signingLeaf(root)
  certificate = await certificateSigner({
    privateKey: await site.write('leaf.key', await privateKeyPem(leaf)),
    certificate: await site.write('leaf.pem', pemOf(leaf)),
  })
})
afterAll(() => site.remove())
afterEach(() => void vi.useRealTimers())

let feeds = 0

/** @returns the path of a feed that these signers signed, in this order */
async function feedBy(...signers: Signer[]): Promise<string> {
  const name = `feed-${++feeds}`
  await createFeedSource(site.file(`${name}.yaml`), { feed: 'acme', expires: '30d' })
  const output = site.file(`${name}.jsonl`)
  for (const [index, signer] of signers.entries())
    await signFeed(site.file(`${name}.yaml`), { signer, output, addSignature: index > 0 })
  return output
}

/** Makes the signature in a line invalid. */
async function forge(path: string, line: number): Promise<void> {
  const lines = (await readFile(path, 'utf8')).trimEnd().split('\n')
  const bundle = JSON.parse(lines[line] ?? '') as { dsseEnvelope: { signatures: { sig: string }[] } }
  bundle.dsseEnvelope.signatures[0]!.sig = Buffer.alloc(70, 1).toString('base64')
  lines[line] = JSON.stringify(bundle)
  await writeFile(path, `${lines.join('\n')}\n`)
}

const key = (name: string) => ({ verifier: { publicKey: site.file(`${name}.pub`) } })
const underRoot = (name = 'root') => ({ verifier: { certificateChain: [site.file(`${name}.pem`)] } })

test('the signature of the named signer is found wherever it is', async () => {
  const path = await feedBy(keys['stranger']!, certificate, keys['one']!)
  expect(await verifyFeed(path, key('one'))).toMatchObject({ signer: { method: 'key' }, signatures: 3 })
  const verified = await verifyFeed(path, underRoot())
  expect(verified).toMatchObject({ feed: { feed: 'acme', sequence: 1 }, signer: { method: 'certificate' } })
  expect(verified).not.toHaveProperty('time')
})

test('a signature by another signer does not count, whatever kind it is', async () => {
  const byKey = await feedBy(keys['stranger']!)
  await expect(verifyFeed(byKey, key('one'))).rejects.toEqual(refusal('KEY_MISMATCH'))
  await expect(verifyFeed(byKey, underRoot())).rejects.toEqual(refusal('METHOD_MISMATCH'))
  const byCertificate = await feedBy(certificate)
  await expect(verifyFeed(byCertificate, key('one'))).rejects.toEqual(refusal('METHOD_MISMATCH'))
  await expect(verifyFeed(byCertificate, underRoot('other-root'))).rejects.toEqual(refusal('CHAIN_NO_PATH'))
})

test('what is wrong with the signature of the named signer is said, wherever the others are', async () => {
  for (const signers of [
    ['one', 'two'],
    ['two', 'one'],
  ]) {
    const path = await feedBy(...signers.map((name) => keys[name]!))
    await forge(path, signers.indexOf('one'))
    await expect(verifyFeed(path, key('one'))).rejects.toEqual(refusal('SIGNATURE_INVALID'))
    expect(await verifyFeed(path, key('two'))).toMatchObject({ signatures: 2 })
  }
})

test('with several reasons, the first one about the named signer is said', async () => {
  const path = await feedBy(keys['one']!, certificate)
  await forge(path, 0)
  await expect(verifyFeed(path, key('one'))).rejects.toEqual(refusal('SIGNATURE_INVALID'))
})

test('a signer that cannot be read refuses every feed', async () => {
  const path = await feedBy(keys['one']!)
  await expect(verifyFeed(path, key('missing'))).rejects.toEqual(
    refusal('FILE_NOT_FOUND', { file: site.file('missing.pub') }),
  )
  await expect(verifyFeed(path, { verifier: { certificateChain: [] } })).rejects.toEqual(refusal('INVALID_ARGUMENT'))
})

/** A feed with any times, which `signFeed` would not sign. */
async function feedWithTimes(issued: number, expires: number): Promise<{ path: string; publicKey: string }> {
  const pair = keyPair()
  const at = (time: number) => new Date(Date.now() + time).toISOString()
  const content = { feed: 'acme', sequence: 1, issued: at(issued), expires: at(expires), denied: {} }
  const line = JSON.stringify(JSON.parse(bundleOver(writeFeedStatement(content), pair).toString()))
  const name = `feed-${++feeds}`
  return { path: await site.write(`${name}.jsonl`, `${line}\n`), publicKey: await site.write(`${name}.pub`, pem(pair)) }
}

test('the time of the signature is told if its authority is trusted', async () => {
  const pair = keyPair()
  const { root, signer } = await timestampAuthority()
  const at = (time: number) => new Date(Date.now() + time).toISOString()
  const content = { feed: 'acme', sequence: 1, issued: at(-HOUR), expires: at(HOUR), denied: {} }
  const payload = writeFeedStatement(content)
  const signature = sign('sha256', preAuthEncoding(IN_TOTO_PAYLOAD_TYPE, payload), pair.privateKey)
  const signedTimestamp = (await timestamp(signer, signature)).toString('base64')
  const material = {
    publicKey: { hint: pair.publicKey.fingerprint },
    timestampVerificationData: { rfc3161Timestamps: [{ signedTimestamp }] },
    tlogEntries: [],
  }
  const bundle = writeBundle(material, { payloadType: IN_TOTO_PAYLOAD_TYPE, payload, signature })
  const path = await site.write('stamped.jsonl', `${JSON.stringify(JSON.parse(bundle.toString()))}\n`)
  const publicKey = await site.write('stamped.pub', pem(pair))
  const timestampAuthorities = [await site.write('tsa.pem', pemOf(root))]
  expect(await verifyFeed(path, { verifier: { publicKey, timestampAuthorities } })).toMatchObject({
    time: { source: 'rfc3161' },
  })
})

test('a version expires at the time that it states', async () => {
  const { path, publicKey } = await feedWithTimes(-HOUR, HOUR)
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() })
  const { feed } = await verifyFeed(path, { verifier: { publicKey } })
  vi.setSystemTime(Date.parse(feed.expires) - 1)
  expect(await verifyFeed(path, { verifier: { publicKey } })).toMatchObject({ feed: { feed: 'acme' } })
  vi.setSystemTime(Date.parse(feed.expires))
  await expect(verifyFeed(path, { verifier: { publicKey } })).rejects.toEqual(
    refusal('ADVISORY_STALE', {
      file: path,
      expected: 'a version that is still valid',
      found: `one that expired at ${feed.expires}`,
    }),
  )
})

test('that a version has expired is reported, whatever is wrong with another signature by the same signer', async () => {
  const path = await feedBy(keys['one']!)
  const valid = await readFile(path, 'utf8')
  await forge(path, 0)
  await writeFile(path, `${await readFile(path, 'utf8')}${valid}`)
  expect(await verifyFeed(path, key('one'))).toMatchObject({ signatures: 2 })
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 31 * 24 * HOUR })
  await expect(verifyFeed(path, key('one'))).rejects.toEqual(refusal('ADVISORY_STALE'))
})

test('a version from the future is refused', async () => {
  const { path, publicKey } = await feedWithTimes(25 * HOUR, 50 * HOUR)
  await expect(verifyFeed(path, { verifier: { publicKey } })).rejects.toEqual(refusal('ADVISORY_STALE', { file: path }))
  const soon = await feedWithTimes(23 * HOUR, 50 * HOUR)
  expect(await verifyFeed(soon.path, { verifier: { publicKey: soon.publicKey } })).toMatchObject({ signatures: 1 })
})

test.each<[string, object, string]>([
  ['neither a policy nor a verifier', {}, 'neither'],
  ['both', { policy: 'p.yaml', verifier: { publicKey: 'a.pub' } }, 'both'],
])('it must be said who must have signed: not by %s', async (_, options, found) => {
  await expect(verifyFeed('feed.jsonl', options as never)).rejects.toEqual(
    refusal('INVALID_ARGUMENT', { expected: 'either "verifier" or "policy"', found }),
  )
})

test('reading a feed can be abandoned', async () => {
  const path = await feedBy(keys['one']!)
  const abandoned = verifyFeed(path, { ...key('one'), signal: AbortSignal.abort() })
  await expect(abandoned).rejects.toEqual(refusal('ABORTED'))
  // Nothing is read.
  const missing = verifyFeed(site.file('missing.jsonl'), { ...key('one'), signal: AbortSignal.abort() })
  await expect(missing).rejects.toEqual(refusal('ABORTED'))
})

test('inspecting shows the signer that each signature names, as far as it names one', async () => {
  const path = await feedBy(keys['one']!, certificate)
  const { feed, signers } = await inspectFeed(path)
  expect(feed).toMatchObject({ feed: 'acme' })
  expect(signers).toMatchObject([
    { fingerprint: expect.stringMatching(/^[0-9a-f]{64}$/) as string },
    { subject: 'CN=Signer' },
  ])
  const other = await site.write(
    'other.jsonl',
    `${JSON.stringify(JSON.parse(bundleOver(encoded({}), keyPair()).toString()))}\n`,
  )
  await expect(inspectFeed(other)).rejects.toEqual(refusal('ADVISORY_INVALID', { file: other }))
})
