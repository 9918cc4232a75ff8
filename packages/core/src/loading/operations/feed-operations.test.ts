import { generateKeyPairSync } from 'node:crypto'
import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { ErrorCode } from '../../errors.ts'
import { compareFeeds } from '../../policy/advisories/compare-feeds.ts'
import type { FeedEntries } from '../../policy/advisories/feed-entries.ts'
import { keySigner } from '../../signing/methods/key.ts'
import type { Signer } from '../../signing/signer.ts'
import { refusal, scratch } from '../../testing/scratch.ts'
import { addToFeed, createFeedSource, readFeedSource, removeFromFeed } from './edit-feed.ts'
import { signFeed } from './sign-feed.ts'
import { inspectFeed, verifyFeed } from './verify-feed.ts'

const HEX = 'a'.repeat(64)
const COMMIT = 'abcdef0123'.repeat(4)
const FEED = 'https://models.example/advisories'

let directory: string
const at = (name: string) => join(directory, name)
const textOf = (name: string) => readFile(at(name), 'utf8')

beforeEach(async () => {
  directory = scratch()
  await createFeedSource(at('feed.yaml'), { feed: FEED })
})
afterEach(() => void vi.useRealTimers())

async function keyNamed(name: string) {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  await writeFile(at(`${name}.key`), privateKey.export({ type: 'pkcs8', format: 'pem' }))
  await writeFile(at(`${name}.pub`), publicKey.export({ type: 'spki', format: 'pem' }))
  return keySigner({ privateKey: at(`${name}.key`) })
}

const signedBy = async (name: string, more: object = {}) =>
  signFeed(at('feed.yaml'), { signer: await keyNamed(name), output: at('feed.jsonl'), ...more })

test('two versions with the same number are not written one over the other', async () => {
  const signer = await keyNamed('security')
  const sign = (more: object) => signFeed(at('feed.yaml'), { signer, output: at('feed.jsonl'), ...more })
  const signed = await Promise.allSettled([sign({ expires: '1d' }), sign({ expires: '2d' }), sign({ expires: '3d' })])
  const [written, ...others] = signed.toSorted((one, other) => (one.status < other.status ? -1 : 1))
  expect(written?.status).toBe('fulfilled')
  expect(others.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
  for (const other of others) expect((other as PromiseRejectedResult).reason).toEqual(refusal('FILE_CHANGED'))
  expect((await inspectFeed(at('feed.jsonl'))).feed.expires).toBe(
    (written as PromiseFulfilledResult<Awaited<ReturnType<typeof signFeed>>>).value.feed.expires,
  )
})

describe('a source', () => {
  test.each(['yaml', 'json'])('in %s is created, and denies nothing', async (extension) => {
    const path = await createFeedSource(at(`new.${extension}`), { feed: 'a "feed": #1', expires: '12h' })
    expect(await readFeedSource(path)).toEqual({ feed: 'a "feed": #1', expires: '12h', denied: {} })
  })

  test.each<[string, object]>([
    ['a file that exists', { feed: FEED }],
    ['no name', { feed: '' }],
    ['an invalid duration', { feed: FEED, expires: '7 days' }],
  ])('is not created with %s', async (what, options) => {
    const path = at(what === 'a file that exists' ? 'feed.yaml' : 'new.yaml')
    await expect(createFeedSource(path, options as never)).rejects.toEqual(refusal('INVALID_ARGUMENT'))
  })

  test('keeps what several programs add at the same time', async () => {
    const digests = Array.from({ length: 8 }, (_, index) => `${index}`.repeat(64))
    await Promise.all(digests.map((digest) => addToFeed(at('feed.yaml'), { fileDigests: [digest] })))
    const { denied } = await readFeedSource(at('feed.yaml'))
    expect(denied.fileDigests?.toSorted()).toEqual(digests)
  })

  test('keeps comments and the notation of other entries', async () => {
    const written = `feed: ${FEED} # ours\nexpires: 7d\ndenied:\n  keys:\n    - ${HEX} # stolen\n`
    await writeFile(at('feed.yaml'), written)
    await addToFeed(at('feed.yaml'), { keys: ['b'.repeat(64)], rootDigests: [{ digest: HEX, reason: 'bad: "x"' }] })
    expect(await textOf('feed.yaml')).toBe(
      `${written}    - ${'b'.repeat(64)}\n  rootDigests:\n    - digest: ${HEX}\n      reason: 'bad: "x"'\n`,
    )
    await removeFromFeed(at('feed.yaml'), { keys: ['b'.repeat(64)], rootDigests: [`sha256:${HEX}`] })
    expect(await textOf('feed.yaml')).toBe(written)
  })

  test.each(['yaml', 'json'])('in %s has what was added, once', async (extension) => {
    const path = await createFeedSource(at(`new.${extension}`), { feed: FEED })
    const entries = {
      rootDigests: [HEX],
      identities: [{ identity: 'a@models.example', issuer: 'https://issuer.example' }],
      packages: [`pkg:huggingface/acme/vad@${COMMIT.toUpperCase()}`],
    }
    expect(await addToFeed(path, entries)).toMatchObject({ added: [{}, {}, {}], changed: [], removed: [] })
    const again = await addToFeed(path, {
      rootDigests: [{ digest: `sha256:${HEX}`, severity: 'high' }],
      packages: [`PKG:huggingface/ACME/vad@${COMMIT}`],
    })
    expect(again).toMatchObject({ added: [], changed: [{ description: `model sha256:${HEX}` }] })
    const kept = { rootDigests: [{ digest: HEX, reason: 'other' }], keys: [HEX] }
    expect(await addToFeed(path, kept, { replace: false })).toMatchObject({ added: [{ list: 'keys' }], changed: [] })
    await removeFromFeed(path, { keys: [HEX] })
    expect((await readFeedSource(path)).denied).toEqual({
      ...entries,
      rootDigests: [{ digest: `sha256:${HEX}`, severity: 'high' }],
    })
  })

  test('removes every entry that denies the same', async () => {
    await writeFile(
      at('feed.yaml'),
      `feed: f\nexpires: 7d\ndenied: { keys: ["${HEX}", "sha256:${HEX}", "${'b'.repeat(64)}"] }\n`,
    )
    expect((await removeFromFeed(at('feed.yaml'), { keys: [HEX] })).removed).toHaveLength(2)
    expect((await readFeedSource(at('feed.yaml'))).denied).toEqual({ keys: ['b'.repeat(64)] })
  })

  test('names keys by their fingerprint', async () => {
    await keyNamed('stolen')
    await addToFeed(at('feed.yaml'), { keys: [{ file: at('stolen.pub'), reason: 'stolen' }] })
    expect((await readFeedSource(at('feed.yaml'))).denied.keys).toEqual([
      { fingerprint: expect.stringMatching(/^[0-9a-f]{64}$/) as string, reason: 'stolen' },
    ])
    await removeFromFeed(at('feed.yaml'), { keys: [{ file: at('stolen.pub') }] })
    expect((await readFeedSource(at('feed.yaml'))).denied).toEqual({})
  })

  test.each<[string, ErrorCode, FeedEntries]>([
    ['a digest that is none', 'INVALID_ARGUMENT', { rootDigests: ['x'] }],
    ['an unknown list', 'INVALID_ARGUMENT', { models: [HEX] } as never],
    ['no object', 'INVALID_ARGUMENT', 'x' as never],
    ['a package URL that is none', 'INVALID_ARGUMENT', { packages: ['acme/vad'] }],
    ['a bad regular expression', 'INVALID_ARGUMENT', { identities: [{ identity: { regexp: '(' } }] }],
    [
      'an empty period',
      'INVALID_ARGUMENT',
      { keys: [{ fingerprint: HEX, from: '2026-01-02T00:00:00Z', until: '2026-01-01T00:00:00Z' }] },
    ],
    ['a key that is not there', 'FILE_NOT_FOUND', { keys: [{ file: '/nowhere/a.pub' }] }],
  ])('is left alone if %s is added', async (_, code, entries) => {
    const before = await textOf('feed.yaml')
    await expect(addToFeed(at('feed.yaml'), entries)).rejects.toEqual(refusal(code))
    expect(await textOf('feed.yaml')).toBe(before)
  })

  test('is left alone if it does not deny what is removed', async () => {
    await expect(removeFromFeed(at('feed.yaml'), { keys: [HEX] })).rejects.toEqual(
      refusal('ADVISORY_INVALID', { message: expect.stringContaining(`key sha256:${HEX}`) as string }),
    )
  })

  test.each<[string, string]>([
    ['an unknown field', 'feed: f\nexpires: 7d\ndenied: {}\nsequence: 1\n'],
    ['no lists', 'feed: f\nexpires: 7d\n'],
    ['a bad duration', 'feed: f\nexpires: never\ndenied: {}\n'],
    ['a key that names a file', 'feed: f\nexpires: 7d\ndenied: { keys: [{ file: a.pub }] }\n'],
    ['a repeated key', 'feed: f\nfeed: g\nexpires: 7d\ndenied: {}\n'],
    ['no text', ''],
  ])('is refused with %s', async (_, text) => {
    await writeFile(at('feed.yaml'), text)
    await expect(readFeedSource(at('feed.yaml'))).rejects.toEqual(refusal('ADVISORY_INVALID'))
    await expect(signedBy('one')).rejects.toEqual(refusal('ADVISORY_INVALID'))
  })
})

describe('signing', () => {
  test('makes a feed that verifies, with the next number each time', async () => {
    await addToFeed(at('feed.yaml'), { rootDigests: [HEX] })
    const first = await signedBy('one')
    expect(first).toMatchObject({
      output: at('feed.jsonl'),
      signatures: 1,
      added: true,
      feed: { feed: FEED, sequence: 1 },
    })
    expect(first.changes).toBeUndefined()
    expect(Date.parse(first.feed.expires) - Date.parse(first.feed.issued)).toBe(7 * 24 * 60 * 60 * 1_000)
    await addToFeed(at('feed.yaml'), { keys: [HEX] })
    await removeFromFeed(at('feed.yaml'), { rootDigests: [HEX] })
    const second = await signedBy('one', { expires: 'P1M' })
    expect(second).toMatchObject({ feed: { sequence: 2, denied: { keys: [HEX] } }, signatures: 1 })
    expect(second.changes).toMatchObject({ added: [{ list: 'keys' }], removed: [{ list: 'rootDigests' }], changed: [] })
    const verified = await verifyFeed(at('feed.jsonl'), { verifier: { publicKey: at('one.pub') } })
    expect(verified).toMatchObject({ feed: second.feed, signer: { method: 'key' }, signatures: 1 })
    expect((await stat(at('feed.jsonl'))).mode & 0o022).toBe(0)
  })

  test('adds a signature over the same statement', async () => {
    const first = await signedBy('one')
    const second = await signedBy('two', { addSignature: true })
    expect(second).toMatchObject({ feed: first.feed, signatures: 2, added: true })
    const inspected = await inspectFeed(at('feed.jsonl'))
    expect(inspected.feed).toEqual(first.feed)
    expect(inspected.signers.map((signer) => signer?.description)).toEqual([
      first.signer?.description,
      second.signer?.description,
    ])
    for (const name of ['one', 'two'])
      expect(await verifyFeed(at('feed.jsonl'), { verifier: { publicKey: at(`${name}.pub`) } })).toMatchObject({
        signatures: 2,
      })
  })

  test('names the signers of the previous version who have not signed the next one', async () => {
    const one = await keyNamed('one')
    const sign = (signer: Signer, more = {}) => signFeed(at('feed.yaml'), { signer, output: at('feed.jsonl'), ...more })
    const first = await sign(one)
    const two = await keyNamed('two')
    expect(await sign(two)).toMatchObject({ missingSigners: [first.signer?.description] })
    expect(await sign(one, { addSignature: true })).toMatchObject({ missingSigners: [] })
    expect((await sign(one)).missingSigners).toHaveLength(1)
    expect((await sign(one)).missingSigners).toEqual([])
  })

  test('adds the signature of a signer only once', async () => {
    const signer = await keyNamed('one')
    const sign = (more = {}) => signFeed(at('feed.yaml'), { signer, output: at('feed.jsonl'), ...more })
    await sign()
    const before = await textOf('feed.jsonl')
    expect(await sign({ addSignature: true })).toMatchObject({ signatures: 1, added: false })
    expect(await textOf('feed.jsonl')).toBe(before)
  })

  test('adds no signature to a feed that denies something else', async () => {
    await signedBy('one')
    await addToFeed(at('feed.yaml'), { keys: [HEX] })
    await expect(signedBy('two', { addSignature: true })).rejects.toEqual(
      refusal('ADVISORY_INVALID', { found: `a difference about the key sha256:${HEX}` }),
    )
  })

  test('adds no signature to no feed, to one that has expired, and with another time', async () => {
    await expect(signedBy('one', { addSignature: true })).rejects.toEqual(refusal('FILE_NOT_FOUND'))
    await signedBy('one')
    await expect(signedBy('two', { addSignature: true, expires: '9d' })).rejects.toEqual(refusal('INVALID_ARGUMENT'))
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 8 * 24 * 60 * 60 * 1_000 })
    await expect(signedBy('two', { addSignature: true })).rejects.toEqual(refusal('ADVISORY_STALE'))
  })

  test('refuses an output that is something else', async () => {
    await createFeedSource(at('other.yaml'), { feed: 'other' })
    await signedBy('one')
    const signer = await keyNamed('one')
    await expect(signFeed(at('other.yaml'), { signer, output: at('feed.jsonl') })).rejects.toEqual(
      refusal('ADVISORY_INVALID', { expected: '"other"' }),
    )
    for (const [output, code] of [
      ['feed.yaml', 'ADVISORY_INVALID'],
      ['one.key', 'ADVISORY_INVALID'],
    ] as const)
      await expect(signFeed(at('feed.yaml'), { signer, output: at(output) })).rejects.toEqual(refusal(code))
  })

  test.each<[string, ErrorCode]>([
    ['0d', 'ADVISORY_INVALID'],
    ['999999w', 'ADVISORY_INVALID'],
    ['soon', 'INVALID_ARGUMENT'],
    ['9999999d', 'INVALID_ARGUMENT'],
  ])('refuses to be valid for %s', async (expires, code) => {
    await expect(signedBy('one', { expires })).rejects.toEqual(refusal(code))
    await expect(textOf('feed.jsonl')).rejects.toHaveProperty('code', 'ENOENT')
  })
})

describe('verifying', () => {
  test('refuses another signer, a changed statement and an expired version', async () => {
    await signedBy('one')
    await keyNamed('other')
    const verify = (name: string) => verifyFeed(at('feed.jsonl'), { verifier: { publicKey: at(`${name}.pub`) } })
    await expect(verify('other')).rejects.toEqual(refusal('KEY_MISMATCH'))
    const bundle = JSON.parse(await textOf('feed.jsonl')) as { dsseEnvelope: { payload: string } }
    const { payload } = bundle.dsseEnvelope
    const spaced = Buffer.from(JSON.stringify(JSON.parse(Buffer.from(payload, 'base64').toString()), null, 1))
    bundle.dsseEnvelope.payload = spaced.toString('base64')
    await writeFile(at('feed.jsonl'), JSON.stringify(bundle))
    await expect(verify('one')).rejects.toEqual(refusal('SIGNATURE_INVALID'))
    bundle.dsseEnvelope.payload = payload
    await writeFile(at('feed.jsonl'), JSON.stringify(bundle))
    await expect(verify('one')).resolves.toBeDefined()
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 7 * 24 * 60 * 60 * 1_000 })
    await expect(verify('one')).rejects.toEqual(refusal('ADVISORY_STALE'))
  })

  test('says what is wrong with the signature of the right signer', async () => {
    await signedBy('one')
    await signedBy('two', { addSignature: true })
    const [first = '', second = ''] = (await textOf('feed.jsonl')).split('\n')
    const forged = JSON.parse(first) as { dsseEnvelope: { signatures: { sig: string }[] } }
    forged.dsseEnvelope.signatures[0]!.sig = Buffer.alloc(70, 1).toString('base64')
    await writeFile(at('feed.jsonl'), `${JSON.stringify(forged)}\n${second}\n`)
    await expect(verifyFeed(at('feed.jsonl'), { verifier: { publicKey: at('one.pub') } })).rejects.toEqual(
      refusal('SIGNATURE_INVALID'),
    )
    await expect(verifyFeed(at('feed.jsonl'), { verifier: { publicKey: at('two.pub') } })).resolves.toBeDefined()
  })
})

test('compares feeds whatever their notation', async () => {
  const before = { keys: [HEX], rootDigests: [`sha256:${HEX}`], claims: [{ digest: HEX, reason: 'a' }] }
  const after = { keys: [`SHA256:${HEX}`], rootDigests: ['b'.repeat(64)], claims: [{ digest: HEX, reason: 'b' }] }
  expect(await compareFeeds({ denied: before }, { denied: after })).toMatchObject({
    added: [{ list: 'rootDigests', description: `model sha256:${'b'.repeat(64)}` }],
    removed: [{ list: 'rootDigests', description: `model sha256:${HEX}` }],
    changed: [{ list: 'claims', description: `attestation sha256:${HEX}` }],
  })
})
