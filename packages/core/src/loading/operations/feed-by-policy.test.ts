import { mkdir, rm } from 'node:fs/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { readFeedFile } from '../../policy/advisories/feed-file.ts'
import { loadPolicy } from '../../policy/load-policy.ts'
import type { CompiledPolicy } from '../../policy/policy.ts'
import { certificateSigner } from '../../signing/methods/certificate.ts'
import { keySigner } from '../../signing/methods/key.ts'
import type { Signer } from '../../signing/signer.ts'
import { authority, inDays, pemOf, privateKeyPem, signingLeaf, type Issued } from '../../testing/authority.ts'
import { refusal } from '../../testing/scratch.ts'
import { IDENTITY, ISSUER, TestSigstore } from '../../testing/sigstore.ts'
import { TestSite } from '../../testing/site.ts'
import { createFeedSource } from './edit-feed.ts'
import { verifyFeedByPolicy } from './feed-by-policy.ts'
import { judgeModel } from './judge-model.ts'
import { signFeed } from './sign-feed.ts'
import { verifyFeed } from './verify-feed.ts'

// What verifyFeed() says by a policy is also what a load says that follows the feed by this policy.

let site: TestSite
let fingerprint: string
const sigstore = new TestSigstore()
const signers: Record<string, Signer> = {}
const DAY = 24 * 3_600_000
const SUBJECT = 'CN=Security'
const CERTIFICATE = { certificate: { root: 'acme', subject: SUBJECT } }
const KEYLESS = { sigstore: { root: 'ours', issuer: ISSUER, identity: IDENTITY } }
const KEY = { key: 'security' }

beforeAll(async () => {
  site = await TestSite.make()
  await site.key('a')
  await site.signedModel('model')
  fingerprint = await site.key('security')
  await site.key('stranger')
  const root = await authority('Root', { notAfter: inDays(400) })
  await site.write('root.pem', pemOf(root))
  await site.write('sigstore.json', JSON.stringify(await sigstore.root()))
  const leaf = await signingLeaf(root, { subject: 'Security', notAfter: inDays(2) })
  await site.write('leaf.pem', pemOf(leaf))
  const keyed = (name: string) => keySigner({ privateKey: site.file(`${name}.key`) })
  Object.assign(signers, {
    key: await keyed('security'),
    stranger: await keyed('stranger'),
    certificate: await certified(leaf, 'leaf'),
    'another certificate': await certified(await signingLeaf(root, { subject: 'Sales' }), 'sales'),
    'certificate of another authority': await certified(
      await signingLeaf(await authority('Root'), { subject: 'Security' }),
      'other',
    ),
    keyless: sigstore.signer(),
    'another identity': sigstore.signer({ identity: 'https://example.com/another' }),
  })
})
afterAll(() => site.remove())

beforeEach(async () => {
  await mkdir(site.file('cache'), { mode: 0o700 })
  vi.stubEnv('MODELSEAL_CACHE', site.file('cache'))
})
afterEach(async () => {
  vi.unstubAllEnvs()
  vi.useRealTimers()
  await rm(site.file('cache'), { recursive: true })
})

async function certified(leaf: Issued, name: string): Promise<Signer> {
  const certificate = await site.write(`${name}.pem`, pemOf(leaf))
  return certificateSigner({ privateKey: await site.write(`${name}.key`, await privateKeyPem(leaf)), certificate })
}

let feeds = 0

/** @returns the name of a feed that these signers signed, in this order */
async function feedBy(...names: string[]): Promise<string> {
  const name = `feed-${++feeds}`
  await createFeedSource(site.file(`${name}.yaml`), { feed: 'acme', expires: '30d' })
  for (const [index, signer] of names.entries())
    await signFeed(site.file(`${name}.yaml`), {
      signer: signers[signer]!,
      output: site.file(`${name}.jsonl`),
      addSignature: index > 0,
    })
  return `${name}.jsonl`
}

function following(...advisories: object[]) {
  return {
    version: 1,
    trustRoots: {
      a: { publicKey: 'a.pub' },
      security: { publicKey: 'security.pub' },
      acme: { certificates: { roots: 'root.pem' } },
      ours: { sigstore: { file: 'sigstore.json' } },
    },
    rules: [{ name: 'r', match: { path: 'model/**' }, signers: [{ key: 'a' }] }],
    ...(advisories.length > 0 ? { advisories } : {}),
  }
}

/** What the function and a load say: the same. */
async function judged(file: string, entry: object, more: object = {}): Promise<string> {
  const policy = await site.policy({ ...following({ file, ...entry }), ...more })
  const verified = await verifyFeed(site.file(file), { policy }).then(
    ({ entries: [one] }) => one!.signers.map(({ method }) => method).join(),
    (error: unknown) => (error as { code: string }).code,
  )
  const verdict = await judgeModel(site.file('model'), { policy })
  const [followed] = verdict.advisories ?? []
  expect(followed?.stale).toBe(verdict.decision === 'refused')
  expect(followed?.error?.code).toBe(verdict.decision === 'refused' ? verified : undefined)
  return verified
}

describe.each<[string, object, string, string[]]>([
  ['a key', KEY, 'key', ['stranger', 'certificate']],
  ['a certificate', CERTIFICATE, 'certificate', ['another certificate', 'certificate of another authority', 'keyless']],
  ['an identity', KEYLESS, 'keyless', ['another identity', 'key']],
])('a feed that a policy wants to be signed by %s', (_, signer, right, others) => {
  test('is accepted from this signer', async () => {
    expect(await judged(await feedBy(right), { signers: [signer] })).toBe(signers[right]!.method)
    expect(await judged(await feedBy('stranger', right), { signers: [signer] })).toBe(signers[right]!.method)
  })

  test.each(others)('is refused from another: %s', async (other) => {
    const code = other === 'certificate of another authority' ? 'CHAIN_NO_PATH' : 'SIGNER_NOT_TRUSTED'
    expect(await judged(await feedBy(other), { signers: [signer] })).toBe(code)
  })
})

describe('a feed that two must sign, by different methods,', () => {
  const two = { signers: [KEY, CERTIFICATE, KEYLESS], threshold: 2 }

  test.each([
    ['key', 'certificate'],
    ['certificate', 'keyless'],
    ['keyless', 'key'],
  ])('is accepted with a %s and a %s', async (one, other) => {
    const methods = [one, other].map((name) => signers[name]!.method)
    expect(await judged(await feedBy(one, other), two)).toBe(methods.join())
  })

  test.each<[string, string[]]>([
    ['one of them', ['keyless']],
    ['one and a stranger', ['stranger', 'certificate']],
  ])('is refused with %s', async (_, names) => {
    expect(await judged(await feedBy(...names), two)).toBe('SIGNATURE_THRESHOLD')
  })

  test('is refused with one whom the policy revokes', async () => {
    const revoked = { revoked: { identities: [{ identity: IDENTITY }] } }
    expect(await judged(await feedBy('key', 'keyless'), two, revoked)).toBe('SIGNATURE_THRESHOLD')
    expect(await judged(await feedBy('key', 'keyless', 'certificate'), two, revoked)).toBe('key,certificate')
  })
})

test.each<[string, string, object, object]>([
  ['KEY_REVOKED', 'key', KEY, { keys: [{ file: 'security.pub' }] }],
  ['CERTIFICATE_REVOKED', 'certificate', CERTIFICATE, { certificates: [{ file: 'leaf.pem' }] }],
  ['CERTIFICATE_REVOKED', 'certificate', CERTIFICATE, { certificates: [{ file: 'root.pem' }] }],
  ['IDENTITY_REVOKED', 'certificate', CERTIFICATE, { identities: [{ identity: SUBJECT }] }],
  ['IDENTITY_REVOKED', 'keyless', KEYLESS, { identities: [{ identity: IDENTITY, issuer: ISSUER }] }],
])('%s: a signer of the feed whom the policy revokes does not count (%s)', async (code, name, signer, revoked) => {
  expect(await judged(await feedBy(name), { signers: [signer] }, { revoked })).toBe(code)
  // A signature by somebody else explains less.
  expect(await judged(await feedBy('stranger', name), { signers: [signer] }, { revoked })).toBe(code)
  expect(await judged(await feedBy(name, 'stranger'), { signers: [signer] }, { revoked })).toBe(code)
})

test('a key that the policy trusts for another time does not count', async () => {
  const trustRoots = { security: { publicKey: { file: 'security.pub', notAfter: '2020-01-01T00:00:00Z' } } }
  const policy = following()
  expect(
    await judged(await feedBy('key'), { signers: [KEY] }, { trustRoots: { ...policy.trustRoots, ...trustRoots } }),
  ).toBe('KEY_OUTSIDE_VALIDITY')
})

test('a signature without a timestamp counts until its certificate expires', async () => {
  const [alone, both] = [await feedBy('certificate'), await feedBy('key', 'certificate')]
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 3 * DAY })
  expect(await judged(alone, { signers: [CERTIFICATE] })).toBe('CERTIFICATE_EXPIRED')
  expect(await judged(both, { signers: [KEY, CERTIFICATE], threshold: 2 })).toBe('SIGNATURE_THRESHOLD')
  expect(await judged(both, { signers: [KEY, CERTIFICATE] })).toBe('key')
})

test('a version that has expired, or comes from the future, is refused', async () => {
  const [name, entry] = [await feedBy('key'), { signers: [KEY] }]
  const policy = await site.policy(following({ file: name, ...entry }))
  for (const days of [31, -2]) {
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + days * DAY })
    await expect(verifyFeed(site.file(name), { policy })).rejects.toEqual(refusal('ADVISORY_STALE'))
    const verifier = { publicKey: site.file('security.pub') }
    await expect(verifyFeed(site.file(name), { verifier })).rejects.toEqual(refusal('ADVISORY_STALE'))
    vi.useRealTimers()
  }
  await expect(verifyFeed(site.file(name), { policy })).resolves.toBeDefined()
})

describe('a policy with several entries', () => {
  const entries = [
    { url: 'https://models.example/a.jsonl', signers: [KEYLESS] },
    { file: 'b.jsonl', signers: [KEY] },
  ]

  test('says which one accepts the feed, and why others do not', async () => {
    const policy = await loadPolicy(await site.policy(following(...entries)))
    expect(await verifyFeed(site.file(await feedBy('key', 'stranger')), { policy })).toMatchObject({
      feed: { feed: 'acme', sequence: 1 },
      policy: policy.path,
      signatures: 2,
      entries: [
        {
          source: 'https://models.example/a.jsonl',
          threshold: 1,
          accepted: false,
          signers: [],
          error: { code: 'SIGNER_NOT_TRUSTED' },
        },
        { source: site.file('b.jsonl'), accepted: true, signers: [{ method: 'key', name: 'security' }] },
      ],
    })
  })

  test('refuses it with all reasons if none accepts it', async () => {
    const policy = await site.policy(following(...entries))
    const message = /a\.jsonl": .*no signer.* For ".*b\.jsonl": .*no signer/
    const strange = site.file(await feedBy('stranger'))
    await expect(verifyFeed(strange, { policy })).rejects.toEqual(
      refusal('SIGNER_NOT_TRUSTED', { file: strange, message: expect.stringMatching(message) as string }),
    )
    const revoking = await site.policy({ ...following(...entries), revoked: { keys: [fingerprint] } })
    await expect(verifyFeed(site.file(await feedBy('key')), { policy: revoking })).rejects.toEqual(
      refusal('KEY_REVOKED', { message: expect.stringMatching(/no signer.* For ".*b\.jsonl": .*revoked/) as string }),
    )
  })

  test('or with only one says why this one does not accept it', async () => {
    const policy = await site.policy(following(entries[1]!))
    const strange = site.file(await feedBy('stranger'))
    await expect(verifyFeed(strange, { policy })).rejects.toEqual(
      refusal('SIGNER_NOT_TRUSTED', {
        file: strange,
        expected: expect.stringContaining('security') as string,
        found: expect.stringContaining('key sha256:') as string,
      }),
    )
  })

  test('or with none refuses every feed', async () => {
    const policy = await site.policy(following())
    const file = site.file(await feedBy('key'))
    await expect(verifyFeed(file, { policy })).rejects.toEqual(
      refusal('SIGNER_NOT_TRUSTED', {
        file,
        expected: 'an entry of "advisories" that names who may sign it',
        message: expect.stringContaining('follows no feed') as string,
      }),
    )
  })
})

test.each<[string, object]>([
  ['neither a policy nor a verifier', {}],
  ['both', { policy: 'p.yaml', verifier: { publicKey: 'a.pub' } }],
  ['a policy that is none', { policy: {} }],
])('refuses to verify with %s', async (_, options) => {
  await expect(verifyFeed('feed.jsonl', options as never)).rejects.toEqual(refusal('INVALID_ARGUMENT'))
})

test('refuses an option that it does not know', async () => {
  await expect(verifyFeed('feed.jsonl', { polcy: 'p.yaml' } as never)).rejects.toEqual(
    refusal('INVALID_ARGUMENT', { message: expect.stringContaining('for verifyFeed') as string }),
  )
})

test('can be abandoned', async () => {
  const [name, policy] = [await feedBy('key'), await site.policy(following({ file: 'x.jsonl', signers: [KEY] }))]
  await expect(verifyFeed(site.file(name), { policy, signal: AbortSignal.abort() })).rejects.toEqual(refusal('ABORTED'))
  // An abort is no judgement of an entry.
  const compiled = await loadPolicy(
    await site.policy(following({ file: 'x.jsonl', signers: [KEY] }, { file: 'y.jsonl', signers: [KEY] })),
  )
  const found = await readFeedFile(site.file(name))
  const given = { file: site.file(name), signal: AbortSignal.abort() }
  await expect(verifyFeedByPolicy(found, compiled as CompiledPolicy, given)).rejects.toEqual(
    refusal('ABORTED', { file: undefined }),
  )
})
