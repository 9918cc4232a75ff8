import {
  chmodSync,
  copyFileSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadVerifiedModel, type LoadedModel } from '@modelseal/onnxruntime'
import { InferenceSession, Tensor } from 'onnxruntime-node'
import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { file, serve } from '../packages/core/src/testing/http-server.ts'
import {
  addingModel,
  branchingModel,
  constantModel,
  floats,
  functionModel,
  lookupModel,
  sparseConstantModel,
  sparseModel,
  summingModel,
} from './onnx-models.ts'
import { flipBit, Workspace } from './signed-models.ts'

type Isolation = 'memory' | 'copy' | 'in-place' | 'auto'
const ISOLATIONS = ['memory', 'copy', 'in-place', 'auto'] as const

const workspace = new Workspace()
const { policy } = workspace
const create = vi.spyOn(InferenceSession, 'create')
const sessions: InferenceSession[] = []
const startDirectory = process.cwd()
const privateDirectories = join(workspace.path, 'tmp')
mkdirSync(privateDirectories)

beforeEach(() => {
  create.mockClear()
  vi.stubEnv('TMPDIR', privateDirectories)
})
afterEach(async () => {
  process.chdir(startDirectory)
  await Promise.all(sessions.splice(0).map((session) => session.release()))
  // The runtime has its own files there.
  expect(readdirSync(tmpdir()).filter((name) => name.startsWith('modelseal'))).toEqual([])
  vi.unstubAllEnvs()
})
afterAll(() => workspace[Symbol.dispose]())

async function load(path: string, isolation: Isolation): Promise<LoadedModel> {
  const loaded = await loadVerifiedModel(path, { policy, isolation })
  sessions.push(loaded.session)
  return loaded
}

async function expectRefused(path: string, isolation: Isolation, code: string, more = {}): Promise<void> {
  const refusal = expect.objectContaining({ name: 'ModelSealError', code, ...more }) as Error
  await expect(load(path, isolation)).rejects.toThrow(refusal)
  expect(create).not.toHaveBeenCalled()
}

let signed = 0

/** A separate signed directory whose files only this user can write to. */
async function sign(files: Record<string, string | Uint8Array>): Promise<string> {
  const directory = await workspace.sign(`model-${++signed}`, files)
  for (const name of Object.keys(files)) chmodSync(join(directory, name), 0o644)
  return directory
}

/** A working directory in which an attacker has put weights. */
function enterEvilDirectory(): void {
  const directory = join(workspace.path, 'evil')
  mkdirSync(join(directory, 'sub'), { recursive: true })
  for (const name of ['w.bin', 'sub/w.bin']) writeFileSync(join(directory, name), floats(666, 667))
  process.chdir(directory)
}

async function sum(session: InferenceSession): Promise<number[]> {
  const feeds: Record<string, Tensor> = { x: new Tensor('float32', [1, 2], [2]) }
  if (session.inputNames.includes('c')) feeds['c'] = new Tensor('bool', [true], [1])
  const { y } = await session.run(feeds)
  return [...(y?.data as Float32Array)]
}

describe.each(ISOLATIONS)('under the isolation %s a model with external data', (isolation) => {
  test('computes with the signed weights, whatever is in the working directory', async () => {
    const directory = await sign({ 'model.onnx': addingModel('sub/w.bin'), 'sub/w.bin': floats(10, 20) })
    enterEvilDirectory()
    const { session, verdict } = await load(directory, isolation)
    expect(await sum(session)).toEqual([11, 22])
    expect(verdict.isolation).toEqual([isolation === 'auto' ? 'memory' : isolation])
  })

  test('in a directory below computes with its own weights', async () => {
    const directory = await sign({
      'sub/model.onnx': addingModel('w.bin'),
      'sub/w.bin': floats(10, 20),
      'w.bin': floats(1, 1),
    })
    enterEvilDirectory()
    expect(await sum((await load(join(directory, 'sub/model.onnx'), isolation)).session)).toEqual([11, 22])
    const { session } = await loadVerifiedModel({ model: directory, entry: 'sub/model.onnx' }, { policy, isolation })
    sessions.push(session)
    expect(await sum(session)).toEqual([11, 22])
  })

  test('is refused when its weights were changed, are missing, or are not signed', async () => {
    const files = { 'model.onnx': addingModel('w.bin'), 'w.bin': floats(10, 20) }
    enterEvilDirectory()
    const changed = await sign(files)
    flipBit(join(changed, 'w.bin'))
    await expectRefused(changed, isolation, 'FILE_MISMATCH', { file: 'w.bin' })
    const missing = await sign(files)
    rmSync(join(missing, 'w.bin'))
    await expectRefused(missing, isolation, 'FILE_MISSING', { file: 'w.bin' })
    const { 'model.onnx': model } = files
    await expectRefused(await sign({ 'model.onnx': model }), isolation, 'FILE_NOT_SIGNED', { file: 'w.bin' })
  })

  test.each(['../w.bin', '/etc/hostname', 'a/../../w.bin', '..\\w.bin', '%2e%2e/w.bin', 'C:w.bin', 'file:///w.bin'])(
    'is refused when it refers to %s',
    async (location) => {
      const files = { 'w.bin': floats(10, 20) }
      await expectRefused(await sign({ 'm.onnx': addingModel(location), ...files }), isolation, 'PATH_ESCAPES')
      await expectRefused(await sign({ 'm.onnx': branchingModel(location), ...files }), isolation, 'PATH_ESCAPES')
    },
  )

  test('is refused when it refers to the policy or its own signature', async () => {
    for (const [location, code] of [
      ['trust-policy.yaml', 'FILE_NOT_SIGNED'],
      ['../../trust-policy.yaml', 'PATH_ESCAPES'],
      [policy, 'PATH_ESCAPES'],
      ['model.sig', 'FILE_NOT_SIGNED'],
      // The name with which ONNX Runtime itself marks addresses in its memory.
      ['*/_ORT_MEM_ADDR_/*', 'FILE_NOT_SIGNED'],
    ] as const)
      await expectRefused(await sign({ 'model.onnx': addingModel(location) }), isolation, code)
  })

  test('is refused when a link replaced its weights', async () => {
    const directory = await sign({ 'model.onnx': addingModel('w.bin'), 'w.bin': floats(10, 20) })
    renameSync(join(directory, 'w.bin'), join(workspace.path, 'moved'))
    symlinkSync(join(workspace.path, 'moved'), join(directory, 'w.bin'))
    await expectRefused(directory, isolation, 'SYMLINK_REFUSED')
  })

  test('computes with weights that have other hard links', async () => {
    const directory = await sign({ 'model.onnx': addingModel('w.bin'), 'w.bin': floats(10, 20) })
    linkSync(join(directory, 'w.bin'), join(workspace.path, `link-${isolation}`))
    expect(await sum((await load(directory, isolation)).session)).toEqual([11, 22])
  })

  test('computes with the signed weights when others replaced them after the load', async () => {
    const directory = await sign({
      'model.onnx': lookupModel('w.bin', 1 << 20),
      'w.bin': new Uint8Array(1 << 20).fill(7),
    })
    const { session } = await load(directory, isolation)
    writeFileSync(join(directory, 'new'), new Uint8Array(1 << 20).fill(66))
    renameSync(join(directory, 'new'), join(directory, 'w.bin'))
    const { y } = await session.run({ i: new Tensor('int64', [(1n << 20n) - 1n], [1]) })
    expect(y?.data[0]).toBe(7)
  })

  test('is refused when its header claims more bytes than exist', async () => {
    for (const header of [
      [0x3a, 0xff, 0xff, 0xff, 0xff, 0x0f],
      [0x3a, 0x80, 0x80, 0x80, 0x80, 0x04, 0x2a, 0xff, 0xff, 0xff, 0xff, 0x0f],
    ])
      await expectRefused(await sign({ 'm.onnx': new Uint8Array(header) }), isolation, 'MODEL_FORMAT')
  })

  test('loads as an optimized model that ONNX Runtime saved', async () => {
    const directory = workspace.write(`to-optimise-${isolation}`, {
      'model.onnx': addingModel('w.bin'),
      'w.bin': floats(10, 20),
    })
    const optimised = join(directory, 'optimised.onnx')
    const plain = await InferenceSession.create(join(directory, 'model.onnx'), { optimizedModelFilePath: optimised })
    sessions.push(plain)
    create.mockClear()
    const { session } = await load(
      await sign({ 'optimised.onnx': readFileSync(optimised), 'w.bin': floats(10, 20) }),
      isolation,
    )
    expect(await sum(session)).toEqual([11, 22])
  })
})

describe.each([
  ['in a subgraph', branchingModel],
  ['in a function', functionModel],
  ['in the value of a node', constantModel],
  ['in a sparse initializer', sparseModel],
  ['in the sparse value of a node', sparseConstantModel],
])('external data %s', (_, modelOf) => {
  const files = { 'model.onnx': modelOf('w.bin'), 'w.bin': floats(10, 20) }

  test.each(['auto', 'copy'] as const)('is loaded from a copy under %s', async (isolation) => {
    const directory = await sign(files)
    enterEvilDirectory()
    const { session, verdict } = await load(directory, isolation)
    expect(verdict.isolation).toContain('copy')
    expect(await sum(session)).toEqual([11, 22])
  })

  test.each(['memory', 'in-place'] as const)('is refused under %s', async (isolation) => {
    const directory = await sign(files)
    enterEvilDirectory()
    await expectRefused(directory, isolation, 'ISOLATION_REFUSED', {
      file: 'model.onnx',
      expected: 'the isolation "copy"',
    })
  })

  test.each(ISOLATIONS)('is refused under %s when it is not signed', async (isolation) => {
    const directory = await sign({ 'model.onnx': modelOf('w.bin') })
    enterEvilDirectory()
    const memory = isolation === 'memory' || isolation === 'in-place'
    await expectRefused(directory, isolation, memory ? 'ISOLATION_REFUSED' : 'FILE_NOT_SIGNED')
  })

  test('is refused when it was changed', async () => {
    const directory = await sign(files)
    flipBit(join(directory, 'w.bin'))
    await expectRefused(directory, 'auto', 'FILE_MISMATCH')
  })
})

describe.each(ISOLATIONS)('under the isolation %s a model in ORT format', (isolation) => {
  async function ortModel(): Promise<Uint8Array> {
    const directory = workspace.write(`to-convert-${isolation}`, {
      'model.onnx': addingModel('w.bin'),
      'w.bin': floats(10, 20),
    })
    const ort = join(directory, 'model.ort')
    sessions.push(await InferenceSession.create(join(directory, 'model.onnx'), { optimizedModelFilePath: ort }))
    create.mockClear()
    return readFileSync(ort)
  }

  test('computes, and is recognized by content and not by name', async () => {
    const bytes = await ortModel()
    enterEvilDirectory()
    for (const name of ['model.ort', 'model.onnx']) {
      const { session } = await load(await sign({ [name]: bytes }), isolation)
      expect(await sum(session)).toEqual([11, 22])
    }
    const { session } = await load(
      join(await sign({ 'm.ort': addingModel('w.bin'), 'w.bin': floats(1, 1) }), 'm.ort'),
      isolation,
    )
    expect(await sum(session)).toEqual([2, 3])
  })

  test('is refused when it contains a compiled context', async () => {
    const bytes = Buffer.concat([await ortModel(), Buffer.from('\x09\0\0\0EPContext\0')])
    await expectRefused(await sign({ 'model.ort': bytes }), isolation, 'MODEL_FORMAT')
  })

  test('is refused by the runtime when it is damaged', async () => {
    const bytes = (await ortModel()).fill(0xff, 64, 512)
    await expect(load(await sign({ 'model.ort': bytes }), isolation)).rejects.toMatchObject({ code: 'RUNTIME_FAILED' })
  })
})

test.each(ISOLATIONS)('a model with a file for each of 300 tensors loads under %s', async (isolation) => {
  const names = Array.from({ length: 300 }, (_, i) => `w${i}`)
  const weights = Object.fromEntries(names.map((name, i) => [`weights/${name}`, floats(i, 1)]))
  const directory = await sign({ 'model.onnx': summingModel(names, (name) => `weights/${name}`), ...weights })
  enterEvilDirectory()
  expect(await sum((await load(directory, isolation)).session)).toEqual([1 + (299 * 300) / 2, 2 + 300])
})

test('a model that is written to while it is loaded in place is refused, and its session released', async () => {
  const directory = await sign({ 'model.onnx': addingModel('w.bin'), 'w.bin': floats(10, 20) })
  let released: unknown
  create.mockImplementationOnce(async (path: unknown, options: unknown) => {
    const session = await InferenceSession.create(path as string, options as object)
    released = vi.spyOn(session, 'release')
    writeFileSync(join(directory, 'w.bin'), floats(666, 667))
    return session
  })
  await expect(load(directory, 'in-place')).rejects.toMatchObject({
    code: 'FILE_CHANGED',
    file: 'w.bin',
    verdict: { decision: 'accepted' },
  })
  expect(released).toHaveBeenCalledOnce()
})

test('a model in place whose weights others can write to is copied whole under "auto"', async () => {
  const size = 65 << 20
  const directory = await sign({ 'model.onnx': lookupModel('w.bin', size), 'w.bin': new Uint8Array(size).fill(7) })
  chmodSync(join(directory, 'w.bin'), 0o666)
  const { session, verdict } = await load(directory, 'auto')
  const { y } = await session.run({ i: new Tensor('int64', [0n], [1]) })
  expect(y?.data[0]).toBe(7)
  expect(verdict.isolation).toContain('copy')
  await expectRefusedInPlace(directory)
})

async function expectRefusedInPlace(directory: string): Promise<void> {
  create.mockClear()
  await expectRefused(directory, 'in-place', 'ISOLATION_REFUSED', { file: 'w.bin' })
}

test('a model of a Hugging Face cache loads in place, from the blobs that its links lead to', async () => {
  const repository = join(workspace.path, 'models/models--acme--adder')
  const snapshot = await workspace.sign('models--acme--adder/snapshots/main', {
    'model.onnx': addingModel('w.bin'),
    'w.bin': floats(10, 20),
  })
  mkdirSync(join(repository, 'blobs'))
  for (const [name, blob] of [
    ['model.onnx', 'a'.repeat(40)],
    ['w.bin', 'b'.repeat(64)],
  ] as const) {
    copyFileSync(join(snapshot, name), join(repository, 'blobs', blob))
    rmSync(join(snapshot, name))
    symlinkSync(join('../../blobs', blob), join(snapshot, name))
    chmodSync(join(repository, 'blobs', blob), 0o644)
  }
  enterEvilDirectory()
  for (const isolation of ISOLATIONS) expect(await sum((await load(snapshot, isolation)).session)).toEqual([11, 22])
})

describe('a model over HTTP', () => {
  const served = join(workspace.path, 'served.yaml')
  writeFileSync(served, readFileSync(policy, 'utf8').replace('path: "models/**"', 'url: "http://127.0.0.1:*/**"'))

  async function loadServed(files: Record<string, Uint8Array>, isolation: Isolation): Promise<LoadedModel> {
    const directory = await sign(files)
    const names = [...Object.keys(files), 'model.sig']
    const answers = names.map((name) => [`/m/${name}`, file(readFileSync(join(directory, name)))] as const)
    const { origin } = await serve(Object.fromEntries(answers))
    enterEvilDirectory()
    const loaded = await loadVerifiedModel(`${origin}/m/model.onnx`, { policy: served, isolation })
    sessions.push(loaded.session)
    return loaded
  }

  test.each([
    ['memory', addingModel('w.bin')],
    ['auto', addingModel('w.bin')],
    ['copy', addingModel('w.bin')],
    ['copy', branchingModel('w.bin')],
    ['auto', branchingModel('w.bin')],
  ] as const)('computes with the signed weights under %s', async (isolation, bytes) => {
    const { session } = await loadServed({ 'model.onnx': bytes, 'w.bin': floats(10, 20) }, isolation)
    expect(await sum(session)).toEqual([11, 22])
  })

  test('is refused if its external data must be loaded from memory but cannot be', async () => {
    const loading = loadServed({ 'model.onnx': branchingModel('w.bin'), 'w.bin': floats(10, 20) }, 'memory')
    await expect(loading).rejects.toMatchObject({ code: 'ISOLATION_REFUSED' })
    expect(create).not.toHaveBeenCalled()
  })
})
