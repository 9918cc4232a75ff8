import { createHash, createPrivateKey, createPublicKey } from 'node:crypto'
import { chmod, mkdir, readFile } from 'node:fs/promises'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { writeFeedStatement, type FeedContent } from '../../policy/advisories/feed-statement.ts'
import { checkPolicy } from '../../policy/checking/check.ts'
import { loadPolicy } from '../../policy/load-policy.ts'
import type { Policy } from '../../policy/policy.ts'
import { watchPolicy, type WatchedPolicy } from '../../policy/watching/watch-policy.ts'
import { bundleOver } from '../../testing/bundles.ts'
import { memorySource } from '../../testing/memory-source.ts'
import { TestSite } from '../../testing/site.ts'
import { publicKeyOf } from '../../x509/public-key.ts'
import { judgeMemory } from '../operations/judge-memory.ts'
import { judgeModel } from '../operations/judge-model.ts'
import { openVerifiedModel } from '../open-verified-model.ts'
import { Judging } from './judging.ts'

const DAY = 24 * 3_600_000
const PACKAGE = `pkg:huggingface/acme/vad@${'a1'.repeat(20)}`

let site: TestSite
let fingerprint: string
let rootDigest: string
let feeds = 0

beforeAll(async () => {
  site = await TestSite.make()
  await mkdir(site.file('cache'), { mode: 0o700 })
  fingerprint = await site.key('a')
  await site.key('publisher')
  await site.model('model')
  rootDigest = await site.sign('model', 'a')
})
afterAll(() => site.remove())
afterEach(() => vi.unstubAllEnvs())

type Denied = FeedContent['denied']
type Mode = 'enforce' | 'audit' | 'skip'

/** Signs a feed. @returns the name of its file */
async function feedWith(denied: Denied, more: Partial<FeedContent> = {}, key = 'publisher'): Promise<string> {
  const name = `feed-${++feeds}.jsonl`
  const issued = new Date().toISOString()
  const content = {
    feed: 'acme',
    sequence: 1,
    issued,
    expires: new Date(Date.now() + DAY).toISOString(),
    denied,
    ...more,
  }
  const privateKey = createPrivateKey(await readFile(site.file(`${key}.key`)))
  const pair = { privateKey, publicKey: publicKeyOf(createPublicKey(privateKey)) }
  await site.write(name, `${JSON.stringify(JSON.parse(bundleOver(writeFeedStatement(content), pair).toString()))}\n`)
  return name
}

function policyWith(file: string, { mode = 'enforce', ...more }: { mode?: Mode; ifStale?: string } = {}) {
  vi.stubEnv('MODELSEAL_CACHE', site.file('cache'))
  return {
    version: 1,
    trustRoots: { a: { publicKey: 'a.pub' }, publisher: { publicKey: 'publisher.pub' } },
    rules: [
      {
        name: 'r',
        match: { path: 'model/**' },
        mode,
        ...(mode === 'skip' ? { reason: 'a test' } : { signers: [{ key: 'a' }] }),
      },
    ],
    advisories: [{ file, signers: [{ key: 'publisher' }], ...more }],
  }
}

describe.each(['enforce', 'audit', 'skip'] as const)('what a feed denies is refused, in the mode %s:', (mode) => {
  const judged = async (denied: Denied) => site.judge('model', policyWith(await feedWith(denied), { mode }))
  const loaded = mode === 'skip' ? 'skipped' : 'accepted'

  test('a model', async () => {
    expect(await judged({ rootDigests: [{ digest: rootDigest, reason: 'poisoned' }] })).toBe('refused MODEL_REVOKED')
  })

  test('a key, in any of its forms', async () => {
    const der = createPublicKey(await readFile(site.file('a.pub'))).export({ type: 'spki', format: 'der' })
    expect(await judged({ keys: [fingerprint] })).toBe('refused KEY_REVOKED')
    // The aliases of the keys of the policy hold for feeds.
    expect(await judged({ keys: [createHash('sha256').update(der).digest('hex')] })).toBe('refused KEY_REVOKED')
  })

  test('a file', async () => {
    const digest = createHash('sha256').update('weights').digest('hex')
    // Under skip, a file is looked up before it is handed out.
    expect(await judged({ fileDigests: [digest] })).toBe(mode === 'skip' ? 'skipped' : 'refused FILE_REVOKED')
  })

  test('but nothing else', async () => {
    expect(await judged({ rootDigests: ['b'.repeat(64)], keys: ['c'.repeat(64)] })).toBe(loaded)
  })

  test('and nothing is loaded without a feed that may be relied on', async () => {
    const expired = { issued: '2026-01-01T00:00:00Z', expires: '2026-01-02T00:00:00Z' }
    for (const name of [await feedWith({}, expired), await feedWith({}, {}, 'a'), 'absent.jsonl'])
      expect(await site.judge('model', policyWith(name, { mode }))).toBe('refused ADVISORY_STALE')
  })

  test('unless the policy only warns of that; what is known applies all the same', async () => {
    const expired = { issued: '2026-01-01T00:00:00Z', expires: '2026-01-02T00:00:00Z' }
    const warned = { mode, ifStale: 'warn' }
    expect(await site.judge('model', policyWith(await feedWith({}, expired), warned))).toBe(loaded)
    const denied = await feedWith({ rootDigests: [rootDigest] }, expired)
    expect(await site.judge('model', policyWith(denied, warned))).toBe('refused MODEL_REVOKED')
  })
})

test('feeds of an included policy deny as well', async () => {
  const own = await feedWith({})
  const included = await feedWith({ rootDigests: [rootDigest] })
  const { trustRoots, advisories } = policyWith(included)
  const { publisher } = trustRoots
  await site.write(
    'included.yaml',
    JSON.stringify({
      version: 1,
      trustRoots: { other: publisher },
      advisories: advisories.map((feed) => ({ ...feed, signers: [{ key: 'other' }] })),
    }),
  )
  expect(await site.judge('model', { ...policyWith(own), include: ['included.yaml'] })).toBe('refused MODEL_REVOKED')
  expect(await site.judge('model', policyWith(own))).toBe('accepted')
})

test('a model on a hub is refused by its package URL', async () => {
  const policy = policyWith(await feedWith({ packages: ['pkg:huggingface/acme/vad'] }))
  policy.rules[0]!.match = { url: 'store://models/**' } as never
  const source = memorySource('store://models/vad', new Map(), { session: { packageUrl: PACKAGE } })
  await expect(openVerifiedModel(source, { policy: await site.policy(policy) })).rejects.toMatchObject({
    code: 'MODEL_REVOKED',
    message: expect.stringContaining('is revoked by the advisory feed "acme"'),
  })
})

test('a model in memory is refused by its digest, or without a feed that may be relied on', async () => {
  const bytes = Buffer.from('a model in memory')
  const memory = { name: 'm', match: { memory: 'any' }, mode: 'skip', reason: 'a test' }
  const judged = async (file: string) =>
    judgeMemory(bytes, { policy: await site.policy({ ...policyWith(file), rules: [memory] }) })
  const digest = createHash('sha256').update(bytes).digest('hex')
  expect((await judged(await feedWith({}))).verdict).toMatchObject({
    decision: 'skipped',
    advisories: [{ sequence: 1 }],
  })
  await expect(judged(await feedWith({ fileDigests: [digest] }))).rejects.toMatchObject({ code: 'FILE_REVOKED' })
  await expect(judged('absent.jsonl')).rejects.toMatchObject({ code: 'ADVISORY_STALE' })
})

test('the verdict says which versions were used', async () => {
  const name = await feedWith({}, { sequence: 42 })
  const model = await openVerifiedModel(site.file('model'), { policy: await site.policy(policyWith(name)) })
  const { advisories, checks, warnings } = model.verdict
  expect(advisories).toEqual([
    {
      source: site.file(name),
      feed: 'acme',
      sequence: 42,
      issued: expect.any(String),
      expires: expect.any(String),
      confirmedAt: expect.any(String),
      stale: false,
    },
  ])
  expect(checks).toContainEqual({
    check: 'advisories',
    outcome: 'passed',
    reason: 'The policy follows one advisory feed.',
  })
  expect(warnings).toBeUndefined()
})

test('the refusal of a denied model does not ask for another signature, which would be of no use', async () => {
  const name = await feedWith({ rootDigests: [{ digest: rootDigest }] })
  const path = await site.policy(policyWith(name))
  const error = await openVerifiedModel(site.file('model'), { policy: path }).catch((thrown: unknown) => thrown)
  expect(error).toMatchObject({
    code: 'MODEL_REVOKED',
    hint: 'Do not load the model. Ask its publisher for another version.',
  })
})

test('the refusal says what was expected and how to help it', async () => {
  const name = await feedWith({}, {}, 'a')
  const path = await site.policy(policyWith(name))
  const error = await openVerifiedModel(site.file('model'), { policy: path }).catch((thrown: unknown) => thrown)
  expect(error).toMatchObject({
    code: 'ADVISORY_STALE',
    file: site.file(name),
    hint: expect.stringContaining('no signer whom the policy names for it signed it'),
    verdict: { advisories: [{ stale: true, error: { code: 'SIGNER_NOT_TRUSTED' } }] },
  })
})

test('warnings say that a feed may not be relied on, that its source serves something else, and that it is not kept', async () => {
  const name = await feedWith({}, { sequence: 2 })
  const open = async (more: object) => {
    const model = await openVerifiedModel(site.file('model'), { policy: await site.policy(policyWith(name, more)) })
    return model.verdict.warnings
  }
  expect(await open({})).toBeUndefined()
  await site.write(name, await readFile(site.file(await feedWith({}, { sequence: 1 }))))
  expect(await open({})).toMatchObject([
    { code: 'MODELSEAL_ADVISORY_REFUSED', message: expect.stringContaining('older') },
  ])
  const stale = await feedWith({}, { issued: '2026-01-01T00:00:00Z', expires: '2026-01-02T00:00:00Z' })
  await site.write(name, await readFile(site.file(stale)))
  await chmod(site.file('cache'), 0o777)
  const other = await feedWith({})
  const policy = await site.policy(policyWith(other))
  const { verdict } = await openVerifiedModel(site.file('model'), { policy })
  expect(verdict.warnings).toMatchObject([{ code: 'MODELSEAL_ADVISORY_NOT_KEPT' }])
  const warned = await site.policy(policyWith('absent.jsonl', { ifStale: 'warn' }))
  const { verdict: without } = await openVerifiedModel(site.file('model'), { policy: warned })
  expect(without.warnings).toMatchObject([{ code: 'MODELSEAL_ADVISORY_STALE' }])
  await chmod(site.file('cache'), 0o700)
})

test('a policy that was loaded before, or is watched, follows its feeds', async () => {
  let sequence = 1
  const name = await feedWith({}, { sequence })
  const path = await site.policy(policyWith(name))
  const judged = async (policy: Policy | WatchedPolicy) => {
    const { decision, error } = await judgeModel(site.file('model'), { policy })
    return error?.code ?? decision
  }
  for (const policy of [await loadPolicy(path), await watchPolicy(path)]) {
    await site.write(name, await readFile(site.file(await feedWith({}, { sequence: ++sequence }))))
    expect(await judged(policy)).toBe('accepted')
    const denied = await feedWith({ rootDigests: [rootDigest] }, { sequence: ++sequence })
    await site.write(name, await readFile(site.file(denied)))
    expect(await judged(policy)).toBe('MODEL_REVOKED')
  }
})

test('what judged the load is remembered with the versions of the feeds, because they can change', async () => {
  const name = await feedWith({}, { sequence: 1 })
  const loaded = await loadPolicy(await site.policy(policyWith(name)))
  const judgedBy = async () => {
    const place = { path: site.file('model') }
    const opened = () => expect.unreachable()
    const judging = new Judging({ place, label: 'm', opened }, { audit: true }, { policy: loaded, audit: true })
    await judging.judge(Date.now()).catch(() => undefined)
    return judging.judgedBy
  }
  const first = await judgedBy()
  expect(first).toMatchObject({ given: loaded, read: loaded, number: 1, versions: expect.stringMatching(/^\S+$/) })
  expect(await judgedBy()).toEqual(first)
  await site.write(name, await readFile(site.file(await feedWith({}, { sequence: 2 }))))
  const second = await judgedBy()
  expect(second?.number).toBe(1)
  expect(second?.versions).not.toBe(first?.versions)
})

test('an abort ends the wait for a feed', async () => {
  const policy = policyWith('')
  policy.advisories = [{ url: 'http://127.0.0.1:9/feed', signers: [{ key: 'publisher' }] } as never]
  const signal = AbortSignal.abort()
  const path = await site.policy(policy)
  await expect(openVerifiedModel(site.file('model'), { policy: path, signal })).rejects.toMatchObject({
    code: 'ABORTED',
  })
})

describe('a policy is not valid', () => {
  const feed = { file: 'f.jsonl', signers: [{ key: 'publisher' }] }
  const { file, ...signers } = feed
  test.each<[string, object]>([
    ['without the signers of a feed', { file }],
    ['with a feed that is nowhere', signers],
    ['with a feed in two places', { ...feed, url: 'https://models.example/feed' }],
    ['with a feed over plain HTTP', { ...signers, url: 'http://models.example/feed' }],
    ['with secrets in a URL', { ...signers, url: 'https://user:password@models.example/feed' }],
    ['with a query in a URL', { ...signers, url: 'https://models.example/feed?token=1' }],
    ['with too high a threshold', { ...feed, threshold: 2 }],
    ['with a duration that depends on the calendar', { ...feed, maxAge: 'P1M' }],
    ['with a refresh of a file', { ...feed, refresh: '1m' }],
    [
      'with a refresh that is longer than the maximum age',
      { ...signers, url: 'https://models.example/feed', maxAge: '1m' },
    ],
    ['with a refresh of less than a second', { ...signers, url: 'https://models.example/feed', refresh: '0s' }],
    ['with an unknown field', { ...feed, oci: 'https://models.example' }],
    ['with a target of TUF without the root', { ...signers, tuf: { url: 'https://models.example', target: 'f' } }],
    ['with a target of TUF and a file', { ...feed, tuf: { url: 'https://models.example', root: 'r', target: 'f' } }],
    [
      'with a target of TUF elsewhere',
      { ...signers, tuf: { url: 'https://models.example', root: 'r', target: '../f' } },
    ],
    ['with TUF over plain HTTP', { ...signers, tuf: { url: 'http://models.example', root: 'r', target: 'f' } }],
    ['with an unknown trust root', { file, signers: [{ key: 'nobody' }] }],
  ])('%s', async (_, advisory) => {
    const policy = { ...policyWith(''), advisories: [advisory] }
    expect(await checkPolicy(await site.policy(policy))).toContainEqual(
      expect.objectContaining({ severity: 'error', code: 'POLICY_INVALID' }),
    )
  })

  test('with more than 128 feeds, those of its includes among them', async () => {
    const feeds = (count: number, name: string) =>
      Array.from({ length: count }, (_, index) => ({ ...feed, file: `${name}${index}.jsonl` }))
    await site.policy({ version: 1, trustRoots: policyWith('').trustRoots, advisories: feeds(28, 'b') }, 'more.yaml')
    const many = (count: number) => ({
      version: 1,
      include: ['more.yaml'],
      rules: policyWith('').rules,
      advisories: feeds(count, 'a'),
    })
    expect((await checkPolicy(await site.policy(many(100)))).filter(({ severity }) => severity === 'error')).toEqual([])
    expect(await checkPolicy(await site.policy(many(101)))).toContainEqual(
      expect.objectContaining({ severity: 'error', message: expect.stringContaining('more than 128 feeds') }),
    )
  })

  test('with a feed that is in the list twice', async () => {
    const policy = { ...policyWith(''), advisories: [feed, feed] }
    expect(await checkPolicy(await site.policy(policy))).toContainEqual(
      expect.objectContaining({ severity: 'error', message: expect.stringContaining('twice') }),
    )
  })
})

test('a trust root that only feeds use is not unused', async () => {
  const findings = await checkPolicy(await site.policy(policyWith('f.jsonl')))
  expect(findings.map(({ code }) => code)).not.toContain('ROOT_UNUSED')
})

describe('policy check warns', () => {
  const findings = async (advisory: object) => {
    const policy = { ...policyWith(''), advisories: [{ file: 'f.jsonl', ...advisory }] }
    const found = await checkPolicy(await site.policy(policy))
    return found.map(({ severity, code }) => `${severity} ${code}`).filter((one) => one.includes('ADVISORY'))
  }

  test('if signers of models can sign a feed', async () => {
    const both = [{ key: 'a' }, { key: 'publisher' }]
    expect(await findings({ signers: [{ key: 'a' }] })).toEqual(['warning ADVISORY_SIGNER_SHARED'])
    expect(await findings({ signers: both })).toEqual(['warning ADVISORY_SIGNER_SHARED'])
    expect(await findings({ signers: both, threshold: 2 })).toEqual([])
    expect(await findings({ signers: [{ key: 'publisher' }] })).toEqual([])
  })

  test('if a feed is not required', async () => {
    const feed = { signers: [{ key: 'publisher' }], ifStale: 'warn' }
    expect(await findings(feed)).toEqual(['note ADVISORY_NOT_REQUIRED'])
  })
})

test('the verdict says how many feeds may be relied on', async () => {
  const told = async (...files: string[]) => {
    const { advisories, ...rest } = policyWith('', { ifStale: 'warn' })
    const followed = files.map((file) => ({ ...advisories[0], file }))
    const { checks } = await judgeModel(site.file('model'), {
      policy: await site.policy({ ...rest, advisories: followed }),
    })
    return checks.find(({ check }) => check === 'advisories')?.reason
  }
  const [first, second] = [await feedWith({}), await feedWith({})]
  expect(await told(first, second)).toBe('The policy follows 2 advisory feeds.')
  expect(await told(first, second, 'absent.jsonl')).toBe(
    'The policy follows 3 advisory feeds. 2 of them may be relied on.',
  )
  expect(await told('absent.jsonl')).toBe('The policy follows one advisory feed. None of them may be relied on.')
})
