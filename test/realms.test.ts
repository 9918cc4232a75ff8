import { spawnSync } from 'node:child_process'
import { cpSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { addingModel, floats } from './onnx-models.ts'
import { flipBit, Workspace } from './signed-models.ts'
import { signByMethods } from './support/signed-by-methods.ts'

// Test runners evaluate packages in vm contexts, where an error of node:fs is not an `instanceof Error`, and a buffer of Node.js is
// not an `instanceof Uint8Array`. Results must not differ there.

let workspace: Workspace
let argument: string

beforeAll(async () => {
  workspace = new Workspace()
  const config = { 'config.json': '{"a":1}' }
  const onnxModel = await workspace.sign('onnx', {
    ...config,
    'model.onnx': addingModel('weights.bin'),
    'weights.bin': floats(1, 2, 3, 4),
  })
  const layersModel = await workspace.sign('layers', layers())
  const large = await workspace.sign('large', { 'weights.bin': new Uint8Array(12 * 1024 * 1024) })
  const beside = await workspace.sign('beside', config)
  renameSync(join(beside, 'model.sig'), `${beside}.sig`)
  workspace.write('unsigned', config)
  cpSync(onnxModel, join(workspace.path, 'models/changed'), { recursive: true })
  flipBit(join(workspace.path, 'models/changed/model.onnx'))
  const put = (name: string, text: string) => writeFileSync(join(workspace.path, name), text)
  put('broken.yaml', 'version: 1\nrules: [\n')
  put('glob.yaml', 'version: 1\nrules: [{ name: a, match: { path: "{a" }, mode: skip, reason: none }]\n')
  const policy = `version: 1
trustRoots: { release: { publicKey: release.pub } }
rules: [{ name: all, match: { path: "models/**" }, signers: [{ key: release }] }]
`
  put('modelseal.policy.yaml', policy)
  put('http.yaml', policy.replace('path: "models/**"', 'url: "http://127.0.0.1*/**"'))
  await signByMethods(join(workspace.path, 'methods'))
  argument = JSON.stringify({
    workspace: workspace.path,
    policy: workspace.policy,
    large,
    onnxModel,
    layersModel,
    beside,
  })
})
afterAll(() => workspace[Symbol.dispose]())

const EXPECTED = {
  'a directory': 'accepted',
  'a directory with its bundle beside it': 'accepted',
  'a model that threads hash': 'accepted',
  'a model that was signed with a certificate': 'accepted',
  'a model that was signed by Sigstore': 'accepted',
  'a certificate of another authority': 'CHAIN_NO_PATH',
  'another identity': 'SIGNER_NOT_TRUSTED',
  'an ONNX model': 'accepted',
  'an ONNX model by createSession': 'accepted',
  'a TensorFlow.js model': '7',
  'a model over HTTP': '{"a":1}',
  'bytes in memory': 'SOURCE_UNKNOWN',
  'an ArrayBuffer in memory': 'SOURCE_UNKNOWN',
  'a placed file': '{"a":1}',
  'a stream': '{"a":1}',
  'await using': 'closed',
  signing: '3',
  'a timestamp of bytes': 'TSA_UNREACHABLE',
  'a watched policy': 'accepted',
  'the policy that the search finds': 'accepted',
  'no policy': 'POLICY_NOT_FOUND',
  'no model': 'MODEL_NOT_FOUND',
  'no bundle': 'BUNDLE_NOT_FOUND',
  'a changed file': 'FILE_MISMATCH',
  'a policy that is not YAML': 'POLICY_INVALID',
  'a policy with an invalid glob': 'POLICY_INVALID',
  'an invalid key': 'KEY_INVALID',
  'a bundle that is not JSON': 'JSON_INVALID',
  'an aborted load': 'ABORTED',
  'a gatherer that throws': expect.stringMatching(/^INTERNAL .*mine/),
  'an error of another copy': 'true true ModelSealError',
}

// The runtime calls the global setImmediate.
const WITHOUT_IMMEDIATE = { 'an ONNX model': 'RUNTIME_FAILED', 'an ONNX model by createSession': 'RUNTIME_FAILED' }

test.each([
  ['none', 'in this realm'],
  ['own', 'in a vm context with its own built-ins'],
  ['shared', 'in a vm context with the buffers of Node.js, as in Jest'],
  ['browser', 'in a vm context with the timers of a browser, as in jsdom: numbers, and no setImmediate'],
])('a program gets the same results (%s: %s)', (kind) => {
  const directory = join(import.meta.dirname, 'realms')
  const program = join(directory, 'program.cjs')
  const args =
    kind === 'none'
      ? [
          '-e',
          `require(${JSON.stringify(program)})(${argument}).then((r) => { console.log(JSON.stringify(r)); process.exit() })`,
        ]
      : [join(directory, 'in-context.cjs'), kind, program, argument]
  const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' })
  expect(stdout, stderr).toMatch(/^\{/m)
  expect(JSON.parse(stdout.slice(stdout.indexOf('{')))).toEqual({
    ...EXPECTED,
    ...(kind === 'browser' ? WITHOUT_IMMEDIATE : {}),
  })
})

test('under @modelseal/register, ONNX Runtime loads nothing in its own realm, and the refusal says what to do', () => {
  const directory = join(import.meta.dirname, 'realms')
  const register = join(import.meta.dirname, '../packages/register/dist/index.js')
  const methods = join(workspace.path, 'methods')
  const policy = join(methods, 'modelseal.policy.yaml')
  const models = ['by-key/model.onnx', 'by-key-changed/model.onnx'].map((name) => join(methods, name))
  const { stdout, stderr } = spawnSync(
    process.execPath,
    [
      ...['--import', register, join(directory, 'in-context.cjs'), 'shared', join(directory, 'guarded.cjs')],
      JSON.stringify({ models, policy }),
    ],
    { encoding: 'utf8', env: { ...process.env, MODELSEAL_POLICY: policy } },
  )
  expect(stdout, stderr).toMatch(/^\[/)
  expect(JSON.parse(stdout)).toEqual([
    { code: 'RUNTIME_UNGUARDED', hint: expect.stringContaining('Jest') as string },
    expect.objectContaining({ code: 'FILE_MISMATCH' }),
  ])
})

/** y = 2 x + 1 */
function layers(): Record<string, string | Uint8Array> {
  const config = {
    name: 'd',
    units: 1,
    use_bias: true,
    activation: 'linear',
    batch_input_shape: [null, 1],
    dtype: 'float32',
  }
  const weights = [
    { name: 'd/kernel', shape: [1, 1], dtype: 'float32' },
    { name: 'd/bias', shape: [1], dtype: 'float32' },
  ]
  const modelTopology = {
    class_name: 'Sequential',
    config: { name: 's', layers: [{ class_name: 'Dense', config }] },
  }
  const weightsManifest = [{ paths: ['weights.bin'], weights }]
  return {
    'model.json': JSON.stringify({ format: 'layers-model', modelTopology, weightsManifest }),
    'weights.bin': new Uint8Array(Float32Array.of(2, 1).buffer),
  }
}
