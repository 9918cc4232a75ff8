import { spawnSync } from 'node:child_process'
import { chmodSync, truncateSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { closeHashPool } from '@modelseal/core'
import { keySigner, signModel } from '@modelseal/core/signing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { addingModel, floats } from '../onnx-models.ts'
import { publisherIn, scratch, scratchOfSuite, writeTree, type Publisher } from '../support/models.ts'

// Creating a sparse file costs nothing. Loading it must not cost memory or disk space.

const LARGE = 256 * 1024 ** 2
/** In addition to the memory for a small model: in the worst case, that of the hashing threads. */
const MUCH = 128 * 1024 ** 2

afterAll(() => closeHashPool())

interface Outcome {
  code: string
  /** Lengths of the buffers that a runtime would get. */
  kept?: number[]
  /** Disk usage of a copy. */
  copied?: number
  isolation?: string
  memory: number
}

const MODEL_JSON = JSON.stringify({
  format: 'layers-model',
  modelTopology: { class_name: 'Sequential', config: [] },
  weightsManifest: [{ paths: ['weights.bin'], weights: [{ name: 'w', shape: [1], dtype: 'float32' }] }],
})
const MODELS = {
  'onnx-files': { 'model.onnx': addingModel('weights.bin'), 'weights.bin': floats(10, 20) },
  tfjs: { 'model.json': MODEL_JSON, 'weights.bin': floats(1) },
  'tfjs-node': { 'saved_model.pb': '', 'weights.bin': floats(1) },
}
type Runtime = keyof typeof MODELS

/** Loads in a separate process. */
function outcomeOf(runtime: Runtime, path: string, policy: string, options: object): Outcome {
  const script = join(import.meta.dirname, 'load-sparse.mjs')
  const child = spawnSync(process.execPath, [script, runtime, path, policy, JSON.stringify(options)], {
    encoding: 'utf8',
    env: { ...process.env, TMPDIR: dirname(policy) },
  })
  expect({ stderr: child.stderr, status: child.status }).toEqual({ stderr: '', status: 0 })
  return JSON.parse(child.stdout) as Outcome
}

interface Target {
  path: string
  publisher: Publisher
}

async function signed(
  directory: string,
  runtime: Runtime,
  before: (weights: string) => void = () => {},
): Promise<Target> {
  writeTree(join(directory, 'model'), MODELS[runtime])
  const weights = join(directory, 'model', 'weights.bin')
  chmodSync(weights, 0o644)
  before(weights)
  const publisher = publisherIn(directory)
  const path = join(directory, 'model')
  await signModel(path, { signer: await keySigner({ privateKey: publisher.privateKey }) })
  return { path, publisher }
}

function policyFor({ path, publisher }: Target, mode: string, revoked = ''): string {
  const signers = mode === 'skip' ? 'reason: a test' : 'signers: [{ key: release }]'
  writeTree(dirname(publisher.policy), {
    'policy.yaml': `version: 1
trustRoots: { release: { publicKey: ./release.pub } }
rules: [{ name: all, match: { path: '${path}' }, mode: ${mode}, ${signers} }]
${revoked}`,
  })
  return publisher.policy
}

const grow = (weights: string) => truncateSync(weights, LARGE)
const REVOKED = `revoked: { fileDigests: ['blake2b:${'0'.repeat(128)}'] }`

let directory: string
const usual: Partial<Record<Runtime, number>> = {}
beforeAll(async () => {
  directory = scratchOfSuite()
  for (const runtime of Object.keys(MODELS) as Runtime[]) {
    const target = await signed(join(directory, runtime), runtime)
    const outcome = outcomeOf(runtime, target.path, policyFor(target, 'enforce'), {})
    expect(outcome.code).toBe('loaded')
    usual[runtime] = outcome.memory
  }
})

function expectModest(runtime: Runtime, { memory }: Outcome): void {
  expect(memory - (usual[runtime] ?? 0)).toBeLessThan(MUCH)
}

describe.each([
  ['nothing', ''],
  ['files', REVOKED],
])('if %s is revoked', (_, revoked) => {
  test.each([
    ['enforce', 'memory', 'FILE_MISMATCH'],
    ['enforce', 'copy', 'FILE_MISMATCH'],
    ['audit', 'memory', 'loaded'],
  ])('weights of ONNX that grew take no memory under %s, as %s', async (mode, isolation, code) => {
    const target = await signed(scratch(), 'onnx-files')
    grow(join(target.path, 'weights.bin'))
    const outcome = outcomeOf('onnx-files', target.path, policyFor(target, mode, revoked), { isolation })
    expect(outcome.code).toBe(code)
    expectModest('onnx-files', outcome)
  })

  test.each(['enforce', 'audit', 'skip'])('weights of TensorFlow.js that grew are refused under %s', async (mode) => {
    const target = await signed(scratch(), 'tfjs')
    grow(join(target.path, 'weights.bin'))
    const outcome = outcomeOf('tfjs', target.path, policyFor(target, mode, revoked), {})
    expect(outcome.code).toBe('FILE_TOO_LARGE')
    expectModest('tfjs', outcome)
  })

  test('keeps no more of signed ONNX weights in memory than the model needs', async () => {
    const target = await signed(scratch(), 'onnx-files', grow)
    const policy = policyFor(target, 'enforce', revoked)
    const outcome = outcomeOf('onnx-files', target.path, policy, { isolation: 'memory' })
    expect(outcome).toMatchObject({ code: 'loaded', kept: [8] })
    expectModest('onnx-files', outcome)
  })

  test('a copy of signed weights uses no space for zeros', async () => {
    const target = await signed(scratch(), 'onnx-files', grow)
    const policy = policyFor(target, 'enforce', revoked)
    const outcome = outcomeOf('onnx-files', target.path, policy, { isolation: 'copy' })
    expect(outcome).toMatchObject({ code: 'loaded', isolation: 'copy' })
    expect(outcome.copied).toBeLessThan(1024 * 1024)
    expectModest('onnx-files', outcome)
  })

  test.each(['enforce', 'skip'])('a model that is larger than the load allows is refused under %s', async (mode) => {
    const target = await signed(scratch(), 'onnx-files', grow)
    const options = { maxBytes: LARGE - 1, isolation: 'copy' }
    const outcome = outcomeOf('onnx-files', target.path, policyFor(target, mode, revoked), options)
    expect(outcome.code).toBe('FILE_TOO_LARGE')
    expectModest('onnx-files', outcome)
  })
})

test.each([
  ['are two files of one group', { paths: ['weights.bin', 'more.bin'], shape: [LARGE / 4] }, LARGE - 4],
  ['are strings', { dtype: 'string' }, 256 * 1024 ** 2 + 1],
  ['have an unknown type', { dtype: 'float1', shape: [16] }, LARGE],
])('weights of TensorFlow.js that %s are bounded', async (_, group, size) => {
  const { paths = ['weights.bin'], shape = [1], dtype = 'float32' } = group as Partial<Record<string, unknown>>
  const weightsManifest = [{ paths, weights: [{ name: 'w', shape, dtype }] }]
  const json = JSON.stringify({ ...(JSON.parse(MODEL_JSON) as object), weightsManifest })
  const target = await signed(scratch(), 'tfjs', (weights) => {
    writeTree(dirname(weights), { 'model.json': json, 'more.bin': 'weights' })
    truncateSync(weights, size)
  })
  const outcome = outcomeOf('tfjs', target.path, policyFor(target, 'enforce'), {})
  expect(outcome.code).toBe('FILE_TOO_LARGE')
  expectModest('tfjs', outcome)
})

test('a model file too large for its format is not copied', async () => {
  const target = await signed(scratch(), 'onnx-files')
  truncateSync(join(target.path, 'model.onnx'), 2 ** 31)
  const outcome = outcomeOf('onnx-files', target.path, policyFor(target, 'enforce'), { isolation: 'copy' })
  expect(outcome.code).toBe('FILE_TOO_LARGE')
})

describe('a graph of a SavedModel', () => {
  // An unknown field, and as many zeros.
  const field = Buffer.concat([Buffer.from([74]), varint(LARGE)])

  test.each([
    ['of zeros is refused', Buffer.from(''), LARGE, 'MODEL_FORMAT', {}],
    ['with one long field is loaded', field, field.length + LARGE, 'loaded', {}],
    [
      'is refused if it is longer than the load allows',
      field,
      field.length + LARGE,
      'FILE_TOO_LARGE',
      { maxBytes: LARGE },
    ],
    ['is refused if it is longer than the format allows', field, 2 ** 31, 'FILE_TOO_LARGE', {}],
  ])('%s, without taking the memory', async (_, content, size, code, options) => {
    const target = await signed(scratch(), 'tfjs-node')
    writeTree(target.path, { 'saved_model.pb': content })
    truncateSync(join(target.path, 'saved_model.pb'), size)
    const outcome = outcomeOf('tfjs-node', target.path, policyFor(target, 'skip'), options)
    expect(outcome.code).toBe(code)
    expectModest('tfjs-node', outcome)
  })
})

function varint(value: number): Buffer {
  const bytes: number[] = []
  for (; value > 127; value = Math.floor(value / 128)) bytes.push((value % 128) + 128)
  return Buffer.from([...bytes, value])
}
