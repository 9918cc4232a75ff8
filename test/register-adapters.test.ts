import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { keySigner, signModel } from '@modelseal/core/signing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { file, serve } from '../packages/core/src/testing/http-server.ts'
import { addingModel, floats } from './onnx-models.ts'
import { Programs, type Done, type Job } from './register/jobs.ts'
import { blazeFace, copyOf, flipBit, Workspace } from './signed-models.ts'
import { chunkedModel, embeddingOfHello, tinyModel } from './transformers-models.ts'

const programs = new Programs()
let workspace: Workspace
let adding: string
let unsigned: string
let tampered: string
let revoked: string
let blaze: string
let tiny: string
/** Trusts the same signer, but revokes nothing. */
let lenient: string
let strict: string
let skipping: string
let auditing: string

const SERVED = '{ name: served, match: { url: "http://127.0.0.1:*/**" }, signers: [{ key: release }] }'
const ELSEWHERE =
  '{ name: elsewhere, match: { path: "elsewhere/**" }, bundle: "signatures/*.sig", signers: [{ key: release }] }'

beforeAll(async () => {
  workspace = new Workspace()
  const files = { 'model.onnx': addingModel('w.bin'), 'w.bin': floats(10, 20) }
  adding = join(await workspace.sign('adding', files), 'model.onnx')
  unsigned = join(workspace.write('unsigned', { ...files, 'w.bin': floats(100, 200) }), 'model.onnx')
  const copy = copyOf(join(workspace.path, 'models/adding'), 'tampered')
  flipBit(join(copy, 'w.bin'))
  tampered = join(copy, 'model.onnx')
  revoked = join(await workspace.sign('revoked', { ...files, 'w.bin': floats(30, 40) }), 'model.onnx')
  blaze = join(await workspace.sign('blazeface', blazeFace()), 'model.json')
  tiny = await workspace.sign('tiny', tinyModel({ mark: 7 }))
  // A key that has signed nothing.
  const other = new Workspace()
  writeFileSync(join(workspace.path, 'other.pub'), readFileSync(join(other.path, 'release.pub')))
  other[Symbol.dispose]()
  const text = readFileSync(workspace.policy, 'utf8').replace('rules:', `rules:\n  - ${SERVED}\n  - ${ELSEWHERE}`)
  const digest = createHash('sha256').update(floats(30, 40)).digest('hex')
  writeFileSync(workspace.policy, `${text}\nrevoked: { fileDigests: ["${digest}"] }`)
  lenient = policyFile('lenient.yaml', text)
  strict = policyFile('strict.yaml', text.replace('release.pub', 'other.pub'))
  auditing = policyFile('auditing.yaml', `${readFileSync(strict, 'utf8')}\n    mode: audit\n`)
  const rule = '{ name: all, match: { path: "models/**" }, mode: skip, reason: a test }'
  skipping = policyFile('skipping.yaml', `version: 1\nrules: [${rule}]`)
})
afterAll(async () => {
  await programs.end()
  workspace[Symbol.dispose]()
})

function policyFile(name: string, text: string): string {
  const path = join(workspace.path, name)
  writeFileSync(path, text)
  return path
}

/** Has one process do all jobs in turn. */
function runAll(jobs: Job[], env: Record<string, string> = {}, node = ['--import', '@modelseal/register']) {
  const withOptions = jobs.map((job) => ({ options: { policy: workspace.policy }, other: unsigned, ...job }))
  return programs.run(withOptions, { MODELSEAL_POLICY: workspace.policy, ...env }, node)
}

/** Outcomes by job, without verdicts. */
function briefly(jobs: Job[], { outcomes }: Done) {
  return Object.fromEntries(jobs.map(({ how }, index) => [how, outcomes[index]?.loaded ?? outcomes[index]?.refused]))
}

const BY = '@modelseal/register'
const ONNX = ['onnx loadVerifiedModel', 'onnx CommonJS', 'onnx createSession', 'onnx verified', 'onnx entry']
const TFJS = ['tfjs loadVerifiedModel', 'tfjs verified']
const isolated = (isolation: string) => ({ policy: workspace.policy, isolation })

const everyWay = (): Job[] => [
  ...[...ONNX, 'core read', 'core place', 'onnx wrapped'].map((how) => ({ how, model: adding })),
  ...[...TFJS, 'tfjs wrapped'].map((how) => ({ how, model: blaze })),
  { how: 'transformers', model: tiny },
]

/** Without the job that is judged only by the policy of the process. */
const withPolicyOfItsOwn = () => everyWay().filter(({ how }) => how !== 'onnx createSession')

describe('a program that verifies its models itself', () => {
  test('loads them as without @modelseal/register, and hashes nothing twice', async () => {
    const jobs = everyWay()
    const plain = await runAll(jobs, {}, [])
    const guarded = await runAll(jobs)
    expect(plain.outcomes.map(({ loaded }) => loaded)).not.toContain(undefined)
    expect(briefly(jobs, guarded)).toEqual(briefly(jobs, plain))
    expect(guarded.stderr).toBe('')
    for (const [index, { verdicts }] of guarded.outcomes.entries()) {
      const [[, , bytes] = []] = plain.outcomes[index]?.verdicts ?? []
      expect(verdicts).toEqual([
        ['program', 'accepted', bytes],
        [BY, 'accepted', 0],
      ])
    }
  })

  test('loads them under every isolation', async () => {
    const chunks = await workspace.sign('chunks', chunkedModel(7, true))
    const jobs = ['memory', 'copy', 'in-place'].flatMap((isolation) => [
      { how: 'onnx loadVerifiedModel', model: adding, options: isolated(isolation) },
      { how: 'onnx wrapped', model: adding, options: isolated(isolation) },
      { how: 'transformers', model: tiny, options: isolated(isolation) },
      { how: 'transformers', model: chunks, options: isolated(isolation) },
    ])
    const hello = embeddingOfHello(7).flat().join()
    const each = ['11,22', '11,22', hello, hello]
    expect((await runAll(jobs)).outcomes.map(({ loaded }) => loaded)).toEqual([...each, ...each, ...each])
  })
})

describe('its loads are judged by the policy of the process as well', () => {
  const refusedBy = (by: string, refused = 'SIGNER_NOT_TRUSTED') => ({
    refused,
    by,
    verdicts: [[by === BY ? BY : 'program', 'refused', 0]],
  })

  test('in every way of loading', async () => {
    const jobs = withPolicyOfItsOwn()
    const { outcomes } = await runAll(jobs, { MODELSEAL_POLICY: strict })
    expect(outcomes).toEqual(jobs.map(() => refusedBy(BY)))
  })

  test('whatever its own policy is', async () => {
    const loose = [{ policy: skipping }, { policy: auditing }, { policy: workspace.policy, audit: true }]
    const jobs = loose.flatMap((options) => [
      { how: 'onnx loadVerifiedModel', model: adding, options },
      { how: 'tfjs verified', model: blaze, options },
      { how: 'transformers', model: tiny, options },
    ])
    expect((await runAll(jobs, { MODELSEAL_POLICY: strict })).outcomes).toEqual(jobs.map(() => refusedBy(BY)))
    const changed = loose.map((options) => ({ how: 'onnx loadVerifiedModel', model: tampered, options }))
    expect((await runAll(changed)).outcomes).toMatchObject(changed.map(() => ({ refused: 'FILE_MISMATCH', by: BY })))
  })

  test.each([
    ['accepts', () => ({})],
    ['only audits', () => ({ MODELSEAL_MODE: 'audit' })],
    ['skips', () => ({ MODELSEAL_POLICY: skipping })],
  ])('and its own policy holds where that of the process %s', async (_, env) => {
    const jobs = withPolicyOfItsOwn().map((job) => ({ ...job, options: { policy: strict } }))
    const { outcomes, stderr } = await runAll(jobs, env())
    expect(outcomes).toEqual(jobs.map(() => refusedBy('the program')))
    expect(stderr).toBe('')
  })

  test('and MODELSEAL_MODE=audit tolerates what only the policy of the process refuses', async () => {
    const jobs = withPolicyOfItsOwn()
    const { outcomes, stderr } = await runAll(jobs, { MODELSEAL_MODE: 'audit', MODELSEAL_POLICY: strict })
    for (const { loaded, verdicts } of outcomes) {
      expect(loaded).toBeDefined()
      expect(verdicts).toEqual([
        ['program', 'accepted', expect.any(Number)],
        [BY, 'tolerated', 0],
      ])
    }
    const lines = stderr.trimEnd().split('\n')
    expect(lines).toHaveLength(jobs.length)
    for (const line of lines) expect(line).toMatch(/^modelseal: audit: would refuse ".*": SIGNER_NOT_TRUSTED: /)
  })

  test('and MODELSEAL_MODE=audit does not report what the program itself tolerates', async () => {
    const options = { policy: auditing }
    const { outcomes, stderr } = await runAll([{ how: 'onnx verified', model: adding, options }], {
      MODELSEAL_MODE: 'audit',
    })
    expect(outcomes).toMatchObject([{ loaded: '11,22' }])
    expect(stderr).toBe('')
  })

  test.each(['enforce', 'audit'])('and models that it revokes are refused in the mode %s', async (mode) => {
    const jobs = [{ policy: lenient }, { policy: skipping }].map((options) => ({
      how: 'onnx loadVerifiedModel',
      model: revoked,
      options,
    }))
    const { outcomes } = await runAll(jobs, mode === 'audit' ? { MODELSEAL_MODE: mode } : {})
    expect(outcomes).toMatchObject(jobs.map(() => ({ refused: 'FILE_REVOKED', by: BY })))
  })

  test('also bytes that it judged itself', async () => {
    const rule = 'rules: [{ name: any, match: { memory: any }, mode: skip, reason: a test }]'
    const options = { policy: policyFile('memory.yaml', `version: 1\n${rule}`) }
    expect((await runAll([{ how: 'core memory', model: adding, options }])).outcomes).toMatchObject([
      { refused: 'SOURCE_UNKNOWN' },
    ])
  })
})

describe('a rarely used runtime, under @modelseal/register and its adapter:', () => {
  const SAVED = { 'saved_model.pb': new Uint8Array([8, 1]), 'variables/variables.data': 'variables' }

  test('onnxruntime-web is judged by both policies, with external data', async () => {
    const job = { how: 'onnx web', model: adding }
    const both = [
      ['program', 'accepted', expect.any(Number)],
      [BY, 'accepted', 0],
    ]
    const { outcomes, stderr } = await runAll([job, { ...job, model: tampered }])
    expect(outcomes).toMatchObject([{ loaded: '11,22', verdicts: both }, { refused: 'FILE_MISMATCH' }])
    expect(stderr).toBe('')
    expect((await runAll([job], { MODELSEAL_POLICY: strict })).outcomes).toMatchObject([
      { refused: 'SIGNER_NOT_TRUSTED', by: BY },
    ])
  })

  // A module of the tests stands in for tfjs-node, which is not installed here; test/tfjs-node has the real one.
  test('a SavedModel is judged by both policies, and nothing else is loaded instead', async () => {
    const saved = await workspace.sign('saved', SAVED)
    const changed = copyOf(saved, 'saved-changed')
    flipBit(join(changed, 'variables/variables.data'))
    const how = 'tfjs SavedModel'
    const jobs = [
      ...['auto', 'copy', 'in-place'].map((isolation) => ({ how, model: saved, options: isolated(isolation) })),
      { how, model: changed },
      { how: `${how}, from elsewhere`, model: saved, other: workspace.write('saved-unsigned', SAVED) },
    ]
    const { outcomes, stderr } = await runAll(jobs)
    const loaded = {
      loaded: 'variables',
      verdicts: [
        ['program', 'accepted', expect.any(Number)],
        [BY, 'accepted', 0],
      ],
    }
    expect(outcomes).toMatchObject([
      loaded,
      loaded,
      loaded,
      { refused: 'FILE_MISMATCH' },
      { refused: 'BUNDLE_NOT_FOUND' },
    ])
    expect(stderr).toBe('')
    expect((await runAll([{ how, model: saved }], { MODELSEAL_POLICY: strict })).outcomes).toMatchObject([
      { refused: 'SIGNER_NOT_TRUSTED', by: BY },
    ])
  })
})

describe('a runtime loads only verified bytes from such a load', () => {
  test('if the program has the model in memory', async () => {
    const expected = {
      'onnx wrapped, changing the model later': '11,22',
      'onnx wrapped, changing the model': 'FILE_CHANGED',
      'onnx wrapped, changing the weights': 'FILE_CHANGED',
      'onnx wrapped, with other weights': 'FILE_NOT_SIGNED',
      'onnx wrapped, with the model as its weights': 'FILE_NOT_SIGNED',
      'onnx wrapped, without weights': 'FILE_NOT_SIGNED',
      'onnx wrapped, with another model': 'BUNDLE_NOT_FOUND',
      'onnx wrapped, with another model beside': 'BUNDLE_NOT_FOUND',
      'core read before it is over': 'SOURCE_UNKNOWN',
      'core read, of another format': 'SOURCE_UNKNOWN',
      'a fake guard': 'BUNDLE_NOT_FOUND',
      'an older adapter': 'SOURCE_UNKNOWN',
    }
    const jobs = Object.keys(expected).map((how) => ({ how, model: adding, options: isolated('memory') }))
    expect(briefly(jobs, await runAll(jobs))).toEqual(expected)
  })

  test('and MODELSEAL_MODE=audit only says so', async () => {
    const jobs = [{ how: 'onnx wrapped, with other weights', model: adding, options: isolated('memory') }]
    const { outcomes, stderr } = await runAll(jobs, { MODELSEAL_MODE: 'audit' })
    expect(outcomes).toMatchObject([{ loaded: '1,2' }])
    expect(stderr).toMatch(/^modelseal: audit: would refuse ".*": FILE_NOT_SIGNED: /m)
  })

  test('if the program has the path of the model', async () => {
    const how = 'onnx wrapped, with another file in the place'
    const jobs = ['copy', 'in-place'].map((isolation) => ({ how, model: adding, options: isolated(isolation) }))
    expect((await runAll(jobs)).outcomes).toMatchObject([{ refused: 'FILE_CHANGED' }, { refused: 'FILE_CHANGED' }])
  })

  test('if TensorFlow.js gets it through the program or Transformers.js', async () => {
    const expected = {
      'tfjs wrapped, with another model': 'MODEL_NOT_FOUND',
      'tfjs wrapped, with another handler': 'SOURCE_UNKNOWN',
      'tfjs wrapped, with another loader': 'SOURCE_UNKNOWN',
      'transformers wrapped, changing the model': 'FILE_CHANGED',
    }
    const jobs = Object.keys(expected).map((how) => ({
      how,
      model: how.startsWith('tfjs') ? blaze : tiny,
      other: join(workspace.path, 'models/none/model.json'),
      options: isolated('memory'),
    }))
    expect(briefly(jobs, await runAll(jobs))).toEqual(expected)
  })
})

describe('wherever the model and its signature are:', () => {
  test('over HTTP, both policies must accept it', async () => {
    const directory = join(blaze, '..')
    const answers = readdirSync(directory).map((name) => [`/${name}`, file(readFileSync(join(directory, name)))])
    const { origin } = await serve(Object.fromEntries(answers))
    const job = (policy: string) => ({ how: 'tfjs loadVerifiedModel', model: `${origin}/`, options: { policy } })
    const refused = 'SIGNER_NOT_TRUSTED'
    expect((await runAll([job(workspace.policy), job(strict)])).outcomes).toMatchObject([
      {
        loaded: '1,256,256,3',
        verdicts: [
          ['program', 'accepted', expect.any(Number)],
          [BY, 'accepted', 0],
        ],
      },
      { refused, by: 'the program' },
    ])
    const { outcomes } = await runAll([job(workspace.policy)], { MODELSEAL_POLICY: strict })
    expect(outcomes).toMatchObject([{ refused, by: BY }])
  })

  test('at the location in "bundle" of the rule', async () => {
    const signer = await keySigner({ privateKey: join(workspace.path, 'release.key') })
    const models = {
      adding: { 'model.onnx': addingModel('w.bin'), 'w.bin': floats(10, 20) },
      blaze: blazeFace(),
    }
    for (const [name, files] of Object.entries(models)) {
      const directory = workspace.write(`../elsewhere/${name}`, { ...files, 'signatures/README': '' })
      await signModel(directory, { signer, signature: join(directory, 'signatures/release.sig') })
    }
    const onnx = { how: 'onnx, unverified', model: join(workspace.path, 'elsewhere/adding/model.onnx') }
    const tfjs = { how: 'tfjs loadVerifiedModel', model: join(workspace.path, 'elsewhere/blaze/model.json') }
    const jobs = [onnx, tfjs]
    const loaded = { [onnx.how]: '11,22', [tfjs.how]: '1,256,256,3' }
    expect(briefly(jobs, await runAll(jobs))).toEqual(loaded)
    expect(briefly(jobs, await runAll(jobs, {}, []))).toEqual(loaded)
    // The signature is found and judged, not ignored.
    const { outcomes } = await runAll([onnx], { MODELSEAL_POLICY: strict })
    expect(outcomes).toMatchObject([{ refused: 'SIGNER_NOT_TRUSTED' }])
    const usual = policyFile('usual.yaml', readFileSync(lenient, 'utf8').replace(', bundle: "signatures/*.sig"', ''))
    const unfound = await runAll([{ ...tfjs, options: { policy: usual } }])
    expect(unfound.outcomes).toMatchObject([{ refused: 'BUNDLE_NOT_FOUND', by: 'the program' }])
  })
})
