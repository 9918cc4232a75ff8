import { createHash } from 'node:crypto'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { readFileSync, rmSync } from 'node:fs'
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { VERDICT_CHANNEL } from '../events.ts'
import { type ModelSealError } from '../errors.ts'
import * as hashing from '../hashing/hash-files.ts'
import type { Verdict } from '../results.ts'
import { file, serve, type Answer } from '../testing/http-server.ts'
import { scratch } from '../testing/scratch.ts'
import { openJudged } from './open-judged.ts'
import { openOptions, type OpenOptions } from './open-options.ts'
import { TestSite } from '../testing/site.ts'
import type { Gather } from './model-reader.ts'

// Names and options of every file that is hashed, in the order of the calls.
vi.mock('../hashing/hash-files.ts', async (original) => {
  const real = await original<typeof hashing>()
  return { ...real, hashFiles: vi.fn(real.hashFiles) }
})
const hashed = () => vi.mocked(hashing.hashFiles).mock.calls.flatMap(([jobs]) => jobs.map(({ file }) => file.name))

const BY = '@modelseal/register'
const WEIGHTS = 'weights'
const DIGEST = createHash('sha256').update(WEIGHTS).digest('hex')

let site: TestSite
let rootDigest: string
const verdicts: Verdict[] = []
const collect = (verdict: unknown) => verdicts.push(verdict as Verdict)

beforeAll(async () => {
  site = await TestSite.make()
  await site.key('a')
  await site.key('b')
  await site.model('one')
  rootDigest = await site.sign('one', 'a')
  await site.model('tampered')
  await site.sign('tampered', 'a')
  await site.write('tampered/weights.bin', 'changed')
  await site.model('unsigned')
  await site.model('extra')
  await site.sign('extra', 'a')
  await site.write('extra/readme.txt', 'more')
  await site.model('both')
  await site.sign('both', 'a', 'both.a.sig')
  await site.sign('both', 'b', 'both.b.sig', { hashType: 'blake2b' })
  await site.model('sharded')
  await site.sign('sharded', 'a', 'sharded.a.sig', { shardSize: 4 })
  await site.sign('sharded', 'b', 'sharded.b.sig')
  await site.model('shards')
  await site.sign('shards', 'a', 'shards.a.sig', { shardSize: 4 })
  await site.sign('shards', 'b', 'shards.b.sig', { shardSize: 8 })
  await site.model('tampered-both')
  await site.sign('tampered-both', 'a', 'tampered-both.a.sig')
  await site.write('tampered-both/weights.bin', 'chanced')
  await site.sign('tampered-both', 'b', 'tampered-both.b.sig', { hashType: 'blake2b' })
  subscribe(VERDICT_CHANNEL, collect)
})
afterAll(async () => {
  unsubscribe(VERDICT_CHANNEL, collect)
  await site.remove()
})
beforeEach(() => {
  verdicts.length = 0
  vi.mocked(hashing.hashFiles).mockClear()
  vi.stubEnv('MODELSEAL_CACHE', scratch())
  return () => vi.unstubAllEnvs()
})

interface RuleText {
  key?: string
  mode?: string
  require?: object
  match?: object
  revoked?: object
  maxAge?: object
}

function policy({ key = 'a', mode = 'enforce', require = {}, match = { path: '**' }, revoked }: RuleText = {}) {
  const place = mode === 'skip' && !('url' in match) ? { path: ['one', 'tampered', 'unsigned'] } : match
  return site.policy({
    version: 1,
    trustRoots: { a: { publicKey: 'a.pub' }, b: { publicKey: 'b.pub' } },
    rules: [
      { name: key, match: place, mode, ...(mode === 'skip' ? { reason: 'a test' } : { signers: [{ key }], require }) },
    ],
    ...(revoked ? { revoked } : {}),
  })
}

interface Loading {
  program?: RuleText
  register?: RuleText
  audit?: boolean
  options?: OpenOptions
  gather?: Gather<unknown>
}

async function load(model: string, { program, register, audit, options, gather }: Loading = {}) {
  const own = { ...openOptions(options), policy: await policy(program) }
  const read: Gather<unknown> = (reader) => reader.readAll([{ name: 'weights.bin' }])
  return openJudged({ source: site.file(model), options: own, gather: gather ?? read }, [
    own,
    { by: BY, policy: await policy(register), audit },
  ])
}

const UNTRUSTED = { key: 'b' }
const REFUSED_BY_REGISTER = {
  code: 'SIGNER_NOT_TRUSTED',
  message: expect.stringMatching(/ Refused by the policy of @modelseal\/register, ".*"\.$/) as string,
}
const REFUSED_BY_PROGRAM = {
  code: 'SIGNER_NOT_TRUSTED',
  message: expect.stringMatching(/ Refused by the policy of the program, ".*"\.$/) as string,
}

const told = () => verdicts.map(({ by, decision, error, wouldRefuse }) => [by, decision, (error ?? wouldRefuse)?.code])

describe('a load under two policies', () => {
  test('is accepted if both accept, with a verdict from each, and hashes nothing twice', async () => {
    await using model = await load('one')
    expect(model.verdict).toMatchObject({ decision: 'accepted', files: { checked: 2, signed: 2 }, bytes: 9 })
    expect(model.manifest?.rootDigest).toBe(rootDigest)
    expect(told()).toEqual([
      [undefined, 'accepted', undefined],
      [BY, 'accepted', undefined],
    ])
    expect(verdicts[1]).toMatchObject({ files: { checked: 2, signed: 2 }, bytes: 0, hashed: 'files' })
    expect(hashed().sort()).toEqual(['config.json', 'weights.bin'])
  })

  test.each<[string, Loading]>([
    ['the policy of the program', { program: UNTRUSTED }],
    ['the policy of the program, in an audit of the other', { program: UNTRUSTED, audit: true }],
    ['both', { program: UNTRUSTED, register: UNTRUSTED }],
  ])('is refused by %s before anything is hashed', async (_, loading) => {
    await expect(load('one', loading)).rejects.toMatchObject(REFUSED_BY_PROGRAM)
    expect(told()).toEqual([[undefined, 'refused', 'SIGNER_NOT_TRUSTED']])
    expect(hashed()).toEqual([])
  })

  test.each<[string, Loading]>([
    ['enforces', {}],
    ['skips', { program: { mode: 'skip' } }],
    ['audits', { program: { mode: 'audit' } }],
    ['would refuse in an audit', { program: { mode: 'audit', key: 'b' } }],
    ['is told to audit', { options: { audit: true } }],
  ])("is refused by the second even if the program's policy %s", async (_, loading) => {
    const loaded = load('one', { ...loading, register: UNTRUSTED })
    const error = await loaded.catch((error: unknown) => error as ModelSealError)
    expect(error).toMatchObject(REFUSED_BY_REGISTER)
    expect((error as ModelSealError).verdict).toMatchObject({ by: BY, decision: 'refused' })
    expect(told()).toEqual([[BY, 'refused', 'SIGNER_NOT_TRUSTED']])
    expect(hashed()).toEqual([])
  })

  test('has its files verified even if only one policy accepts a signature', async () => {
    const skips = { mode: 'skip' }
    await expect(load('tampered', { program: skips })).rejects.toMatchObject({ code: 'FILE_MISMATCH' })
    await expect(load('tampered', { register: skips })).rejects.toMatchObject({ code: 'FILE_MISMATCH' })
    await using model = await load('one', { program: skips })
    expect(model.verdict.decision).toBe('skipped')
    expect(model.manifest).toBeUndefined()
    expect(model.files).toEqual(['config.json', 'weights.bin'])
    expect(told().slice(-2)).toEqual([
      [undefined, 'skipped', undefined],
      [BY, 'accepted', undefined],
    ])
  })

  test('is loaded unverified if both skip', async () => {
    await using model = await load('unsigned', { program: { mode: 'skip' }, register: { mode: 'skip' } })
    expect(told()).toEqual([
      [undefined, 'skipped', undefined],
      [BY, 'skipped', undefined],
    ])
    expect(model.verdict.by).toBeUndefined()
  })

  test('an audit of the second tolerates what it alone refuses', async () => {
    await using model = await load('one', { register: UNTRUSTED, audit: true })
    expect(model.verdict.decision).toBe('accepted')
    expect(told()).toEqual([
      [undefined, 'accepted', undefined],
      [BY, 'tolerated', 'SIGNER_NOT_TRUSTED'],
    ])
  })

  test("an audit of the second does not load a model whose files the program's policy refuses", async () => {
    await expect(load('tampered', { audit: true })).rejects.toMatchObject({ code: 'FILE_MISMATCH' })
    // Both refuse it, and nothing is read once more without the second policy.
    expect(hashed().filter((name) => name === 'weights.bin')).toHaveLength(1)
    expect(told()).toEqual([
      [undefined, 'refused', 'FILE_MISMATCH'],
      [BY, 'refused', 'FILE_MISMATCH'],
    ])
    await expect(load('extra', { audit: true })).rejects.toMatchObject({ code: 'FILE_UNSIGNED' })
  })

  test.each<[string, object, object, string | undefined]>([
    ['both ignore unsigned files', { files: 'ignore-unsigned' }, { files: 'ignore-unsigned' }, undefined],
    ['only the program ignores them', { files: 'ignore-unsigned' }, {}, 'the policy of @modelseal/register,'],
    ['only the second ignores them', {}, { files: 'ignore-unsigned' }, 'the policy of the program,'],
  ])('an unsigned file: %s', async (_, program, register, by) => {
    const loading = load('extra', { program: { require: program }, register: { require: register } })
    if (by === undefined) await (await loading)[Symbol.asyncDispose]()
    else
      await expect(loading).rejects.toMatchObject({
        code: 'FILE_UNSIGNED',
        message: expect.stringContaining(`Refused by ${by}`) as string,
      })
  })

  test('an audit of the second tolerates an unsigned file that the program ignores', async () => {
    await using model = await load('extra', { program: { require: { files: 'ignore-unsigned' } }, audit: true })
    expect(model.verdict.decision).toBe('accepted')
    expect(told()).toEqual([
      [undefined, 'accepted', undefined],
      [BY, 'tolerated', 'FILE_UNSIGNED'],
    ])
  })

  test('all files are hashed unless neither requires it', async () => {
    const loaded = { require: { files: 'loaded' } }
    await (await load('one', { program: loaded, register: loaded }))[Symbol.asyncDispose]()
    expect(hashed()).toEqual(['weights.bin'])
    await (await load('one', { program: loaded }))[Symbol.asyncDispose]()
    expect(hashed().slice(1).sort()).toEqual(['config.json', 'weights.bin'])
  })

  test('a file that was not loaded is refused only by the policy that has all of them checked', async () => {
    const loaded = { require: { files: 'loaded' } }
    const gather = () => Promise.resolve()
    await (await load('tampered', { program: loaded, register: loaded, gather }))[Symbol.asyncDispose]()
    verdicts.length = 0
    await expect(load('tampered', { program: loaded, gather })).rejects.toMatchObject({ code: 'FILE_MISMATCH' })
    expect(told()).toEqual([[BY, 'refused', 'FILE_MISMATCH']])
  })

  test('the isolation is one that both allow', async () => {
    const memory = { require: { isolation: ['memory'] } }
    const copy = { require: { isolation: ['copy'] } }
    await expect(load('one', { register: copy })).rejects.toMatchObject({
      code: 'ISOLATION_REFUSED',
      message: expect.stringContaining('Refused by the policy of @modelseal/register,') as string,
    })
    verdicts.length = 0
    const options = { isolation: 'copy' } as const
    await expect(load('one', { register: memory, options })).rejects.toMatchObject({
      code: 'ISOLATION_REFUSED',
      message: expect.stringContaining('Refused by the policy of @modelseal/register,') as string,
    })
    expect(told()).toEqual([[BY, 'refused', 'ISOLATION_REFUSED']])
    await expect(load('one', { program: memory, register: copy })).rejects.toMatchObject({ code: 'ISOLATION_REFUSED' })
    await using model = await load('one', { program: memory, register: memory })
    expect(model.verdict.isolation).toEqual(['memory'])
  })

  test('receipts are used if both allow them', async () => {
    const receipts = { require: { receipts: 'allow' } }
    await (await load('one', { program: receipts }))[Symbol.asyncDispose]()
    expect(verdicts[0]?.checks.at(-1)?.reason).not.toContain('eceipt')
    await (await load('one', { program: receipts, register: receipts }))[Symbol.asyncDispose]()
    expect(verdicts[2]?.checks.at(-1)?.reason).toContain('eceipt')
  })

  test.each<[string, object]>([
    ['require.name', { require: { name: 'other' } }],
    ['require.rootDigest', { require: { rootDigest: `sha256:${'0'.repeat(64)}` } }],
    ['require.maxBundleBytes', { require: { maxBundleBytes: 100 } }],
    ['a rule by URL, whatever URL the program states', { match: { url: 'https://models.example/**' } }],
  ])('the second refuses by %s', async (_, register) => {
    const options = { url: 'https://models.example/one' }
    await expect(load('one', { register, options })).rejects.toMatchObject({
      message: expect.stringContaining('Refused by the policy of @modelseal/register') as string,
    })
  })

  test('the program may raise the bundle size limit only for itself', async () => {
    const options = { maxBundleBytes: 100 }
    await expect(load('one', { options })).rejects.toMatchObject({ code: 'BUNDLE_TOO_LARGE' })
  })
})

describe('revocations of either policy hold', () => {
  const REVOKED: Record<string, () => object> = {
    'a file by the digest in the manifest': () => ({ fileDigests: [DIGEST] }),
    'a file by another digest': () => ({
      fileDigests: [`blake2b:${createHash('blake2b512').update(WEIGHTS).digest('hex')}`],
    }),
    'the root digest': () => ({ rootDigests: [rootDigest] }),
  }
  const modes: [string, RuleText][] = [
    ['enforce', {}],
    ['audit', { mode: 'audit', key: 'b' }],
    ['skip', { mode: 'skip' }],
  ]

  describe.each(Object.keys(REVOKED))('%s', (what) => {
    test.each(modes)('in the mode %s', async (_, text) => {
      const revoking = { ...text, revoked: REVOKED[what]!() }
      const code = what === 'the root digest' ? 'MODEL_REVOKED' : 'FILE_REVOKED'
      for (const other of modes.map(([, text]) => text)) {
        if (other.mode === 'audit' && text.mode === 'audit') continue
        await expect(load('one', { program: revoking, register: other })).rejects.toMatchObject({
          code,
          message: expect.stringContaining('Refused by the policy of the program') as string,
        })
        const second = {
          code,
          message: expect.stringContaining('Refused by the policy of @modelseal/register') as string,
        }
        await expect(load('one', { program: other, register: revoking })).rejects.toMatchObject(second)
        await expect(load('one', { program: other, register: revoking, audit: true })).rejects.toMatchObject(second)
      }
    })
  })

  test('digests that only one of them needs come from the same read', async () => {
    const revoked = { fileDigests: [`blake2b:${'0'.repeat(128)}`] }
    await using model = await load('one', { register: { revoked } })
    expect(model.verdict.decision).toBe('accepted')
    expect(hashed().sort()).toEqual(['config.json', 'weights.bin'])
  })
})

describe('an audit', () => {
  const listed = { require: { unsigned: ['readme.txt'] } }

  test.each<[string, string, RuleText, RuleText]>([
    ['unsigned files that the program lists', 'extra', listed, {}],
    ['another isolation', 'one', { require: { isolation: ['memory'] } }, { require: { isolation: ['copy'] } }],
  ])('ignores what it alone would refuse: %s', async (_, model, program, register) => {
    await using opened = await load(model, { program, register, audit: true })
    expect(opened.verdict.decision).toBe('accepted')
    const code = model === 'extra' ? 'FILE_UNSIGNED' : 'ISOLATION_REFUSED'
    expect(told()).toEqual([
      [undefined, 'accepted', undefined],
      [BY, 'tolerated', code],
    ])
  })

  test("keeps the program's refusals", async () => {
    for (const register of [{}, listed])
      await expect(load('extra', { register, audit: true })).rejects.toMatchObject({ code: 'FILE_UNSIGNED' })
    const program = { require: { isolation: ['memory'] } }
    const options = { isolation: 'copy' } as const
    await expect(load('one', { program, register: program, options, audit: true })).rejects.toMatchObject({
      code: 'ISOLATION_REFUSED',
    })
    await expect(load('tampered', { program, audit: true })).rejects.toMatchObject({ code: 'FILE_MISMATCH' })
  })
})

describe('two signatures, of which each policy accepts one,', () => {
  test.each(['both', 'sharded'])('are both checked in one read (%s)', async (name) => {
    await using model = await load(name, { register: UNTRUSTED })
    expect(told()).toEqual([
      [undefined, 'accepted', undefined],
      [BY, 'accepted', undefined],
    ])
    expect(model.files).toEqual(['config.json', 'weights.bin'])
    expect(hashed().sort()).toEqual(['config.json', 'weights.bin'])
  })

  test('refuse a model that matches only the second, or only the first', async () => {
    await expect(load('tampered-both', { register: UNTRUSTED })).rejects.toMatchObject({ code: 'FILE_MISMATCH' })
    await site.write('tampered-both/weights.bin', WEIGHTS)
    await expect(load('tampered-both', { register: UNTRUSTED })).rejects.toMatchObject({ code: 'FILE_MISMATCH' })
  })

  test('refuse a file that one of them does not cover', async () => {
    await site.model('ignoring')
    await site.sign('ignoring', 'a', 'ignoring.a.sig')
    await site.sign('ignoring', 'b', 'ignoring.b.sig', {
      hashType: 'blake2b',
      ignorePaths: [site.file('ignoring/weights.bin')],
    })
    await expect(load('ignoring', { register: UNTRUSTED })).rejects.toMatchObject({ code: 'FILE_NOT_SIGNED' })
    await expect(
      load('ignoring', { program: UNTRUSTED, register: {}, gather: () => Promise.resolve() }),
    ).rejects.toMatchObject({ code: 'POLICIES_DISAGREE' })
    rmSync(site.file('ignoring'), { recursive: true })
  })

  describe('refuse if names start at different directories:', () => {
    /** The second signer lists sub/x only under another name. */
    async function signedTwice(): Promise<void> {
      rmSync(site.file('two'), { recursive: true, force: true })
      await site.model('two/sub', { x: 'second', 'sub/x': 'first' })
      await site.model('list', { x: 'second', 'sub/x': 'first' })
      await site.write('two/signatures/b.sig', '')
      rmSync(site.file('two/signatures/b.sig'))
      await site.sign('list', 'b', 'two/signatures/b.sig')
    }

    async function under(key: string, match: object, bundle?: string): Promise<string> {
      const rule = { name: key, match, signers: [{ key }], require: { files: 'loaded' } }
      const trustRoots = { [key]: { publicKey: `${key}.pub` } }
      return site.policy({ version: 1, trustRoots, rules: [bundle === undefined ? rule : { ...rule, bundle }] })
    }

    async function loadX(path: string, match: object): Promise<unknown> {
      const own = { ...openOptions({}), policy: await under('a', match) }
      const other = { by: BY, policy: await under('b', match, 'signatures/b.sig') }
      const gather: Gather<unknown> = (reader) => reader.readAll([{ name: 'x' }])
      return openJudged({ source: path, options: own, gather }, [own, other])
    }

    test('on this machine, and over HTTP', async () => {
      await signedTwice()
      await site.sign('two/sub/x', 'a')
      await expect(loadX(site.file('two/sub/x'), { path: '**' })).rejects.toMatchObject({ code: 'POLICIES_DISAGREE' })
      const names = ['sub/x', 'sub/x.sig', 'signatures/b.sig']
      const answers = names.map((name): [string, Answer] => [
        `/two/${name}`,
        file(readFileSync(site.file('two', name))),
      ])
      const { origin } = await serve(Object.fromEntries(answers))
      const match = { url: 'http://127.0.0.1:*/**' }
      await expect(loadX(`${origin}/two/sub/x`, match)).rejects.toMatchObject({ code: 'POLICIES_DISAGREE' })
    })

    test('also if both signed the same list', async () => {
      await signedTwice()
      await site.sign('list', 'a', 'two/sub/model.sig')
      await expect(loadX(site.file('two/sub/x'), { path: '**' })).rejects.toMatchObject({ code: 'POLICIES_DISAGREE' })
    })
  })

  test('refuse if they cannot be compared in one read', async () => {
    await expect(load('shards', { register: UNTRUSTED })).rejects.toMatchObject({ code: 'POLICIES_DISAGREE' })
  })
})
