import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { createPrivateKey, createPublicKey } from 'node:crypto'
import { mkdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  afterAll,
  afterEach,
  beforeAll,
  beforeEach,
  describe,
  expect,
  onTestFinished,
  test,
  vi,
  type Mock,
} from 'vitest'
import { makeEvaluation } from '../../attestation/kinds/evaluation.ts'
import { REVOKED_CHANNEL, type Revoked } from '../../events.ts'
import { ModelSealError } from '../../errors.ts'
import { writeFeedStatement, type FeedContent } from '../../policy/advisories/feed-statement.ts'
import { loadPolicy } from '../../policy/load-policy.ts'
import { watchPolicy } from '../../policy/watching/watch-policy.ts'
import { keySigner } from '../../signing/methods/key.ts'
import { blake2b, bundleOver, sha256 } from '../../testing/bundles.ts'
import { filesAt } from '../../source/model-sources.ts'
import { garbageCollector } from '../../testing/garbage.ts'
import { memorySource } from '../../testing/memory-source.ts'
import { TestSite } from '../../testing/site.ts'
import { publicKeyOf } from '../../x509/public-key.ts'
import { outcomeOf } from '../adapting/outcome.ts'
import { keepRevocable } from '../adapting/revocable.ts'
import { attestModel } from '../operations/attest-model.ts'
import { judgeMemory } from '../operations/judge-memory.ts'
import type { OnRevoked, OpenOptions } from '../open-options.ts'
import { openVerifiedModel } from '../open-verified-model.ts'
import type { OpenedModel } from '../verified-model.ts'
import { hashing } from './lines.ts'
import { Standing } from './standing.ts'

const DAY = 24 * 3_600_000
const PACKAGE = `pkg:huggingface/acme/vad@${'a1'.repeat(20)}`

let site: TestSite
let fingerprint: string
let attester: string
let rootDigest: string
let sequence = 0
let policies = 0

beforeAll(async () => {
  site = await TestSite.make()
  await mkdir(site.file('cache'), { mode: 0o700 })
  fingerprint = await site.key('a')
  attester = await site.key('b')
  await site.key('publisher')
  rootDigest = await site.signedModel('model')
})
afterAll(() => site.remove())
beforeEach(() => void vi.stubEnv('MODELSEAL_CACHE', site.file('cache')))
afterEach(() => vi.unstubAllEnvs())

type Rule = Record<string, unknown>

const ATTESTED = { require: { attestations: [{ type: 'evaluation', signers: [{ key: 'b' }] }] } }
const SKIP = { mode: 'skip', reason: 'a test', signers: undefined, match: { path: 'model/**' } }
const RULE = { name: 'r', match: { path: '**' }, signers: [{ key: 'a' }] }

function policyOf(more: Record<string, unknown>, rule: Rule = {}) {
  return {
    version: 1,
    trustRoots: { a: { publicKey: 'a.pub' }, b: { publicKey: 'b.pub' }, publisher: { publicKey: 'publisher.pub' } },
    rules: [{ ...RULE, ...rule }],
    ...more,
  }
}

/** Signs a model, and an evaluation of it with another key. @returns the digest of the statement */
async function evaluated(name: string): Promise<string> {
  await site.signedModel(name)
  const signer = await keySigner({ privateKey: site.file('b.key') })
  const dataset = { name: 'test', digest: { sha256: 'd'.repeat(64) } }
  const results = [{ metric: 'accuracy', value: 0.9, dataset }]
  const predicate = makeEvaluation({ results, evaluatedOn: new Date().toISOString() })
  return (await attestModel(site.file(name), { signer, type: 'evaluation', predicate })).digest
}

/** Writes a policy that has not been changed for a while, so that it counts at once. */
async function settled(more: Record<string, unknown>, rule: Rule | undefined, file: string): Promise<void> {
  await site.policy(policyOf(more, rule), file)
  const before = new Date(Date.now() - 10_000)
  await utimes(site.file(file), before, before)
}

/** A policy that can be changed, and the model that was loaded by it. */
async function loaded(rule: Rule = {}, options: OpenOptions = {}, model = site.file('model'), before = {}) {
  const file = `watched-${++policies}.yaml`
  await site.policy(policyOf(before, rule), file)
  const policy = await watchPolicy(site.file(file))
  const opened = await openVerifiedModel(model, { ...options, policy })
  onTestFinished(() => opened.close())
  /** As another load would. */
  const change = async (more: Record<string, unknown>, changed: Rule = rule) => {
    await settled({ ...before, ...more }, changed, file)
    await policy.current()
  }
  return { opened, change, policy }
}

async function publish(file: string, denied: FeedContent['denied']): Promise<void> {
  const issued = new Date().toISOString()
  const expires = new Date(Date.now() + DAY).toISOString()
  const content = { feed: 'acme', sequence: ++sequence, issued, expires, denied }
  const privateKey = createPrivateKey(await readFile(site.file('publisher.key')))
  const pair = { privateKey, publicKey: publicKeyOf(createPublicKey(privateKey)) }
  await site.write(file, `${JSON.stringify(JSON.parse(bundleOver(writeFeedStatement(content), pair).toString()))}\n`)
}

/** @returns the code that caused the revocation */
async function causeOf({ revoked }: Pick<OpenedModel<unknown>, 'revoked'>): Promise<string> {
  await vi.waitFor(() => expect(revoked.aborted).toBe(true), { timeout: 10_000, interval: 20 })
  expect(revoked.reason).toBeInstanceOf(ModelSealError)
  const { code, cause, verdict } = revoked.reason as ModelSealError
  expect([code, verdict?.decision]).toEqual(['MODEL_REVOKED', expect.stringMatching(/accepted|tolerated|skipped/)])
  return (cause as ModelSealError).code
}

/** Makes a change, and leaves enough time to judge it. */
async function untilJudged(change: () => Promise<void>): Promise<void> {
  await change()
  await new Promise((go) => setTimeout(go, 400))
}

describe('a loaded model is revoked by a change of its watched policy:', () => {
  test.each<[string, string, () => Record<string, unknown[]>]>([
    ['its key', 'KEY_REVOKED', () => ({ keys: [fingerprint] })],
    ['its root digest', 'MODEL_REVOKED', () => ({ rootDigests: [rootDigest] })],
    ['a signed file digest', 'FILE_REVOKED', () => ({ fileDigests: [sha256('weights')] })],
    [
      'a file digest that the load did not compute',
      'FILE_REVOKED',
      () => ({ fileDigests: [`blake2b:${blake2b('weights')}`] }),
    ],
  ])('%s', async (_, code, revoked) => {
    const { opened, change } = await loaded()
    expect(opened.revoked.aborted).toBe(false)
    await change({ revoked: revoked() })
    expect(await causeOf(opened)).toBe(code)
    await expect(opened.read('config.json')).rejects.toMatchObject({ code: 'MODEL_REVOKED' })
    expect(() => opened.confirm()).toThrow(expect.objectContaining({ code: 'MODEL_REVOKED' }))
  })

  test('for the reason that the policy gives', async () => {
    const { opened, change } = await loaded()
    await change({ revoked: { keys: [{ fingerprint, reason: 'laptop stolen' }] } })
    await causeOf(opened)
    const { found, message } = opened.revoked.reason as ModelSealError
    expect(found).toBe('the reason "laptop stolen"')
    expect(message).toContain('is revoked by the policy. Found the reason "laptop stolen". Stop using the model.')
  })

  test('its signer is no longer trusted, its name no longer accepted, or no rule matches it', async () => {
    for (const [changed, code] of [
      [{ signers: [{ key: 'b' }] }, 'SIGNER_NOT_TRUSTED'],
      [{ require: { name: 'other' } }, 'MODEL_NAME_REFUSED'],
      [{ match: { path: 'elsewhere/**' } }, 'POLICY_NO_MATCH'],
    ] as const) {
      const { opened, change } = await loaded()
      await change({}, changed)
      expect(await causeOf(opened)).toBe(code)
    }
  })

  test('an attestation is required from now on, which it does not have', async () => {
    const { opened, change } = await loaded()
    await change({}, ATTESTED)
    expect(await causeOf(opened)).toBe('ATTESTATION_MISSING')
  })

  test('the key that signed an attestation is revoked, or the attestation itself', async () => {
    const digest = await evaluated('attested')
    for (const revoked of [{ keys: [attester] }, { claims: [digest] }]) {
      const { opened, change } = await loaded(ATTESTED, {}, site.file('attested'))
      // The attestations that were read count, not those that are there now.
      await rename(site.file('attested.claims.jsonl'), site.file('aside'))
      await untilJudged(() => change({ revoked: { keys: [sha256('another')] } }))
      expect(opened.revoked.aborted).toBe(false)
      await change({ revoked })
      expect(await causeOf(opened)).toBe('ATTESTATION_REVOKED')
      await rename(site.file('aside'), site.file('attested.claims.jsonl'))
    }
  })

  test('but not if it has the attestation that is required from now on', async () => {
    await evaluated('evaluated')
    const { opened, change } = await loaded({}, {}, site.file('evaluated'))
    await untilJudged(() => change({}, ATTESTED))
    expect(opened.revoked.aborted).toBe(false)
    await change({ revoked: { keys: [attester] } }, ATTESTED)
    expect(await causeOf(opened)).toBe('ATTESTATION_REVOKED')
  })

  test('nobody loads anything: the files of the policy are looked at', async () => {
    const { opened } = await loaded()
    await site.policy(policyOf({ revoked: { keys: [fingerprint] } }), `watched-${policies}.yaml`)
    expect(await causeOf(opened)).toBe('KEY_REVOKED')
  })
})

describe('a loaded model is revoked by an advisory feed in a file', () => {
  test('by key, root digest and file digest, and not by anything else', { timeout: 30_000 }, async () => {
    const file = `feed-${++policies}.jsonl`
    await publish(file, {})
    const policy = await loadPolicy(
      await site.policy(policyOf({ advisories: [{ file, signers: [{ key: 'publisher' }] }] })),
    )
    for (const [denied, code] of [
      [{ keys: [fingerprint] }, 'KEY_REVOKED'],
      [{ rootDigests: [rootDigest] }, 'MODEL_REVOKED'],
      [{ fileDigests: [`blake2b:${blake2b('{}')}`] }, 'FILE_REVOKED'],
    ] as const) {
      await publish(file, {})
      const opened = await openVerifiedModel(site.file('model'), { policy })
      await publish(file, {
        keys: ['c'.repeat(64)],
        rootDigests: ['d'.repeat(64)],
        fileDigests: [`blake2b:${'e'.repeat(128)}`],
      })
      await new Promise((go) => setTimeout(go, 3_000))
      expect(opened.revoked.aborted).toBe(false)
      await publish(file, denied as unknown as FeedContent['denied'])
      expect(await causeOf(opened)).toBe(code)
      await opened.close()
    }
  })
})

test('a thousand versions of a feed in a row: the newest one counts', { timeout: 60_000 }, async () => {
  const file = `feed-${++policies}.jsonl`
  await publish(file, {})
  const advisories = [{ file, signers: [{ key: 'publisher' }] }]
  const policy = await loadPolicy(await site.policy(policyOf({ advisories }), `following-${policies}.yaml`))
  const opened = await openVerifiedModel(site.file('model'), { policy })
  onTestFinished(() => opened.close())
  for (let index = 1; index <= 1_000; index++) {
    await publish(file, { keys: [sha256(`${index}`)] })
    // Each load finds another version.
    if (index % 20 === 0) await (await openVerifiedModel(site.file('model'), { policy })).close()
  }
  expect(opened.revoked.aborted).toBe(false)
  await publish(file, { keys: [fingerprint] })
  expect(await causeOf(opened)).toBe('KEY_REVOKED')
})

describe('in the modes audit and skip, only revocations count:', () => {
  test.each(['audit', 'skip'])('%s', async (mode) => {
    const rule = mode === 'skip' ? SKIP : { mode }
    const { opened, change } = await loaded(rule)
    await opened.read('weights.bin')
    if (mode === 'audit') await untilJudged(() => change({}, { ...rule, signers: [{ key: 'b' }] }))
    expect(opened.revoked.aborted).toBe(false)
    await change({ revoked: { keys: [fingerprint] } })
    expect(await causeOf(opened)).toBe('KEY_REVOKED')
  })

  test.each<[string, () => Record<string, unknown[]>, string]>([
    ['a root digest', () => ({ rootDigests: [rootDigest] }), 'MODEL_REVOKED'],
    ['a file', () => ({ fileDigests: [sha256('weights')] }), 'FILE_REVOKED'],
  ])('%s is computed again', async (_, revoked, code) => {
    const { opened, change } = await loaded(SKIP)
    await opened.read('weights.bin')
    await change({ revoked: revoked() })
    expect(await causeOf(opened)).toBe(code)
  })
})

test('a digest that cannot be computed any more counts as revoked', async () => {
  const files = { 'config.json': '{}', 'weights.bin': 'weights' }
  await site.signedModel('gone', files)
  const { opened, change } = await loaded({}, {}, site.file('gone'))
  await rm(site.file('gone'), { recursive: true })
  // By digests that are known, it is judged without its files.
  await untilJudged(() => change({ revoked: { fileDigests: [sha256('another')] } }))
  expect(opened.revoked.aborted).toBe(false)
  await change({ revoked: { fileDigests: [`blake2b:${blake2b('another')}`] } })
  expect(await causeOf(opened)).toBe('FILE_REVOKED')
})

test('a digest that the load computed is known without the files', async () => {
  await site.signedModel('computed')
  const before = { revoked: { fileDigests: [`blake2b:${blake2b('another')}`] } }
  const { opened, change } = await loaded({}, {}, site.file('computed'), before)
  await rm(site.file('computed'), { recursive: true })
  await untilJudged(() => change({ revoked: { fileDigests: [`blake2b:${blake2b('a third')}`] } }))
  expect(opened.revoked.aborted).toBe(false)
  await change({ revoked: { fileDigests: [`blake2b:${blake2b('weights')}`] } })
  expect(await causeOf(opened)).toBe('FILE_REVOKED')
})

describe('files that may have changed since an unverified load', () => {
  const files = { 'config.json': '{}', 'weights.bin': 'weights' }
  const written = async (name: string) => {
    await site.signedModel(name, files)
    // Until every further change shows in the times of the files.
    await sleep(50)
  }
  const skip = (name: string) => ({ ...SKIP, match: { path: `${name}/**` } })
  const replaced = async (name: string, file: string, content = 'another') => {
    await site.write(`${name}.new`, content)
    await rename(site.file(`${name}.new`), site.file(name, file))
  }
  const deniedWeights = () => ({ fileDigests: [`blake2b:${blake2b('weights')}`] })

  test.each<[string, (name: string) => Promise<void>]>([
    ['replaced', (name) => replaced(name, 'weights.bin')],
    [
      'written to, with the size and the time that it had',
      async (name) => {
        const path = site.file(name, 'weights.bin')
        const { atime, mtime } = await stat(path)
        await writeFile(path, 'WEIGHTS')
        await utimes(path, atime, mtime)
      },
    ],
    ['removed', (name) => rm(site.file(name, 'weights.bin'))],
  ])('%s: the model counts as revoked', async (how, change) => {
    const name = `changed-${how.slice(0, 7).trim()}`
    await written(name)
    for (const rule of [skip(name), { ...skip(name), mode: 'audit', signers: [{ key: 'b' }] }]) {
      const { opened, change: changePolicy } = await loaded(rule, {}, site.file(name))
      await opened.read('weights.bin')
      await change(name)
      await changePolicy({ revoked: deniedWeights() })
      expect(await causeOf(opened)).toBe('FILE_REVOKED')
      expect((opened.revoked.reason as ModelSealError).message).toContain('Cannot tell whether the model is revoked')
      await rm(site.file(name), { recursive: true })
      await written(name)
    }
  })

  test('in place: the state counts in which its path was handed out', async () => {
    await written('placed')
    const { opened, change } = await loaded(skip('placed'), {}, site.file('placed'))
    await opened.path('weights.bin')
    await replaced('placed', 'weights.bin')
    await change({ revoked: deniedWeights() })
    expect(await causeOf(opened)).toBe('FILE_REVOKED')
  })

  test('between two times at which they were handed out', async () => {
    await written('twice')
    const { opened, change } = await loaded(skip('twice'), {}, site.file('twice'))
    await opened.read('weights.bin')
    await replaced('twice', 'weights.bin')
    await opened.read('weights.bin')
    await change({ revoked: deniedWeights() })
    expect(await causeOf(opened)).toBe('FILE_REVOKED')
  })

  test('all contents count with which a file was handed out', async () => {
    await written('several')
    const before = { revoked: { fileDigests: [sha256('none')] } }
    const { opened, change } = await loaded(skip('several'), {}, site.file('several'), before)
    await opened.read('weights.bin')
    await replaced('several', 'weights.bin')
    await opened.read('weights.bin')
    await untilJudged(() => change({ revoked: { fileDigests: [sha256('a third')] } }))
    expect(opened.revoked.aborted).toBe(false)
    await change({ revoked: { fileDigests: [sha256('weights')] } })
    expect(await causeOf(opened)).toBe('FILE_REVOKED')
    expect((opened.revoked.reason as ModelSealError).message).not.toContain('Cannot tell')
  })

  test('but not others, which were not handed out', async () => {
    await written('others')
    const { opened, change } = await loaded(skip('others'), {}, site.file('others'))
    await opened.read('weights.bin')
    await replaced('others', 'config.json')
    await untilJudged(() => change({ revoked: { fileDigests: [`blake2b:${blake2b('a third')}`] } }))
    expect(opened.revoked.aborted).toBe(false)
    await change({ revoked: deniedWeights() })
    expect(await causeOf(opened)).toBe('FILE_REVOKED')
    expect((opened.revoked.reason as ModelSealError).message).not.toContain('Cannot tell')
  })

  test.each<[string, (name: string) => Promise<unknown>]>([
    ['changed', (name) => replaced(name, 'config.json')],
    ['added', (name) => site.write(`${name}/more.json`, '{}')],
    ['removed', (name) => rm(site.file(name, 'config.json'))],
  ])('%s: the root digest cannot be known', async (how, change) => {
    const name = `root-${how}`
    await written(name)
    const { opened, change: changePolicy } = await loaded(skip(name), {}, site.file(name))
    await opened.read('weights.bin')
    await change(name)
    await changePolicy({ revoked: { rootDigests: ['d'.repeat(64)] } })
    expect(await causeOf(opened)).toBe('MODEL_REVOKED')
  })

  test('unless they have not: then another root digest revokes nothing', async () => {
    await written('same')
    const { opened, change } = await loaded(skip('same'), {}, site.file('same'))
    await opened.read('weights.bin')
    await untilJudged(() => change({ revoked: { rootDigests: ['d'.repeat(64)] } }))
    expect(opened.revoked.aborted).toBe(false)
  })

  test('files that are handed out later are judged by what is revoked by then', async () => {
    await written('later')
    const { opened, change } = await loaded(skip('later'), {}, site.file('later'))
    await opened.read('config.json')
    await untilJudged(() => change({ revoked: deniedWeights() }))
    expect(opened.revoked.aborted).toBe(false)
    await expect(opened.read('weights.bin')).rejects.toMatchObject({ code: 'FILE_REVOKED' })
    await expect(opened.path('weights.bin')).rejects.toMatchObject({ code: 'FILE_REVOKED' })
  })

  test('verified files that changed do not match what was signed', async () => {
    await written('accepted')
    const { opened, change } = await loaded({}, {}, site.file('accepted'))
    await opened.read('weights.bin')
    await replaced('accepted', 'weights.bin')
    await change({ revoked: deniedWeights() })
    expect(await causeOf(opened)).toBe('FILE_REVOKED')
    expect(opened.revoked.reason).toMatchObject({ cause: { cause: { code: 'FILE_MISMATCH' } } })
  })
})

describe('bytes in memory', () => {
  const MEMORY = { match: { memory: 'any' }, mode: 'skip', reason: 'a test', signers: undefined }
  const bytes = Buffer.from('bytes in memory')

  async function judged(given: Uint8Array | undefined, options: { onRevoked?: OnRevoked; audit?: boolean } = {}) {
    const file = `memory-${++policies}.yaml`
    await site.policy(policyOf({}, options.audit ? {} : MEMORY), file)
    const policy = await watchPolicy(site.file(file))
    const model = await judgeMemory(given, { ...options, policy })
    const change = async (revoked: Record<string, unknown[]>) => {
      await settled({ revoked }, options.audit ? {} : MEMORY, file)
      await policy.current()
    }
    return { model, change }
  }

  test.each([false, true])('are revoked by their SHA-256, and by no other; in an audit: %s', async (audit) => {
    const { model, change } = await judged(bytes, { audit })
    await untilJudged(() => change({ fileDigests: [sha256('another')], rootDigests: ['d'.repeat(64)] }))
    expect([model.decision, model.revoked.aborted]).toEqual([audit ? 'tolerated' : 'skipped', false])
    await change({ fileDigests: [sha256('bytes in memory')] })
    expect(await causeOf(model)).toBe('FILE_REVOKED')
    expect((model.revoked.reason as ModelSealError).message).toContain(
      `The model "memory:sha256:${sha256('bytes in memory')}" was revoked after it was loaded: `,
    )
  })

  test('are revoked by a digest that is not known', async () => {
    const { model, change } = await judged(bytes)
    await change({ fileDigests: [`blake2b:${blake2b('another')}`] })
    expect(await causeOf(model)).toBe('FILE_REVOKED')
  })

  test('have known digests by which the policy revoked files before', async () => {
    await settled({ revoked: { fileDigests: [`blake2b:${blake2b('another')}`] } }, MEMORY, 'memory-known.yaml')
    const policy = await watchPolicy(site.file('memory-known.yaml'))
    const model = await judgeMemory(bytes, { policy })
    await untilJudged(async () => {
      await settled({ revoked: { fileDigests: [`blake2b:${blake2b('a third')}`] } }, MEMORY, 'memory-known.yaml')
      await policy.current()
    })
    expect(model.revoked.aborted).toBe(false)
  })

  test('are no longer watched once they are closed, unless a runtime uses them', async () => {
    const closed = await judged(bytes)
    closed.model.close()
    const { model, change } = await judged(bytes, { onRevoked: 'release' })
    const session = { released: 0, run: () => 'done', release: () => ++session.released }
    keepRevocable(model, session, { calls: ['run'], ends: ['release'], release: (one) => one.release() })
    model.close()
    const revoked = { fileDigests: [sha256('bytes in memory')] }
    await untilJudged(() => closed.change(revoked))
    expect(closed.model.revoked.aborted).toBe(false)
    await change(revoked)
    expect(await causeOf(model)).toBe('FILE_REVOKED')
    await vi.waitFor(() => expect(session.released).toBe(1), { timeout: 20_000 })
    expect(() => session.run()).toThrow(expect.objectContaining({ code: 'MODEL_REVOKED' }))
  })

  test('a model that is an object has no digest', async () => {
    const { model, change } = await judged(undefined)
    await untilJudged(() => change({ fileDigests: [sha256('another'), `blake2b:${blake2b('another')}`] }))
    expect(model.revoked.aborted).toBe(false)
  })
})

describe('files in a cache of their source', () => {
  const ANY = { match: { url: '**' } }
  async function cached(name: string) {
    await site.signedModel(name)
    await rm(site.file(`${name}-cache`), { recursive: true, force: true })
    await site.model(`${name}-cache`, { 'config.json': '{}', 'weights.bin': 'weights' })
    const content = new Map<string, Uint8Array>()
    for (const file of ['config.json', 'weights.bin']) content.set(file, await readFile(site.file(name, file)))
    content.set('model.sig', await readFile(site.file(`${name}.sig`)))
    const onDisk = vi.fn(() => filesAt(site.file(`${name}-cache`)))
    const source = memorySource(`https://example.com/${name}`, content, { files: { onDisk } })
    return { ...(await loaded(ANY, {}, source as never)), onDisk }
  }

  test('are hashed again there', async () => {
    const { opened, change } = await cached('cached')
    await untilJudged(() => change({ revoked: { fileDigests: [`blake2b:${blake2b('another')}`] } }, ANY))
    expect(opened.revoked.aborted).toBe(false)
    await change({ revoked: { fileDigests: [`blake2b:${blake2b('weights')}`] } }, ANY)
    expect(await causeOf(opened)).toBe('FILE_REVOKED')
    expect((opened.revoked.reason as ModelSealError).message).not.toContain('Cannot tell')
  })

  test.each<[string, (name: string, onDisk: Mock) => unknown]>([
    ['are others now', (name) => site.write(`${name}-cache/weights.bin`, 'another')],
    ['are not there any more', (_, onDisk) => onDisk.mockReturnValue(undefined)],
    ['cannot be found', (_, onDisk) => onDisk.mockRejectedValue(new Error('No.'))],
  ])('that %s: the model counts as revoked', async (how, spoil) => {
    const name = `cache-${how.length}`
    const { opened, change, onDisk } = await cached(name)
    await spoil(name, onDisk)
    await change({ revoked: { fileDigests: [`blake2b:${blake2b('another one')}`] } }, ANY)
    expect(await causeOf(opened)).toBe('FILE_REVOKED')
    expect((opened.revoked.reason as ModelSealError).message).toContain('Cannot tell')
  })
})

test('a model is revoked by the package URL that its source stated', async () => {
  const rule = { match: { url: 'store://models/**' }, mode: 'skip', reason: 'a test', signers: undefined }
  const source = memorySource('store://models/vad', new Map([['a', Buffer.from('a')]]), {
    session: { packageUrl: PACKAGE },
  })
  const { opened, change } = await loaded(rule, {}, source as never)
  await change({ revoked: { packages: ['pkg:huggingface/acme/vad'] } })
  expect(await causeOf(opened)).toBe('MODEL_REVOKED')
})

test('a model that is revoked while it loads is revoked right after', async () => {
  await site.policy(policyOf({}), 'racing.yaml')
  const policy = await watchPolicy(site.file('racing.yaml'))
  const opened = await openVerifiedModel(site.file('model'), { policy }, async () => {
    await settled({ revoked: { keys: [fingerprint] } }, undefined, 'racing.yaml')
    await policy.current()
  })
  expect(opened.verdict.decision).toBe('accepted')
  expect(await causeOf(opened)).toBe('KEY_REVOKED')
})

describe('a policy that has just been written', () => {
  test('counts once it has stayed the same for two seconds', async () => {
    const { opened } = await loaded()
    const file = `watched-${policies}.yaml`
    const began = Date.now()
    await site.policy(policyOf({ revoked: { keys: [fingerprint] } }), file)
    expect(await causeOf(opened)).toBe('KEY_REVOKED')
    expect(Date.now() - began).toBeGreaterThan(1_900)
  })

  test('does not count if it was only half of a policy', async () => {
    const { opened, policy } = await loaded()
    const file = `watched-${policies}.yaml`
    await site.policy(policyOf({}, { match: { path: 'elsewhere/**' } }), file)
    await policy.current()
    await sleep(500)
    await site.policy(policyOf({}), file)
    await policy.current()
    await sleep(2_500)
    expect(opened.revoked.aborted).toBe(false)
    await settled({ revoked: { keys: [fingerprint] } }, undefined, file)
    expect(await causeOf(opened)).toBe('KEY_REVOKED')
  })

  test('is not undone by an older version, for what was loaded by it', async () => {
    const { opened, policy } = await loaded()
    const file = `watched-${policies}.yaml`
    await settled({ revoked: { keys: [fingerprint] } }, undefined, file)
    await policy.current()
    expect(await causeOf(opened)).toBe('KEY_REVOKED')
    await site.policy(policyOf({}), file)
    const again = await openVerifiedModel(site.file('model'), { policy })
    onTestFinished(() => again.close())
    await sleep(2_500)
    expect(again.revoked.aborted).toBe(false)
    await settled({ revoked: { keys: [fingerprint] } }, undefined, file)
    expect(await causeOf(again)).toBe('KEY_REVOKED')
  })

  test('counts if a program gives an earlier one once more', async () => {
    const versions = await Promise.all(
      [{ revoked: { keys: [fingerprint] } }, {}].map(async (more, index) => {
        await settled(more, undefined, `version-${index}.yaml`)
        return loadPolicy(site.file(`version-${index}.yaml`))
      }),
    )
    let index = 0
    const policy = { current: () => Promise.resolve(versions[index]!) } as never
    const refused = openVerifiedModel(site.file('model'), { policy })
    await expect(refused).rejects.toMatchObject({ code: 'KEY_REVOKED' })
    index = 1
    const opened = await openVerifiedModel(site.file('model'), { policy })
    onTestFinished(() => opened.close())
    index = 0
    expect(await causeOf(opened)).toBe('KEY_REVOKED')
  })

  test('counts even if it never stays the same', { timeout: 30_000 }, async () => {
    const { opened, policy } = await loaded()
    const file = `watched-${policies}.yaml`
    for (let index = 0; index < 120 && !opened.revoked.aborted; index++) {
      await site.policy(policyOf({ revoked: { keys: [fingerprint, sha256(`${index}`)] } }), file)
      await policy.current()
      await sleep(100)
    }
    expect(await causeOf(opened)).toBe('KEY_REVOKED')
  })
})

test('a feed counts before a policy does that has just been written', async () => {
  const signed = `feed-${++policies}.jsonl`
  await publish(signed, {})
  const { opened, policy } = await loaded()
  const file = `watched-${policies}.yaml`
  const later = { advisories: [{ file: signed, signers: [{ key: 'publisher' }] }] }
  await settled({ revoked: { keys: [fingerprint] } }, undefined, file)
  await policy.current()
  await causeOf(opened)
  await site.policy(policyOf(later), file)
  const again = await openVerifiedModel(site.file('model'), { policy })
  onTestFinished(() => again.close())
  const began = Date.now()
  await publish(signed, { rootDigests: [rootDigest] })
  await site.policy(policyOf({ ...later, revoked: { keys: [sha256('another')] } }), file)
  await policy.current()
  expect(await causeOf(again)).toBe('MODEL_REVOKED')
  expect(Date.now() - began).toBeLessThan(1_500)
})

test('a feed that does not answer delays neither other models nor what the policy itself says', async () => {
  const server = createServer(() => {})
  await new Promise<void>((go) => server.listen(0, '127.0.0.1', go))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  const feed = { url: `http://127.0.0.1:${port}/`, signers: [{ key: 'publisher' }], ifStale: 'warn' }
  const signed = `feed-${++policies}.jsonl`
  await publish(signed, {})
  const advisories = [feed, { file: signed, signers: [{ key: 'publisher' }] }]
  const following = loaded({}, {}, site.file('model'), { advisories })
  const [first, second, third] = [
    await following,
    await loaded(),
    await loaded({}, {}, site.file('model'), { advisories }),
  ]
  // Loads no longer wait, but judging models again would.
  await sleep(6_000)
  const began = Date.now()
  await second.change({ revoked: { keys: [fingerprint] } })
  await first.change({ revoked: { keys: [fingerprint] } })
  await publish(signed, { keys: [fingerprint] })
  expect(await Promise.all([first, second, third].map(({ opened }) => causeOf(opened)))).toEqual(
    Array(3).fill('KEY_REVOKED'),
  )
  expect(Date.now() - began).toBeLessThan(4_000)
}, 60_000)

test('a model that is closed while it waits is not hashed', async () => {
  const waiting = Promise.withResolvers<undefined>()
  const begun: string[] = []
  const busy = (name: string) => async () => {
    begun.push(name)
    await waiting.promise
  }
  hashing.add(busy('first'))
  hashing.add(busy('second'))
  const { opened, change } = await loaded(SKIP)
  await opened.read('weights.bin')
  await untilJudged(() => change({ revoked: { fileDigests: [sha256('weights')] } }))
  await opened.close()
  waiting.resolve(undefined)
  await sleep(200)
  expect([begun, opened.revoked.aborted]).toEqual([['first', 'second'], false])
})

test('many changes in a row: the newest one counts', async () => {
  const { opened, change } = await loaded()
  for (let index = 0; index < 40; index++) await change({ revoked: { keys: [sha256(`${index}`)] } })
  await untilJudged(() => change({}))
  expect(opened.revoked.aborted).toBe(false)
  await change({ revoked: { keys: [fingerprint] } })
  expect(await causeOf(opened)).toBe('KEY_REVOKED')
})

describe('attestations that are required from now on and cannot be read', () => {
  /** Loads a model from a source that then fails when it is opened once more. */
  async function remote(name: string, rule: Rule, failing: () => Promise<never>) {
    const content = new Map<string, Uint8Array>()
    for (const file of ['config.json', 'weights.bin']) content.set(file, await readFile(site.file('model', file)))
    content.set('model.sig', await readFile(site.file('model.sig')))
    const source = memorySource(`https://example.com/${name}`, content)
    let asked = 0
    const open = source.open.bind(source)
    source.open = (given) => {
      asked++
      return asked === 1 ? open(given) : asked === 2 ? failing() : open(given)
    }
    return { ...(await loaded(rule, {}, source as never)), asked: () => asked }
  }
  const ANY = { match: { url: '**' } }
  const failing = (code: 'HTTP_UNREACHABLE' | 'ATTESTATIONS_TOO_MANY') => () =>
    Promise.reject(new ModelSealError(code, 'No.'))

  test('revoke nothing during an outage, and are asked for again later', async () => {
    const { opened, change, policy, asked } = await remote('down', ANY, failing('HTTP_UNREACHABLE'))
    await untilJudged(() => change({}, { ...ANY, ...ATTESTED }))
    expect([asked(), opened.revoked.aborted]).toEqual([2, false])
    vi.useFakeTimers({ toFake: ['Date'] })
    onTestFinished(() => void vi.useRealTimers())
    vi.setSystemTime(Date.now() + 61_000)
    await policy.current()
    expect(await causeOf(opened)).toBe('ATTESTATION_MISSING')
  })

  test('do not keep revocations from being found, in this model or others', async () => {
    const waiting = () =>
      new Promise<never>((_, reject) => onTestFinished(() => reject(new ModelSealError('HTTP_TIMEOUT', 'No.'))))
    const { opened, change } = await remote('slow', ANY, waiting)
    await untilJudged(() => change({}, { ...ANY, ...ATTESTED }))
    const another = await loaded()
    await another.change({ revoked: { keys: [fingerprint] } })
    expect(await causeOf(another.opened)).toBe('KEY_REVOKED')
    await change({ revoked: { fileDigests: [sha256('weights')] } }, { ...ANY, ...ATTESTED })
    expect(await causeOf(opened)).toBe('FILE_REVOKED')
  })

  test('revoke the model for any other reason, unless under audit', async () => {
    const { opened, change } = await remote('many', ANY, failing('ATTESTATIONS_TOO_MANY'))
    await change({}, { ...ANY, ...ATTESTED })
    expect(await causeOf(opened)).toBe('ATTESTATIONS_TOO_MANY')
    const audit = { ...ANY, mode: 'audit' }
    const tolerated = await remote('audit', audit, failing('ATTESTATIONS_TOO_MANY'))
    await untilJudged(() => tolerated.change({}, { ...audit, ...ATTESTED }))
    expect(tolerated.opened.revoked.aborted).toBe(false)
  })
})

test('a load has no other model judged again', async () => {
  const { policy } = await loaded()
  const judge = vi.spyOn(Standing.prototype, 'judge')
  onTestFinished(() => judge.mockRestore())
  // Policies may happen to be looked at just then, but not each time.
  await vi.waitFor(
    async () => {
      judge.mockClear()
      const another = await openVerifiedModel(site.file('model'), { policy })
      onTestFinished(() => another.close())
      await vi.waitFor(() => expect(judge).toHaveBeenCalled(), { interval: 1 })
      expect(judge.mock.contexts).toEqual([another.standing])
    },
    { timeout: 20_000 },
  )
})

test('an invalid version of the policy changes nothing', async () => {
  const { opened, change } = await loaded()
  await untilJudged(() => change({ rules: [] }))
  expect(opened.revoked.aborted).toBe(false)
})

test('a closed model is forgotten, and a model whose policy cannot change is never revoked', async () => {
  const { opened, change } = await loaded()
  await opened.close()
  const fixed = await openVerifiedModel(site.file('model'), { policy: await site.policy(policyOf({})) })
  await untilJudged(() => change({ revoked: { keys: [fingerprint] } }))
  expect(opened.revoked.aborted).toBe(false)
  expect(fixed.revoked.aborted).toBe(false)
})

describe('what happens then:', () => {
  test('MODELSEAL_ON_REVOKED holds besides what the program wants', async () => {
    vi.stubEnv('MODELSEAL_ON_REVOKED', 'release')
    const told: Revoked[] = []
    const { opened, change } = await loaded({}, { onRevoked: (revoked) => void told.push(revoked) })
    const session = { released: false, run: () => 'done', release: () => void (session.released = true) }
    keepRevocable(opened, session, { calls: ['run'], ends: ['release'], release: (one) => one.release() })
    await change({ revoked: { keys: [fingerprint] } })
    await causeOf(opened)
    await vi.waitFor(() => expect([told.length, session.released]).toEqual([1, true]), { timeout: 20_000 })
    expect(() => session.run()).toThrow(expect.objectContaining({ code: 'MODEL_REVOKED' }))
    vi.stubEnv('MODELSEAL_ON_REVOKED', 'stop')
    await expect(openVerifiedModel(site.file('model'), {})).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  })

  test('the channel and the function are told', async () => {
    const told: unknown[] = []
    const listener = (message: unknown) => void told.push(message)
    subscribe(REVOKED_CHANNEL, listener)
    onTestFinished(() => void unsubscribe(REVOKED_CHANNEL, listener))
    const onRevoked = vi.fn<(revoked: Revoked) => void>()
    const { opened, change } = await loaded({}, { onRevoked })
    await change({ revoked: { keys: [fingerprint] } })
    await causeOf(opened)
    const message = {
      model: site.file('model'),
      verdict: opened.verdict,
      error: opened.revoked.reason as ModelSealError,
    }
    await vi.waitFor(() => expect(onRevoked).toHaveBeenCalledExactlyOnceWith(message), { timeout: 20_000 })
    expect(told).toEqual([message])
    expect(message.error.message).toMatch(/was revoked after it was loaded: The key sha256:.+ is revoked by the policy/)
  })

  test('the process ends', async () => {
    const ended = vi.spyOn(process, 'exit').mockReturnValue(undefined as never)
    const written = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
    onTestFinished(() => void vi.restoreAllMocks())
    const { opened, change } = await loaded({}, { onRevoked: 'exit' })
    await change({ revoked: { keys: [fingerprint] } })
    await causeOf(opened)
    expect(ended).toHaveBeenCalledExactlyOnceWith(1)
    expect(written).toHaveBeenCalledWith(expect.stringContaining('was revoked after it was loaded'))
  })

  test.each([['releas'], [1], [{}]])('another value of onRevoked is refused: %j', async (onRevoked) => {
    const options = { onRevoked } as unknown as OpenOptions
    await expect(openVerifiedModel(site.file('model'), options)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  })
})

test('the outcome of an adapter is told after the model was closed', async () => {
  const { opened, change } = await loaded()
  await opened.close()
  const { revoked } = outcomeOf(opened)
  await change({ revoked: { keys: [fingerprint] } })
  expect(await causeOf({ revoked })).toBe('KEY_REVOKED')
})

describe('what a runtime created', () => {
  class Session {
    released = 0
    finish = () => {}
    run(): Promise<string> {
      return new Promise((resolve) => (this.finish = () => resolve('done')))
    }
    predict(): string {
      return 'now'
    }
    release(): void {
      this.released++
    }
  }
  const hold = (model: OpenedModel<unknown>, session: Session) =>
    keepRevocable(model, session, {
      calls: ['predict', 'missing'],
      asyncCalls: ['run'],
      ends: ['release'],
      release: (created) => created.release(),
    })

  test('is released after calls in progress have ended, and refuses further ones', async () => {
    const { opened, change } = await loaded({}, { onRevoked: 'release' })
    const session = new Session()
    hold(opened, session)
    await opened.close()
    expect(session.predict()).toBe('now')
    const running = session.run()
    await change({ revoked: { keys: [fingerprint] } })
    await causeOf(opened)
    expect(session.released).toBe(0)
    session.finish()
    expect(await running).toBe('done')
    expect(session.released).toBe(1)
    await expect(session.run()).rejects.toMatchObject({ code: 'MODEL_REVOKED' })
    expect(() => session.predict()).toThrow(expect.objectContaining({ code: 'MODEL_REVOKED' }))
    expect(session.released).toBe(1)
  })

  test('is only watched without "release", and no longer once the program released it', async () => {
    const { opened, change } = await loaded()
    const session = new Session()
    hold(opened, session)
    await opened.close()
    await change({ revoked: { keys: [fingerprint] } })
    expect(await causeOf(opened)).toBe('KEY_REVOKED')
    expect([session.released, session.predict()]).toEqual([0, 'now'])

    const other = await loaded({}, { onRevoked: 'release' })
    const released = new Session()
    hold(other.opened, released)
    await other.opened.close()
    released.release()
    await untilJudged(() => other.change({ revoked: { keys: [fingerprint] } }))
    expect([released.released, other.opened.revoked.aborted]).toEqual([1, false])
  })

  test('is refused if the model was revoked in the meantime', async () => {
    const { opened, change } = await loaded()
    await change({ revoked: { keys: [fingerprint] } })
    await causeOf(opened)
    expect(() => hold(opened, new Session())).toThrow(expect.objectContaining({ code: 'MODEL_REVOKED' }))
  })
})

test('watching keeps neither a model alive nor what a runtime created', { timeout: 60_000 }, async () => {
  const gc = garbageCollector()
  await settled({}, undefined, 'heap.yaml')
  const policy = await watchPolicy(site.file('heap.yaml'))
  const references: WeakRef<object>[] = []
  let kept: { run: () => void } | undefined
  const load = async (index: number) => {
    const told: object[] = []
    const onRevoked = ['release', 'exit', (revoked: Revoked) => void told.push(revoked), undefined] as const
    const reaction = index === 0 ? 'release' : onRevoked[index % 4]
    const model = await openVerifiedModel(site.file('model'), { policy, onRevoked: reaction })
    const inner = { run() {} }
    const session = { run() {}, release() {}, inner }
    const held = {
      calls: ['run'],
      ends: ['release'],
      release: (one: typeof session) => one.release(),
      parts: (one: typeof session) => [one.inner],
    }
    if (index % 3 === 0) keepRevocable(model, session, held)
    if (index % 5 === 0) references.push(new WeakRef(outcomeOf(model)))
    if (index === 0) kept = session
    else references.push(...[model, session, inner, model.revoked, told].map((one) => new WeakRef(one)))
    session.run()
    if (index % 2 === 0) await model.close()
  }
  for (let index = 0; index < 200; index++) await load(index)
  // While all of them are judged.
  await settled({ revoked: { keys: [sha256('another')] } }, undefined, 'heap.yaml')
  await policy.current()
  await vi.waitFor(
    () => {
      gc()
      expect(references.filter((reference) => reference.deref())).toHaveLength(0)
    },
    { timeout: 20_000, interval: 50 },
  )
  await settled({ revoked: { keys: [fingerprint] } }, undefined, 'heap.yaml')
  await policy.current()
  await vi.waitFor(() => expect(() => kept?.run()).toThrow(expect.objectContaining({ code: 'MODEL_REVOKED' })), {
    timeout: 20_000,
  })
})
