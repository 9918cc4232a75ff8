import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { ModelSealError } from '../../errors.ts'
import { loadPolicy } from '../../policy/load-policy.ts'
import { watchPolicy } from '../../policy/watching/watch-policy.ts'
import type { ModelSource, SourceSession } from '../../source/model-source.ts'
import { OpenedSource } from '../../source/opened-source.ts'
import { memorySource } from '../../testing/memory-source.ts'
import { refusal } from '../../testing/scratch.ts'
import { TestSite } from '../../testing/site.ts'
import type { OpenOptions } from '../open-options.ts'
import { Judging, type Judge } from './judging.ts'

const MODEL = 'store://models/vad'
const COMMIT = 'a1'.repeat(20)

let site: TestSite
let rootDigest: string
let content: Map<string, Buffer>

beforeAll(async () => {
  site = await TestSite.make()
  for (const key of ['a', 'b']) await site.key(key)
  await site.model('model')
  rootDigest = await site.sign('model', 'a', 'model/model.sig')
  const names = ['config.json', 'weights.bin', 'model.sig']
  content = new Map(
    await Promise.all(names.map(async (name) => [name, await readFile(site.file(`model/${name}`))] as const)),
  )
})
afterAll(() => site.remove())

function policy(rule: object = {}, more: object = {}): Promise<string> {
  const signers = (rule as { mode?: string }).mode === 'skip' ? { reason: 'ours' } : { signers: [{ key: 'a' }] }
  return site.policy({
    version: 1,
    trustRoots: { a: { publicKey: 'a.pub' }, b: { publicKey: 'b.pub' } },
    rules: [{ name: 'r', match: { url: 'store://models/**' }, ...signers, ...rule }],
    ...more,
  })
}

interface Made extends Judge {
  session?: Partial<SourceSession>
  options?: OpenOptions
  source?: ModelSource
}

/** How often the source was opened. */
let opened = 0

function judging({ session, options = {}, source: given, ...judge }: Made, other?: Judging): Judging {
  const source = given ?? memorySource(MODEL, content, { session: session ?? {} })
  const open = () => {
    opened++
    return OpenedSource.open(source)
  }
  return new Judging({ place: source.place, label: MODEL, opened: open }, options, judge, other)
}

async function judged(made: Made): Promise<Judging> {
  const one = judging(made)
  await one.judge(Date.now())
  return one
}

const DENIED = refusal('SIGNER_NOT_TRUSTED')

describe('a judgement', () => {
  test('that accepts says what it accepts', async () => {
    const one = await judged({ policy: await policy() })
    const { accepted, verdict, formats, mayBeUnsigned } = one
    expect(accepted).toMatchObject({ rule: { name: 'r' }, attestations: [], readAttestations: undefined })
    expect(accepted?.revocations).toBe(one.revocations)
    expect(verdict).toMatchObject({
      decision: 'refused',
      rule: 'r',
      mode: 'enforce',
      model: { name: 'model', rootDigest },
      files: { signed: 2 },
      bundles: [{ counted: true }],
    })
    expect(verdict).not.toHaveProperty('reason')
    expect(verdict).not.toHaveProperty('by')
    expect(verdict.model).not.toHaveProperty('entry')
    expect(verdict.durations.verification).toBeGreaterThan(0)
    expect(verdict.durations.policy).toBeGreaterThan(0)
    expect(formats).toEqual([])
    expect(mayBeUnsigned).toBeUndefined()
    verdict.at = 'earlier'
    one.decide()
    expect(verdict.decision).toBe('accepted')
    expect(verdict.at).toMatch(/^\d{4}-/)
  })

  test('says which steps it took, and what they found', async () => {
    const { verdict } = await judged({ policy: await policy() })
    expect(verdict.checks.slice(0, 3)).toEqual([
      { check: 'policy-age', outcome: 'passed', reason: 'The policy sets no maximum age.' },
      { check: 'rule', outcome: 'passed', reason: 'The rule "r" is the first that matches; its mode is enforce.' },
      { check: 'bundles', outcome: 'passed', reason: 'The model has one bundle.' },
    ])
  })

  test('names the places where a rule looks for bundles', async () => {
    const bundle = ['model.sig', 'own.sig']
    const candidate = { path: `${MODEL}/own.sig`, read: async (_: unknown, receive: never) => own(receive) }
    const bytes = content.get('model.sig')!
    const own = async (receive: (body: unknown) => Promise<unknown>) => receive({ size: bytes.length, chunks: [bytes] })
    const bundles = () => [{ candidates: [candidate, { ...candidate, path: `${MODEL}/more.sig` }] }]
    const session = { bundles } as unknown as Partial<SourceSession>
    const { verdict } = await judged({ policy: await policy({ bundle }), session })
    expect(verdict.checks[2]?.reason).toBe(
      'The model has 2 bundles. The rule looks for bundles only at "model.sig" or "own.sig".',
    )
  })

  test('allows the unsigned files that the rule lists', async () => {
    const { mayBeUnsigned } = await judged({ policy: await policy({ require: { unsigned: ['cache/*'] } }) })
    expect(['cache/a', 'config.json'].map((name) => mayBeUnsigned?.(name))).toEqual([true, false])
  })

  test('of the same load sees the bundles that another one read', async () => {
    opened = 0
    const first = await judged({ policy: await policy() })
    const second = judging({ by: 'register', policy: await policy() }, first)
    await second.judge(Date.now())
    expect(opened).toBe(1)
    expect(second.accepted?.found.bundles).toEqual(first.accepted?.found.bundles)
  })

  test('by a rule in the mode skip reads no bundle', async () => {
    const session = { bundles: () => expect.unreachable() }
    const match = { url: 'store://models/**' }
    const one = await judged({ policy: await policy({ mode: 'skip', match }), session })
    expect(one.accepted).toBeUndefined()
    expect(one.verdict).toMatchObject({ rule: 'r', mode: 'skip', reason: 'ours', durations: { verification: 0 } })
    one.decide()
    expect(one.verdict.decision).toBe('skipped')
  })

  test('of someone else has their name, and another policy', async () => {
    const one = judging({
      by: 'register',
      policy: await policy({ signers: [{ key: 'b' }] }),
      options: { policy: await policy() },
    })
    await expect(one.judge(Date.now())).rejects.toEqual(DENIED)
    expect(one.by).toBe('register')
    expect(one.verdict.by).toBe('register')
    expect(one.accepted).toBeUndefined()
  })

  test('of a model named by its URL in the program, believes only the program', async () => {
    const source = { ...memorySource(MODEL, content), place: { path: '/models/vad' } } as unknown as ModelSource
    const trust = await policy({ match: { url: 'https://hub.example/**' }, mode: 'skip' })
    const options = { url: 'https://hub.example/vad' }
    const own = await judged({ policy: trust, options, source })
    expect(own.verdict).toMatchObject({ mode: 'skip', model: { url: 'https://hub.example/vad' } })
    expect(own.stated.url).toBe(options.url)
    const other = judging({ by: 'register', policy: trust, options, source })
    await expect(other.judge(Date.now())).rejects.toEqual(refusal('POLICY_NO_MATCH'))
    expect(other.verdict.model).not.toHaveProperty('url')
    expect(other.stated.url).toBeUndefined()
  })

  test('stops when the load is aborted', async () => {
    const stop = new AbortController()
    const source = memorySource(MODEL, content, { session: { model: () => expect.unreachable() } })
    const one = judging({ policy: await policy(), options: { signal: stop.signal, audit: true }, source, audit: true })
    stop.abort()
    await expect(one.judge(Date.now())).rejects.toEqual(refusal('ABORTED'))
  })
})

describe('the formats that may be loaded', () => {
  const claimed = () => Promise.resolve('onnx' as const)
  const format = { oneOf: ['onnx', 'tfjs-graph'] as const, claimed }

  test('are those for which the rule was chosen, once it accepts', async () => {
    const rules = {
      rules: [
        { name: 'o', match: { format: 'onnx' }, signers: [{ key: 'a' }], mode: 'audit' },
        { name: 't', match: { format: 'tfjs-graph' }, signers: [{ key: 'b' }] },
      ],
    }
    const one = judging({ policy: await policy({}, rules), options: { format } })
    expect(one.formats).toEqual(['onnx', 'tfjs-graph'])
    await one.judge(Date.now())
    expect(one.formats).toEqual(['onnx'])
    expect(one.verdict).toMatchObject({ rule: 'o', mode: 'enforce' })
    expect(one.verdict.checks[1]?.reason).toContain(
      'its mode is audit, but it is enforced because the unverified model named the format.',
    )
    one.accepted = undefined
    expect(one.formats).toEqual(['onnx', 'tfjs-graph'])
  })
})

describe('an audit', () => {
  const error = () => new ModelSealError('FILE_MISMATCH', 'Changed.')

  test('tolerates a refusal, once', async () => {
    const one = await judged({ policy: await policy({ mode: 'audit' }) })
    expect(one.accepted).toBeDefined()
    expect(one.tolerates(error())).toBe(true)
    expect(one.accepted).toBeUndefined()
    expect(one.verdict.wouldRefuse).toMatchObject({ code: 'FILE_MISMATCH' })
    expect(one.tolerates(error())).toBe(false)
    one.decide()
    expect(one.verdict.decision).toBe('tolerated')
  })

  test('of a signer whom the rule does not accept goes on', async () => {
    const one = await judged({ policy: await policy({ mode: 'audit', signers: [{ key: 'b' }] }) })
    expect(one.accepted).toBeUndefined()
    expect(one.verdict.wouldRefuse?.code).toBe('SIGNER_NOT_TRUSTED')
  })

  test('is of the judge, not of the program', async () => {
    const strict = await policy({ signers: [{ key: 'b' }] })
    await expect(judging({ policy: strict, options: { audit: true } }).judge(Date.now())).rejects.toEqual(DENIED)
    const one = await judged({ policy: strict, audit: true })
    expect(one.verdict.wouldRefuse?.code).toBe('SIGNER_NOT_TRUSTED')
    const unread = await judged({ policy: site.file('none.yaml'), audit: true })
    expect(unread.verdict.wouldRefuse?.code).toBe('POLICY_NOT_FOUND')
    expect(unread.knownRevocations).toBeUndefined()
    expect(unread.revocations.concernsModels).toBe(false)
    expect(unread.journals).toEqual([])
  })

  test('tolerates neither revocations, nor an abort, nor what is no refusal', async () => {
    const one = await judged({ policy: await policy({ mode: 'audit' }) })
    for (const code of ['FILE_REVOKED', 'ABORTED'] as const)
      expect(one.tolerates(new ModelSealError(code, 'No.'))).toBe(false)
    expect(one.tolerates(new Error('broken'))).toBe(false)
    expect(one.accepted).toBeDefined()
    const revoked = judging({ policy: await policy({ mode: 'audit' }, { revoked: { rootDigests: [rootDigest] } }) })
    await expect(revoked.judge(Date.now())).rejects.toEqual(refusal('MODEL_REVOKED'))
  })

  test('is none under other rules', async () => {
    const one = await judged({ policy: await policy() })
    expect(one.tolerates(error())).toBe(false)
    expect(one.verdict).not.toHaveProperty('wouldRefuse')
    const skipping = await judged({ policy: await policy({ mode: 'skip' }) })
    expect(skipping.tolerates(error())).toBe(false)
  })
})

describe('the bundles of a model that is loaded unverified', () => {
  test('are found, if there are any', async () => {
    const one = await judged({ policy: await policy({ mode: 'skip' }) })
    expect((await one.findIfAny())?.bundles).toHaveLength(1)
    const without = await judged({ policy: await policy({ mode: 'skip' }), session: { bundles: () => [] } })
    expect(await without.findIfAny()).toBeUndefined()
  })

  test('are none in an audit if the given one cannot be read', async () => {
    const options = { signature: await site.write('junk.sig', 'junk') }
    const skipping = await judged({ policy: await policy({ mode: 'skip' }), options })
    await expect(skipping.findIfAny()).rejects.toEqual(refusal('JSON_INVALID'))
    const tolerated = await judged({ policy: await policy({ mode: 'audit' }), options })
    expect(await tolerated.findIfAny()).toBeUndefined()
  })

  test('are none if the given one is too large, unless it could claim something revoked', async () => {
    const options = { signature: await site.write('large.sig', 'x'.repeat(200)), maxBundleBytes: 100 }
    const one = await judged({ policy: await policy({ mode: 'skip' }), options })
    expect(await one.findIfAny()).toBeUndefined()
    const revoked = { rootDigests: ['0'.repeat(64)] }
    const concerned = await judged({ policy: await policy({ mode: 'skip' }, { revoked }), options })
    await expect(concerned.findIfAny()).rejects.toEqual(refusal('BUNDLE_TOO_LARGE'))
  })
})

describe('a rule that requires a pinned model', () => {
  const pinned = { require: { pinned: true } }

  test('refuses another before its bundles are looked for', async () => {
    const session = { revision: COMMIT, requested: 'main', bundles: () => expect.unreachable() }
    const one = judging({ policy: await policy(pinned), session })
    const details = { file: MODEL, found: expect.stringContaining('"main"') as string }
    await expect(one.judge(Date.now())).rejects.toEqual(refusal('REVISION_NOT_PINNED', details))
    expect(one.verdict.checks.at(-1)).toMatchObject({ check: 'bundles', code: 'REVISION_NOT_PINNED' })
  })

  test('accepts one that is', async () => {
    const one = await judged({ policy: await policy(pinned), session: { revision: COMMIT, requested: COMMIT } })
    expect(one.accepted).toBeDefined()
  })

  test('is the only one that asks', async () => {
    expect(
      (await judged({ policy: await policy(), session: { revision: COMMIT, requested: 'main' } })).accepted,
    ).toBeDefined()
  })
})

describe('revoked packages', () => {
  const revoked = (purl: string) => policy({}, { revoked: { packages: [purl] } })
  const packageUrl = `pkg:huggingface/acme/vad@${COMMIT}`

  test('refuse the model, with a step of their own', async () => {
    const one = judging({ policy: await revoked('pkg:huggingface/acme/vad'), session: { packageUrl } })
    await expect(one.judge(Date.now())).rejects.toEqual(refusal('MODEL_REVOKED'))
    expect(one.verdict.checks).toMatchObject([{ check: 'revocation', outcome: 'failed', code: 'MODEL_REVOKED' }])
  })

  test('do not concern another, or one that has no package URL', async () => {
    const other = await judged({ policy: await revoked('pkg:huggingface/acme/asr'), session: { packageUrl } })
    const reason = `The model "${packageUrl}" is not revoked.`
    expect(other.verdict.checks[0]).toEqual({ check: 'revocation', outcome: 'passed', reason })
    const without = await judged({ policy: await revoked('pkg:huggingface/acme/asr') })
    expect(without.verdict.checks[0]?.check).toBe('policy-age')
  })

  test('are the only reason to open the source of a model that is not verified', async () => {
    opened = 0
    await judged({ policy: await policy({ mode: 'skip' }) })
    expect(opened).toBe(0)
  })
})

describe('what judged the load', () => {
  test('is remembered if it can change', async () => {
    const path = await policy()
    expect((await judged({ policy: path })).judgedBy).toBeUndefined()
    expect((await judged({ policy: await loadPolicy(path) })).judgedBy).toBeUndefined()
    const watched = await watchPolicy(path)
    const { judgedBy } = await judged({ policy: watched })
    expect(judgedBy).toMatchObject({ given: watched, versions: '', number: 1 })
    expect(judgedBy?.read.path).toBe(path)
  })

  test('has revocations even if the policy is too old', async () => {
    const old = { issued: '2020-01-01T00:00:00Z', maxAge: '1d', revoked: { rootDigests: [rootDigest] } }
    const one = await judged({ policy: await policy({}, old), audit: true })
    expect(one.verdict.wouldRefuse?.code).toBe('POLICY_STALE')
    expect(one.knownRevocations?.concernsModels).toBe(true)
    expect(one.revocations).toBe(one.knownRevocations)
  })
})

describe('if no rule matches,', () => {
  const elsewhere = { match: { url: 'https://elsewhere.example/**' } }
  const NOT_FOUND = new ModelSealError('MODEL_NOT_FOUND', 'None.', { hint: 'Look for it.' })
  const HERE = expect.not.stringContaining('There is no model at this path.') as string

  async function hint(place: object, open: () => Promise<unknown>): Promise<unknown> {
    const source = { place, label: 'm', opened: open } as unknown as ConstructorParameters<typeof Judging>[0]
    const one = new Judging(source, {}, { policy: await policy(elsewhere) })
    const error: unknown = await one.judge(Date.now()).catch((thrown: unknown) => thrown)
    expect(error).toEqual(refusal('POLICY_NO_MATCH'))
    return (error as ModelSealError).hint
  }
  const without = (thrown: unknown) => () =>
    Promise.resolve({ model: () => Promise.reject(thrown instanceof Error ? thrown : new Error('broken')) })

  test('the hint says first that there is no model at a path', async () => {
    expect(await hint({ path: '/m' }, without(NOT_FOUND))).toMatch(/^There is no model at this path\. Look for it\. \S/)
    expect(await hint({ path: '/m' }, without(new ModelSealError('MODEL_NOT_FOUND', 'None.')))).toMatch(
      /^There is no model at this path\. \S/,
    )
  })

  test('another refusal keeps its hint, and another error is passed on', async () => {
    const open = vi.fn(without(NOT_FOUND))
    const source = { place: { path: '/m' }, label: 'm', opened: open } as unknown as ConstructorParameters<
      typeof Judging
    >[0]
    const named = (match: object) => ({ name: JSON.stringify(match), match, signers: [{ key: 'a' }] })
    const differing = { rules: [named({ format: 'onnx' }), named({ format: 'tfjs-graph' })] }
    const format = { oneOf: ['onnx', 'tfjs-graph'], claimed: () => Promise.resolve(undefined) } as OpenOptions['format']
    const unproven = new Judging(source, { format }, { policy: await policy({}, differing) })
    await expect(unproven.judge(Date.now())).rejects.toEqual(refusal('FORMAT_UNPROVEN', { hint: HERE }))
    const broken = new Error('broken')
    open.mockRejectedValueOnce(broken)
    const byName = new Judging(source, {}, { policy: await policy({}, { rules: [named({ name: 'x' })] }) })
    await expect(byName.judge(Date.now())).rejects.toBe(broken)
  })

  test('it says nothing of the kind otherwise', async () => {
    expect(await hint({ path: '/m' }, () => Promise.resolve({ model: () => Promise.resolve({}) }))).toEqual(HERE)
    expect(await hint({ path: '/m' }, () => Promise.reject(NOT_FOUND))).toEqual(HERE)
    expect(await hint({ path: '/m' }, without(new ModelSealError('FILE_UNREADABLE', 'No.')))).toEqual(HERE)
    expect(await hint({ path: '/m' }, without(new Error('broken')))).toEqual(HERE)
    expect(await hint({ url: MODEL }, without(NOT_FOUND))).toEqual(HERE)
  })
})
