import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { loadPolicy, openVerifiedModel, type OpenOptions } from '@modelseal/core'
import { judgeMemory } from '@modelseal/core/adapter'
import { digestModel } from '@modelseal/core/signing'
import { verifyModel } from '@modelseal/core/verification'
import { verified as onnx } from '@modelseal/onnxruntime'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { copyOf, flipBit, Workspace } from '../signed-models.ts'

// A load uses its path and options as they were at the time of the call. Each is read once, and nothing that the
// program, or anyone who can write to Object.prototype, does afterwards has an effect.

const start = process.cwd()
let workspace: Workspace
let good: string
let tampered: string
let elsewhere: string

beforeAll(async () => {
  workspace = new Workspace()
  good = await workspace.sign('m', { 'weights.bin': 'the signed weights' })
  tampered = copyOf(good, 'tampered')
  flipBit(join(tampered, 'weights.bin'))
  elsewhere = join(workspace.path, 'elsewhere')
  mkdirSync(join(elsewhere, 'm'), { recursive: true })
  writeFileSync(join(elsewhere, 'm/weights.bin'), 'weights of the attacker')
  writeFileSync(
    join(elsewhere, 'trust-policy.yaml'),
    'version: 1\nrules: [{ name: all, match: { path: m }, mode: skip, reason: planted }]\n',
  )
})
afterEach(() => process.chdir(start))
afterAll(() => workspace[Symbol.dispose]())

const outcome = (load: Promise<{ verdict?: { decision: string } } | { decision: string }>) =>
  load.then(
    (model) => ('decision' in model ? model.decision : model.verdict?.decision),
    (error: unknown) => (error as { code: string }).code,
  )

describe('a load that has begun does not change', () => {
  test('with the working directory', async () => {
    process.chdir(join(workspace.path, 'models'))
    const loading = openVerifiedModel('m', { policy: '../trust-policy.yaml' })
    process.chdir(elsewhere)
    await using model = await loading
    expect(model.verdict).toMatchObject({ decision: 'accepted', model: { path: good }, policy: workspace.policy })
    expect(Buffer.from(await model.read('weights.bin')).toString()).toBe('the signed weights')
  })

  test('with the working directory if a rule skips the path: it hands out the path that was judged', async () => {
    process.chdir(elsewhere)
    const loading = openVerifiedModel('m', { policy: 'trust-policy.yaml' })
    process.chdir(join(workspace.path, 'models'))
    await using model = await loading
    expect(model.verdict).toMatchObject({ decision: 'skipped', model: { path: join(elsewhere, 'm') } })
    expect(Buffer.from(await model.read('weights.bin')).toString()).toBe('weights of the attacker')
  })

  test('with the options object', async () => {
    const options: OpenOptions = { policy: workspace.policy }
    const loading = openVerifiedModel(tampered, options)
    Object.assign(options, { audit: true, policy: join(elsewhere, 'trust-policy.yaml') })
    expect(await outcome(loading)).toBe('FILE_MISMATCH')
  })

  test('with the options that an adapter got through verified()', async () => {
    process.chdir(workspace.path)
    const options: OpenOptions = { policy: 'trust-policy.yaml' }
    const { createSession } = onnx(
      { InferenceSession: { create: () => Promise.reject(new Error()) }, env: { versions: {} } } as never,
      options,
    )
    process.chdir(elsewhere)
    Object.assign(options, { audit: true })
    await expect((createSession as (path: string) => Promise<unknown>)(join(elsewhere, 'm'))).rejects.toMatchObject({
      code: 'POLICY_NO_MATCH',
    })
  })
})

describe('each option is read once', () => {
  test('from a getter that changes its answer', async () => {
    const reads: string[] = []
    const answers = (name: string, ...values: unknown[]) => ({
      enumerable: true,
      get() {
        reads.push(name)
        return values.length > 1 ? values.shift() : values[0]
      },
    })
    const options = Object.defineProperties(
      {},
      {
        policy: answers('policy', workspace.policy, join(elsewhere, 'trust-policy.yaml')),
        audit: answers('audit', false, true),
        signature: answers('signature', join(tampered, 'model.sig'), undefined),
      },
    )
    expect(await outcome(openVerifiedModel(tampered, options))).toBe('FILE_MISMATCH')
    expect(reads.sort()).toEqual(['audit', 'policy', 'signature'])
  })

  test('from a proxy', async () => {
    const reads: PropertyKey[] = []
    const options = new Proxy(
      {},
      {
        get: (_, name) => {
          reads.push(name)
          if (name === 'policy') return workspace.policy
          return name === 'audit' ? reads.filter((read) => read === name).length > 1 : undefined
        },
      },
    )
    expect(await outcome(openVerifiedModel(tampered, options))).toBe('FILE_MISMATCH')
    expect(new Set(reads).size).toBe(reads.length)
  })

  test('from a class or an inherited object', async () => {
    const options = Object.create({ policy: workspace.policy }) as OpenOptions
    expect(await outcome(openVerifiedModel(tampered, options))).toBe('FILE_MISMATCH')
    const misspelt = Object.create({ polcy: workspace.policy }) as OpenOptions
    expect(await outcome(openVerifiedModel(tampered, misspelt))).toBe('INVALID_ARGUMENT')
  })
})

/** Options of loads, fields of policies, and optional properties that the code uses internally. */
const POLLUTIONS: Record<string, unknown> = {
  audit: true,
  policy: 'elsewhere.yaml',
  signature: '/nowhere.sig',
  format: 'onnx',
  url: 'https://attacker.example/model',
  isolation: 'copy',
  http: {},
  maxBytes: 1,
  maxBundleBytes: 1,
  signal: AbortSignal.abort(),
  only: new Set(),
  files: 'loaded',
  ignored: ['weights.bin'],
  ignorePaths: ['weights.bin'],
  ignoreUnsignedFiles: true,
  allowSymlinks: true,
  mode: 'skip',
  reason: 'planted',
  require: { files: 'ignore-unsigned' },
  receipts: 'allow',
  threshold: 0,
  signers: [],
  match: { path: '**' },
  include: ['elsewhere.yaml'],
  revoked: {},
  maxAge: '1d',
  issued: '2000-01-01T00:00:00Z',
  fixed: true,
  current: () => ({}),
  MODELSEAL_POLICY: '/nowhere.yaml',
  MODELSEAL_MODE: 'audit',
}

async function polluted<T>(name: string, work: () => Promise<T>): Promise<T> {
  const root = Object.prototype as Record<string, unknown>
  // Like a merge of hostile JSON.
  root[name] = POLLUTIONS[name]
  try {
    return await work()
  } finally {
    Reflect.deleteProperty(root, name)
  }
}

describe('a property of Object.prototype changes no verdict:', () => {
  test.each(Object.keys(POLLUTIONS))('%s', async (name) => {
    const outcomes = await polluted(name, async () => [
      await outcome(openVerifiedModel(good, { policy: workspace.policy })),
      await outcome(openVerifiedModel(tampered, { policy: workspace.policy })),
      await outcome(openVerifiedModel(join(elsewhere, 'm'), { policy: workspace.policy })),
      await outcome(judgeMemory(new Uint8Array(4), { policy: workspace.policy })),
      await outcome(loadPolicy(workspace.policy).then((policy) => openVerifiedModel(tampered, { policy }))),
    ])
    expect(outcomes).toEqual(['accepted', 'FILE_MISMATCH', 'POLICY_NO_MATCH', 'SOURCE_UNKNOWN', 'FILE_MISMATCH'])
  })
})

describe('a property of Object.prototype changes nothing for a call without a policy:', () => {
  const LOOSER = {
    ...POLLUTIONS,
    ignoreGitPaths: false,
    shardSize: 1,
    hashType: 'blake2b',
    identity: 'a',
    systemRoots: true,
  }

  test.each(Object.entries(LOOSER))('%s', async (name, value) => {
    const verifier = { publicKey: join(workspace.path, 'release.pub') }
    const extra = copyOf(good, `extra-${name}`)
    writeFileSync(join(extra, 'unsigned.bin'), 'not signed')
    const check = (model: string) =>
      verifyModel(model, { signature: join(model, 'model.sig'), verifier }).then(
        ({ files }) => files,
        (error: unknown) => (error as { code: string }).code,
      )
    const digest = () => digestModel(elsewhere).then(({ rootDigest }) => rootDigest)
    const before = await digest()
    const root = Object.prototype as Record<string, unknown>
    root[name] = value
    try {
      const outcomes = [await check(good), await check(extra), await check(tampered), await digest()]
      expect(outcomes).toEqual([{ checked: 1, signed: 1 }, 'FILE_UNSIGNED', 'FILE_MISMATCH', before])
    } finally {
      Reflect.deleteProperty(root, name)
    }
  })
})
