import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cpSync, mkdirSync, readFileSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { keySigner, signModel } from '@modelseal/core/signing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { paddedBundle } from '../packages/core/src/testing/bundles.ts'
import { recordsOf } from '../packages/core/src/testing/journal-reading.ts'
import { blazeFace, copyOf, flipBit, sileroVad, Workspace } from './signed-models.ts'

const require = createRequire(import.meta.url)
const PROGRAMS = join(import.meta.dirname, 'register')

let workspace: Workspace
let vad: { good: string; tampered: string; unsigned: string }
let blaze: typeof vad

beforeAll(async () => {
  workspace = new Workspace()
  vad = await variants('vad', sileroVad(), 'silero_vad.onnx', 'silero_vad.onnx')
  blaze = await variants('blazeface', blazeFace(), 'model.json', 'blazeface.bin')
})
afterAll(() => workspace[Symbol.dispose]())

async function variants(name: string, files: Record<string, Uint8Array>, entry: string, changed: string) {
  const good = await workspace.sign(name, files)
  const tampered = copyOf(good, `${name}-tampered`)
  flipBit(join(tampered, changed))
  const unsigned = workspace.write(`${name}-unsigned`, files)
  return { good: join(good, entry), tampered: join(tampered, entry), unsigned: join(unsigned, entry) }
}

interface Setting {
  env?: Record<string, string>
  /** Options of Node.js, instead of `--import @modelseal/register`. */
  node?: string[]
  cwd?: string
}

/** Runs one of the programs in a separate process. */
function run(program: string, args: string[], { env, node = ['--import', '@modelseal/register'], cwd }: Setting = {}) {
  const inherited = { ...process.env }
  delete inherited['NODE_OPTIONS']
  const { status, stdout, stderr } = spawnSync(process.execPath, [...node, resolve(PROGRAMS, program), ...args], {
    encoding: 'utf8',
    cwd: cwd ?? import.meta.dirname,
    env: { ...inherited, MODELSEAL_POLICY: workspace.policy, ...env },
  })
  return { status, lines: stdout.split('\n').slice(0, -1), stderr }
}

function policyFile(name: string, text: string): string {
  const path = join(workspace.path, name)
  writeFileSync(path, text)
  return path
}

describe('an unchanged program', () => {
  test.each([
    ['onnx.mjs', ['path']],
    ['onnx.mjs', ['options']],
    ['onnx.cjs', []],
  ])('%s %j loads the unchanged model, and no other', (program, how) => {
    const { lines, status } = run(program, [...how, vad.good, vad.tampered, vad.unsigned])
    expect({ lines, status }).toEqual({
      lines: ['loaded input,state,sr', 'FILE_MISMATCH', 'BUNDLE_NOT_FOUND'],
      status: 0,
    })
  })

  test.each([
    ['tf.mjs', ['graph']],
    ['tf.cjs', []],
  ])('%s %j loads the unchanged model, and no other', (program, how) => {
    const { lines } = run(program, [...how, blaze.good, blaze.tampered, blaze.unsigned])
    expect(lines).toEqual(['loaded 1,256,256,3', 'FILE_MISMATCH', 'BUNDLE_NOT_FOUND'])
  })

  test('cannot load a graph model with the loader for layers models', () => {
    expect(run('tf.mjs', ['layers', blaze.good, blaze.tampered]).lines).toEqual(['MODEL_FORMAT', 'MODEL_FORMAT'])
  })

  test('cannot load any model without a policy', () => {
    const { lines } = run('onnx.mjs', ['path', vad.good, vad.unsigned], { env: { MODELSEAL_POLICY: '' } })
    expect(lines).toEqual(['POLICY_NOT_FOUND', 'POLICY_NOT_FOUND'])
  })

  test('cannot load any model with an invalid policy', () => {
    const policy = policyFile('broken.yaml', 'version: 2')
    expect(run('onnx.cjs', [vad.good], { env: { MODELSEAL_POLICY: policy } }).lines).toEqual(['POLICY_INVALID'])
  })

  test("gets the runtime's own error for something that is not a model", () => {
    expect(run('onnx.mjs', ['nonsense', '-']).lines).toEqual(["Unexpected argument[0]: must be 'path' or 'buffer'."])
  })
})

test('a bundle of more than 32 MiB is used if the rule allows that size', async () => {
  const large = join(workspace.write('vad-large-bundle', sileroVad()), 'silero_vad.onnx')
  const [privateKey, bundle] = [join(workspace.path, 'release.key'), `${large}.sig`]
  await signModel(large, { signer: await keySigner({ privateKey }), signature: bundle })
  writeFileSync(bundle, paddedBundle(readFileSync(bundle), readFileSync(privateKey, 'utf8'), 33 * 1024 * 1024))
  const policy = readFileSync(workspace.policy, 'utf8')
  const allowing = policyFile('large-bundles.yaml', `${policy}\n    require: { maxBundleBytes: 67108864 }\n`)
  expect(run('onnx.mjs', ['path', large]).lines).toEqual(['BUNDLE_TOO_LARGE'])
  expect(run('onnx.mjs', ['path', large], { env: { MODELSEAL_POLICY: allowing } }).lines).toEqual([
    'loaded input,state,sr',
  ])
})

describe('refuses loads that cannot be judged:', () => {
  test.each(['bytes', 'buffer', 'range'])('an ONNX model from memory (%s)', (how) => {
    expect(run('onnx.mjs', [how, vad.good]).lines).toEqual(['SOURCE_UNKNOWN'])
  })

  test.each([
    ['handler', 'SOURCE_UNKNOWN'],
    ['layers-handler', 'SOURCE_UNKNOWN'],
    ['sync', 'SOURCE_UNKNOWN'],
    ['json', 'SOURCE_UNKNOWN'],
    ['class', 'RUNTIME_UNGUARDED'],
    ['class-sync', 'RUNTIME_UNGUARDED'],
  ])('a TensorFlow.js model by way of %s', (how, code) => {
    expect(run('tf.mjs', [how, '-']).lines).toEqual([code])
  })

  test('a session created by internal files of onnxruntime-node', () => {
    expect(run('onnx-inner.cjs', [vad.good]).lines).toEqual(['RUNTIME_UNGUARDED'])
  })

  test.each(['tf.fesm.js', 'tf.es2017.min.js'])('a copy of TensorFlow.js that cannot be guarded (%s)', (file) => {
    const path = join(dirname(require.resolve('@tensorflow/tfjs')), file)
    const program = join(workspace.path, `${file}.mjs`)
    writeFileSync(program, `import ${JSON.stringify(pathToFileURL(path).href)}\nconsole.log('loaded')`)
    const { lines, stderr, status } = run(program, [])
    expect({ lines, status }).toEqual({ lines: [], status: 1 })
    expect(stderr).toContain('RUNTIME_UNGUARDED')
  })

  test('a bundle with TensorFlow.js in it, before any of its code runs', () => {
    const converter = readFileSync(require.resolve('@tensorflow/tfjs/dist/tf.min.js'), 'utf8')
    const program = join(workspace.path, 'bundle.cjs')
    writeFileSync(program, `console.log('running');\n${converter}`)
    const { lines, stderr, status } = run(program, [])
    expect({ lines, status }).toEqual({ lines: [], status: 1 })
    expect(stderr).toContain('RUNTIME_UNGUARDED')
  })
})

test('does not touch functions of the program with the names of loaders', () => {
  const program = join(workspace.path, 'own.cjs')
  writeFileSync(join(workspace.path, 'loaders.cjs'), `exports.loadGraphModel = () => 'own'`)
  writeFileSync(program, `console.log(require('./loaders.cjs').loadGraphModel())`)
  expect(run(program, []).lines).toEqual(['own'])
})

describe('a policy can accept models from memory', () => {
  const digest = (path: string) => `sha256:${createHash('sha256').update(readFileSync(path)).digest('hex')}`
  const policy = (memory: string, more = '') =>
    policyFile(
      'memory.yaml',
      `version: 1
rules:
  - name: part of the program
    match: { memory: "${memory}" }
    mode: skip
    reason: reviewed with the program
${more}`,
    )

  test.each(['bytes', 'buffer', 'range'])('by the digest of the bytes (%s)', (how) => {
    const env = { MODELSEAL_POLICY: policy(digest(vad.good)) }
    expect(run('onnx.mjs', [how, vad.good, vad.tampered], { env }).lines).toEqual([
      'loaded input,state,sr',
      'SOURCE_UNKNOWN',
    ])
  })

  test('but its revocations still apply to them', () => {
    const env = { MODELSEAL_POLICY: policy('any', `revoked: { fileDigests: ["${digest(vad.good)}"] }`) }
    expect(run('onnx.mjs', ['bytes', vad.good], { env }).lines).toEqual(['FILE_REVOKED'])
  })

  test('without exception, including those of TensorFlow.js handlers', () => {
    const env = { MODELSEAL_POLICY: policy('any') }
    // The handler is called, but returns no model.
    expect(run('tf.mjs', ['handler', '-'], { env }).lines).not.toEqual(['SOURCE_UNKNOWN'])
    expect(run('onnx.mjs', ['path', vad.good], { env }).lines).toEqual(['POLICY_NO_MATCH'])
  })
})

describe('MODELSEAL_MODE=audit', () => {
  const audit = { MODELSEAL_MODE: 'audit' }

  test('loads models that would be refused, and prints a line for each', () => {
    const { lines, stderr } = run('onnx.mjs', ['path', vad.good, vad.unsigned], { env: audit })
    expect(lines).toEqual(['loaded input,state,sr', 'loaded input,state,sr'])
    expect(stderr).toBe(
      `modelseal: audit: would refuse "${vad.unsigned}": BUNDLE_NOT_FOUND: ${stderr.split('BUNDLE_NOT_FOUND: ')[1]}`,
    )
    expect(stderr.match(/\n/g)).toHaveLength(1)
  })

  test('records such models, and when they are released, or the process ends', () => {
    const journal = join(workspace.path, 'audit-journal')
    expect(run('released.mjs', [vad.unsigned], { env: { ...audit, MODELSEAL_JOURNAL: journal } }).status).toBe(0)
    const told = recordsOf(journal).flatMap((one) =>
      one.type === 'load' ? (one.wouldRefuse ?? one.decision) : one.type === 'end' ? one.why : [],
    )
    expect(told).toEqual([
      ...['BUNDLE_NOT_FOUND', 'released', 'SOURCE_UNKNOWN', 'released'],
      ...['BUNDLE_NOT_FOUND', 'exit'],
    ])
  })

  test.each([
    ['onnx.mjs', ['bytes'], 'SOURCE_UNKNOWN'],
    ['onnx-inner.cjs', [], 'RUNTIME_UNGUARDED'],
  ])('accepts %s %j, which cannot be judged', (program, how, code) => {
    const { lines, stderr } = run(program, [...how, vad.good], { env: audit })
    expect(lines).toEqual([expect.stringMatching(/^loaded/)])
    expect(stderr).toMatch(new RegExp(`^modelseal: audit: would refuse .*: ${code}: .*\n$`))
  })

  test('reports why a model would be refused, not why the tampered model fails to load', () => {
    const { stderr } = run('tf.mjs', ['graph', blaze.tampered], { env: audit })
    expect(stderr).toMatch(/^modelseal: audit: would refuse ".*": FILE_MISMATCH: /)
  })

  test('does not report a properly signed model that the runtime rejects with and without the check', () => {
    const { lines, stderr } = run('onnx.mjs', ['wrong-option', vad.good], { env: audit })
    expect(lines).toEqual([expect.stringMatching(/^(?!RUNTIME_FAILED)/)])
    expect(stderr).not.toContain('would refuse')
  })

  test('loads without a policy', () => {
    const { lines, stderr } = run('onnx.cjs', [vad.good], { env: { ...audit, MODELSEAL_POLICY: '' } })
    expect(lines).toEqual(['loaded input,state,sr'])
    expect(stderr).toContain('POLICY_NOT_FOUND')
  })

  test('enforces revocations', () => {
    const digest = createHash('sha256').update(readFileSync(vad.good)).digest('hex')
    const policy = policyFile(
      'revoking.yaml',
      `version: 1
rules: [{ name: none, match: { path: elsewhere/** }, mode: skip, reason: a rule has to be there }]
revoked: { fileDigests: ["sha256:${digest}"] }`,
    )
    const env = { ...audit, MODELSEAL_POLICY: policy }
    expect(run('onnx.cjs', [vad.good], { env }).lines).toEqual(['FILE_REVOKED'])
    expect(run('onnx.mjs', ['bytes', vad.good], { env }).lines).toEqual(['FILE_REVOKED'])
  })
})

// Installed beside the pinned Node.js on some machines.
const OLD_NODE = ['/usr/bin/node', '/usr/local/bin/node'].find((node) => {
  const { status, stdout } = spawnSync(node, ['--version'], { encoding: 'utf8' })
  return status === 0 && stdout.startsWith('v20.')
})

describe('a Node.js without module hooks', () => {
  const dist = join(dirname(require.resolve('@modelseal/register/package.json')), 'dist')

  test('gets modules that import nothing by name that only newer versions have', () => {
    const imports = readFileSync(join(dist, 'index.js'), 'utf8').match(/^import .* from "node:module";$/gm)
    expect(imports?.length).toBeGreaterThan(0)
    for (const line of imports ?? []) expect(line).not.toContain('registerHooks')
  })

  test.skipIf(OLD_NODE === undefined).each([
    ['--import', 'index.js'],
    ['--require', 'index.cjs'],
  ])('is refused in one sentence (%s)', (option, file) => {
    const { status, stderr } = spawnSync(String(OLD_NODE), [option, join(dist, file), '-e', '1'], { encoding: 'utf8' })
    expect(stderr).toMatch(
      /^modelseal: stopping the process.* Expected Node\.js 22\.22\.2 or later, 24\.15 or later, or 26 or later, found v20\.\S+\n$/,
    )
    expect(status).toBe(1)
  })
})

test('every copy of onnxruntime-node is guarded', () => {
  const other = join(workspace.path, 'other')
  const package_ = dirname(dirname(realpathSync(require.resolve('onnxruntime-node'))))
  for (const name of ['onnxruntime-node', 'onnxruntime-common']) {
    const copy = join(other, 'node_modules', name)
    mkdirSync(copy, { recursive: true })
    for (const part of ['dist', 'package.json'])
      cpSync(join(package_, '..', name, part), join(copy, part), { recursive: true })
  }
  symlinkSync(join(package_, 'bin'), join(other, 'node_modules/onnxruntime-node/bin'))
  expect(run('copy.cjs', [other, vad.good, vad.tampered]).lines).toEqual([
    'two classes',
    ...['loaded input,state,sr', 'FILE_MISMATCH'],
    ...['loaded input,state,sr', 'FILE_MISMATCH'],
  ])
})

describe('threads and processes:', () => {
  test('worker threads are guarded, whatever options they are started with', () => {
    const { lines } = run('threads.mjs', [vad.good, vad.tampered])
    expect(lines.sort()).toEqual([...Array(12).fill('FILE_MISMATCH'), ...Array(12).fill('loaded input,state,sr')])
  })

  test('even if NODE_OPTIONS installs the guards', () => {
    const env = { NODE_OPTIONS: '--import @modelseal/register' }
    const { lines } = run('threads.mjs', [vad.good, vad.tampered], { env, node: [] })
    expect(lines.sort()).toEqual([...Array(12).fill('FILE_MISMATCH'), ...Array(12).fill('loaded input,state,sr')])
  })

  test.each(['--import', '--require'])('%s does', (option) => {
    const { lines } = run('onnx.mjs', ['path', vad.tampered], { node: [option, '@modelseal/register'] })
    expect(lines).toEqual(['FILE_MISMATCH'])
  })

  test('loaders that compile CommonJS themselves change nothing', () => {
    const loader = join(workspace.path, 'loader.cjs')
    writeFileSync(
      loader,
      `const Module = require('node:module'), { readFileSync } = require('node:fs')
Module._extensions['.js'] = (module, file) => module._compile(readFileSync(file, 'utf8'), file)`,
    )
    const node = ['--import', '@modelseal/register', '--require', loader]
    expect(run('onnx.cjs', [vad.tampered], { node }).lines).toEqual(['FILE_MISMATCH'])
    expect(run('onnx.mjs', ['path', vad.tampered], { node }).lines).toEqual(['FILE_MISMATCH'])
  })
})

describe('the process does not start', () => {
  test('in an unknown mode', () => {
    const { lines, stderr, status } = run('onnx.cjs', [vad.good], { env: { MODELSEAL_MODE: 'Audit' } })
    expect({ lines, status }).toEqual({ lines: [], status: 1 })
    expect(stderr).toMatch(/^modelseal: stopping the process.*MODELSEAL_MODE/)
  })

  test.each(['onnxruntime-node', '@tensorflow/tfjs'])('if %s was loaded before', (runtime) => {
    const node = ['--require', runtime, '--import', '@modelseal/register']
    const { lines, stderr, status } = run('onnx.cjs', [vad.good], { node })
    expect({ lines, status }).toEqual({ lines: [], status: 1 })
    expect(stderr).toMatch(/modelseal: stopping the process.* was loaded before/)
  })
})
