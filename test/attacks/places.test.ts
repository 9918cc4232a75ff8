import { execFileSync, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  appendFileSync,
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  linkSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { closeHashPool, openVerifiedModel, type Isolation, type ModelReader, type OpenOptions } from '@modelseal/core'
import { keySigner, signModel } from '@modelseal/core/signing'
import { loadVerifiedModel as loadOnnx } from '@modelseal/onnxruntime'
import { loadVerifiedModel as loadTensorFlow } from '@modelseal/tfjs'
import * as tensorflow from '@tensorflow/tfjs'
import { afterAll, afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { addingModel } from '../onnx-models.ts'
import { publisherIn, scratch, writeTree, type Files, type Publisher } from '../support/models.ts'

// Unusual paths, and unusual objects in place of a model's files.

const LINUX = process.platform === 'linux'
const ROOT = process.geteuid?.() === 0
const STRANGER = 65_534
const LEVELS = ['memory', 'copy', 'in-place'] as const

let directory: string
let publisher: Publisher
let model: string
const start = process.cwd()

beforeEach(async () => {
  directory = scratch()
  publisher = publisherIn(directory)
  model = await signed('model', { 'config.json': '{}', 'weights.bin': 'good weights' })
})
afterEach(() => process.chdir(start))
afterAll(() => closeHashPool())

async function signed(name: string, files: Files, ignorePaths: string[] = []): Promise<string> {
  const path = join(directory, name)
  writeTree(path, files)
  for (const file of Object.keys(files)) chmodSync(join(path, file), 0o644)
  await signModel(path, {
    signer: await keySigner({ privateKey: publisher.privateKey }),
    signature: `${path}.sig`,
    ignorePaths: ignorePaths.map((file) => join(path, file)),
  })
  return path
}

/** Loads like a runtime; `attack` runs after the model was listed. */
async function weightsOf(path: string, isolation: Isolation, attack?: () => void, options: OpenOptions = {}) {
  const gather = async (reader: ModelReader) => {
    attack?.()
    if (isolation === 'memory') return reader.read('weights.bin')
    return (await reader.place(['weights.bin'])).path('weights.bin')
  }
  const open = { policy: publisher.policy, signature: `${model}.sig`, isolation, ...options }
  await using opened = await openVerifiedModel(path, open, gather)
  const bytes = typeof opened.gathered === 'string' ? readFileSync(opened.gathered) : opened.gathered
  opened.confirm()
  return Buffer.from(bytes).toString()
}

function refusal(code: string, details: object = {}) {
  return expect.objectContaining({ name: 'ModelSealError', code, ...details }) as Error
}

describe.each(LEVELS)('under %s', (level) => {
  test('refuses a FIFO that replaces a file, without waiting for it', async () => {
    const attack = () => {
      rmSync(join(model, 'weights.bin'))
      execFileSync('mkfifo', [join(model, 'weights.bin')])
    }
    await expect(weightsOf(model, level, attack)).rejects.toThrow(refusal('FILE_CHANGED', { file: 'weights.bin' }))
    await expect(weightsOf(model, level)).rejects.toThrow(refusal('FILE_SPECIAL', { file: 'weights.bin' }))
  })

  test('refuses a link to a device that replaces a file', async () => {
    const attack = () => {
      rmSync(join(model, 'weights.bin'))
      symlinkSync('/dev/zero', join(model, 'weights.bin'))
    }
    await expect(weightsOf(model, level, attack)).rejects.toThrow(refusal('FILE_CHANGED'))
    await expect(weightsOf(model, level)).rejects.toThrow(refusal('SYMLINK_REFUSED'))
  })

  test('refuses a file that grows or shrinks after it was listed', async () => {
    const grow = () => appendFileSync(join(model, 'weights.bin'), 'EVIL')
    await expect(weightsOf(model, level, grow)).rejects.toThrow(refusal('FILE_CHANGED'))
    truncateSync(join(model, 'weights.bin'), 12)
    const shrink = () => truncateSync(join(model, 'weights.bin'), 3)
    await expect(weightsOf(model, level, shrink)).rejects.toThrow(refusal('FILE_CHANGED'))
  })

  test('never reads a growing file beyond the signed size', async () => {
    const weights = Buffer.alloc(12 * 1024 * 1024, 'good')
    model = await signed('growing', { 'weights.bin': weights })
    const script = `const { appendFileSync } = require('node:fs')
      setInterval(() => appendFileSync(process.argv[1], 'EVIL'), 1)
      process.send('ready')`
    writeFileSync(join(directory, 'appender.cjs'), script.replace('argv[1]', 'argv[2]'))
    const appender = fork(join(directory, 'appender.cjs'), [join(model, 'weights.bin')])
    await once(appender, 'message')
    for (let i = 0; i < 20; i++) {
      const refused = await weightsOf(model, level).then(
        () => 'accepted',
        (error: unknown) => (error as { code?: string }).code,
      )
      expect(['FILE_CHANGED', 'FILE_MISMATCH']).toContain(refused)
    }
    appender.kill('SIGKILL')
    await once(appender, 'exit')
    truncateSync(join(model, 'weights.bin'), weights.length)
    expect(await weightsOf(model, level)).toBe(weights.toString())
  })

  test('a path through a link keeps the target that it had when the model was found', async () => {
    writeTree(directory, { 'evil/weights.bin': 'EVIL weights', 'evil/config.json': '{}' })
    const link = join(directory, 'current')
    symlinkSync('model', link)
    const attack = () => {
      rmSync(link)
      symlinkSync('evil', link)
    }
    expect(await weightsOf(link, level, attack)).toBe('good weights')
    await expect(weightsOf(link, level)).rejects.toThrow(refusal('FILE_MISMATCH'))
  })

  test('a relative path keeps the target that it had when the model was found', async () => {
    writeTree(directory, { 'elsewhere/model/weights.bin': 'EVIL weights', 'elsewhere/model/config.json': '{}' })
    process.chdir(directory)
    expect(await weightsOf('model', level, () => process.chdir('elsewhere'))).toBe('good weights')
    await expect(weightsOf('model', level)).rejects.toThrow(refusal('FILE_MISMATCH'))
  })

  test('writing to a file through a hard link outside the model does no harm', async () => {
    const outside = join(directory, 'outside')
    linkSync(join(model, 'weights.bin'), outside)
    expect(await weightsOf(model, level)).toBe('good weights')
    await expect(weightsOf(model, level, () => writeFileSync(outside, 'EVIL weights'))).rejects.toThrow(
      refusal('FILE_CHANGED'),
    )
  })

  test.runIf(ROOT)('a hard link to a file of another user is not loaded in place', async () => {
    const theirs = join(directory, 'theirs')
    renameSync(join(model, 'weights.bin'), theirs)
    chownSync(theirs, STRANGER, STRANGER)
    linkSync(theirs, join(model, 'weights.bin'))
    if (level === 'in-place') await expect(weightsOf(model, level)).rejects.toThrow(refusal('ISOLATION_REFUSED'))
    else expect(await weightsOf(model, level)).toBe('good weights')
  })
})

describe.runIf(LINUX).each(LEVELS)('by a path in /proc, under %s,', (level) => {
  let procPolicy: string

  beforeEach(() => {
    procPolicy = join(directory, 'proc.yaml')
    writeFileSync(procPolicy, readFileSync(publisher.policy, 'utf8').replace("'**'", "'/proc/**'"))
  })

  const load = (path: string, attack?: () => void) => weightsOf(path, level, attack, { policy: procPolicy })

  test('the working directory of this process is followed once', async () => {
    process.chdir(directory)
    writeTree(directory, { 'elsewhere/model/weights.bin': 'EVIL weights', 'elsewhere/model/config.json': '{}' })
    const attack = () => process.chdir(join(directory, 'elsewhere'))
    expect(await load('/proc/self/cwd/model', attack)).toBe('good weights')
  })

  test('a descriptor of a directory is followed once', async () => {
    const fd = openSync(model, 'r')
    onTestFinished(() => closeSync(fd))
    expect(await load(`/proc/self/fd/${fd}`)).toBe('good weights')
    // Removed by the text of the path, as always: the result is "/proc/self/fd/model".
    await expect(load(`/proc/self/fd/${fd}/../model`)).rejects.toThrow(refusal('MODEL_NOT_FOUND'))
  })

  test('a descriptor of a file is a link, and refused', async () => {
    const fd = openSync(join(model, 'weights.bin'), 'r')
    onTestFinished(() => closeSync(fd))
    await expect(load(`/proc/self/fd/${fd}`)).rejects.toThrow(refusal('SYMLINK_REFUSED'))
  })

  test('the root of another process yields the signed content or nothing', async () => {
    const other = spawn('sleep', ['60'])
    onTestFinished(() => void other.kill('SIGKILL'))
    expect(await load(`/proc/${other.pid}/root${model}`)).toBe('good weights')
    writeFileSync(join(model, 'weights.bin'), 'EVIL weights')
    await expect(load(`/proc/${other.pid}/root${model}`)).rejects.toThrow(refusal('FILE_MISMATCH'))
  })

  test('refuses something that is not a model, without waiting for it', async () => {
    const codes = [
      'FILE_SPECIAL',
      'FILE_UNREADABLE',
      'FILE_MISSING',
      'FILE_MISMATCH',
      'FILE_UNSIGNED',
      'SYMLINK_REFUSED',
    ]
    for (const path of ['/proc/self/fdinfo', '/proc/self/mem', '/proc/self/fd', '/proc/kmsg', '/proc/self/fd/999999']) {
      const refused: unknown = await load(path).catch((error: unknown) => error)
      expect([...codes, 'FILE_NOT_SIGNED', 'MODEL_NOT_FOUND']).toContain((refused as { code?: string }).code)
    }
  })
})

describe('instead of a bundle', () => {
  test.each([
    ['a FIFO', 'FILE_SPECIAL', (path: string) => void execFileSync('mkfifo', [path])],
    ['a link to an endless device', 'FILE_SPECIAL', (path: string) => symlinkSync('/dev/zero', path)],
    ['a directory', 'FILE_SPECIAL', (path: string) => writeTree(path, { a: '' })],
  ])('%s is refused without waiting for it', async (_, code, make) => {
    rmSync(`${model}.sig`)
    make(`${model}.sig`)
    await expect(weightsOf(model, 'memory')).rejects.toThrow(refusal(code))
  })

  test.runIf(existsSync('/proc/self/environ'))('refuses a file in /proc without revealing its content', async () => {
    const refused = await weightsOf(model, 'memory', undefined, { signature: '/proc/self/environ' }).catch(
      (error: unknown) => error,
    )
    expect(refused).toEqual(refusal('FILE_CHANGED'))
    expect(JSON.stringify(refused)).not.toContain(process.env['PATH'])
  })

  test('refuses a FIFO as the policy, without waiting for it', async () => {
    execFileSync('mkfifo', [join(directory, 'fifo.yaml')])
    await expect(weightsOf(model, 'memory', undefined, { policy: join(directory, 'fifo.yaml') })).rejects.toThrow(
      refusal('FILE_SPECIAL'),
    )
  })
})

describe('a signed ONNX model', () => {
  test.each([
    ['the unsigned policy next to it', 'policy.yaml', 'FILE_NOT_SIGNED'],
    ['the policy above it', '../policy.yaml', 'PATH_ESCAPES'],
    ['its own signature', '../onnx.sig', 'PATH_ESCAPES'],
    ['a file of /proc', '/proc/self/environ', 'PATH_ESCAPES'],
    ['a name that a URL escapes', '%2e%2e/policy.yaml', 'PATH_ESCAPES'],
    ['a name with backslashes', '..\\policy.yaml', 'PATH_ESCAPES'],
    ['a name that ends early for C', 'w.bin\0/../../policy.yaml', 'PATH_ESCAPES'],
  ])('whose external data is %s is refused', async (_, location, code) => {
    const files = { 'model.onnx': addingModel(location), 'policy.yaml': readFileSync(publisher.policy) }
    const path = await signed('onnx', files, ['policy.yaml'])
    const refused = loadOnnx(path, { policy: publisher.policy })
    await expect(refused).rejects.toThrow(refusal(code))
  })

  test.each([
    ['more bytes than exist', [0x3a, 0xff, 0xff, 0xff, 0xff, 0x0f]],
    ['more bytes than a number can express', [0x3a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]],
    ['an endless number', [0x3a, ...Array<number>(64).fill(0xff)]],
  ])('whose header announces %s is refused', async (_, bytes) => {
    const path = await signed('onnx', { 'model.onnx': new Uint8Array(bytes) })
    await expect(loadOnnx(path, { policy: publisher.policy })).rejects.toThrow(refusal('MODEL_FORMAT'))
  })
})

describe('a signed TensorFlow.js model', () => {
  const withWeights = (path: string) =>
    JSON.stringify({
      format: 'layers-model',
      modelTopology: { class_name: 'Sequential', config: { layers: [] } },
      weightsManifest: [{ paths: [path], weights: [] }],
    })

  test.each([
    ['../policy.yaml', 'PATH_ESCAPES'],
    ['a/..\\..\\policy.yaml', 'PATH_ESCAPES'],
    ['%2E%2E%5Cpolicy.yaml', 'PATH_ESCAPES'],
    ['%252e%252e/policy.yaml', 'PATH_ESCAPES'],
    ['..%00/policy.yaml', 'FILE_NOT_SIGNED'],
    ['policy.yaml', 'FILE_NOT_SIGNED'],
    ['policy%2Eyaml', 'PATH_ESCAPES'],
  ])('whose weights are %s is refused', async (weights, code) => {
    const files = { 'model.json': withWeights(weights), 'policy.yaml': readFileSync(publisher.policy) }
    const path = await signed('tfjs', files, ['policy.yaml'])
    await expect(loadTensorFlow(tensorflow, path, { policy: publisher.policy })).rejects.toThrow(refusal(code))
  })

  test('whose model.json is too large is refused', async () => {
    const path = await signed('tfjs', { 'model.json': '' })
    truncateSync(join(path, 'model.json'), 256 * 1024 * 1024 + 1)
    rmSync(`${path}.sig`)
    const large = await signed('tfjs', {})
    await expect(loadTensorFlow(tensorflow, large, { policy: publisher.policy })).rejects.toThrow(
      refusal('MODEL_FORMAT'),
    )
  })
})
