import { execFileSync } from 'node:child_process'
import { cpSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { loadVerifiedModel, type LoadedModel } from '@modelseal/onnxruntime'
import { InferenceSession, Tensor } from 'onnxruntime-node'
import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { addingModel, branchingModel, floats } from './onnx-models.ts'
import { copyOf, flipBit, sileroVad, Workspace } from './signed-models.ts'

const workspace = new Workspace()
const { policy } = workspace
const create = vi.spyOn(InferenceSession, 'create')
const sessions: InferenceSession[] = []
const startDirectory = process.cwd()

beforeEach(() => void create.mockClear())
afterEach(async () => {
  process.chdir(startDirectory)
  await Promise.all(sessions.splice(0).map((session) => session.release()))
})
afterAll(() => workspace[Symbol.dispose]())

async function load(path: string, options = {}): Promise<LoadedModel> {
  const loaded = await loadVerifiedModel(path, { policy, ...options })
  sessions.push(loaded.session)
  return loaded
}

function refusal(code: string, more = {}) {
  return expect.objectContaining({ name: 'ModelSealError', code, ...more }) as Error
}

async function expectRefused(path: string, code: string, options = {}): Promise<void> {
  await expect(load(path, options)).rejects.toThrow(refusal(code))
  expect(create).not.toHaveBeenCalled()
}

describe('Silero VAD', async () => {
  const directory = await workspace.sign('vad', sileroVad())
  const file = join(directory, 'silero_vad.onnx')

  async function speechProbability(session: InferenceSession): Promise<unknown> {
    const samples = Float32Array.from({ length: 512 }, (_, i) => Math.sin(i / 7) / 2)
    const { output } = await session.run({
      input: new Tensor('float32', samples, [1, 512]),
      state: new Tensor('float32', new Float32Array(256), [2, 1, 128]),
      sr: new Tensor('int64', [16_000n]),
    })
    return output?.data
  }

  test('gives the same result as the plain runtime', async () => {
    const { session, verdict } = await load(file)
    const plain = await InferenceSession.create(file)
    sessions.push(plain)
    expect(await speechProbability(session)).toEqual(await speechProbability(plain))
    expect(verdict).toMatchObject({ decision: 'accepted', rule: 'models', files: { checked: 1, signed: 1 } })
    expect(verdict.bundles).toMatchObject([{ counted: true, signer: { method: 'key', name: 'release' } }])
  })

  test('is found in its directory', async () => {
    expect((await load(directory)).session.inputNames).toEqual(['input', 'state', 'sr'])
  })

  test('loads with session options', async () => {
    const session = { graphOptimizationLevel: 'basic', extra: { session: { set_denormal_as_zero: '1' } } }
    expect((await load(file, { session })).session.outputNames).toEqual(['output', 'stateN'])
  })

  test('is refused with one bit changed, before the runtime sees a byte', async () => {
    const copy = copyOf(directory, 'vad-tampered')
    flipBit(join(copy, 'silero_vad.onnx'))
    await expectRefused(join(copy, 'silero_vad.onnx'), 'FILE_MISMATCH')
  })

  test('is refused with an unsigned file next to it', async () => {
    const copy = copyOf(directory, 'vad-added')
    writeFileSync(join(copy, 'extra.txt'), 'extra')
    await expectRefused(join(copy, 'silero_vad.onnx'), 'FILE_UNSIGNED')
  })

  test('is refused without a signature', async () => {
    await expectRefused(workspace.write('vad-unsigned', sileroVad()), 'BUNDLE_NOT_FOUND')
  })

  test('is refused if no rule of the policy covers it', async () => {
    renameSync(copyOf(directory, 'vad-moved'), join(workspace.path, 'elsewhere'))
    await expectRefused(join(workspace.path, 'elsewhere/silero_vad.onnx'), 'POLICY_NO_MATCH')
  })

  test("is refused with another signer's signature", async () => {
    using stranger = new Workspace()
    const copy = workspace.write('vad-stranger', {})
    cpSync(await stranger.sign('vad', sileroVad()), copy, { recursive: true })
    await expectRefused(copy, 'SIGNER_NOT_TRUSTED')
  })

  test('is refused when the caller has aborted', async () => {
    await expectRefused(file, 'ABORTED', { signal: AbortSignal.abort() })
  })

  test('is refused with options that would make the runtime read other files', async () => {
    await expectRefused(file, 'INVALID_ARGUMENT', { session: { externalData: ['weights.bin'] } })
    await expectRefused(file, 'INVALID_ARGUMENT', { session: { extra: { session: { load_model_format: 'ORT' } } } })
  })
})

describe('a directory', () => {
  test('with two models is refused, with their names', async () => {
    const directory = await workspace.sign('two', { 'a.onnx': addingModel('w.bin'), 'b/c.onnx': addingModel('w.bin') })
    await expect(load(directory)).rejects.toThrow(
      refusal('INVALID_ARGUMENT', { found: expect.stringMatching(/"a.onnx".*"b\/c.onnx"/) }),
    )
  })

  test('without a model is refused', async () => {
    await expectRefused(await workspace.sign('none', { 'weights.bin': 'x' }), 'INVALID_ARGUMENT')
  })
})

describe('a model with external data', () => {
  const signed = { 'model.onnx': addingModel('w.bin'), 'w.bin': floats(10, 20) }

  async function sum(session: InferenceSession): Promise<number[]> {
    const { y } = await session.run({ x: new Tensor('float32', [1, 2], [2]) })
    return [...(y?.data as Float32Array)]
  }

  /** A working directory in which an attacker has put files. */
  function enterDirectoryWith(files: Record<string, Uint8Array>): void {
    process.chdir(workspace.write('../evil', files))
  }

  test('computes with the signed weights, whatever is in the working directory', async () => {
    const directory = await workspace.sign('adding', signed)
    enterDirectoryWith({ 'w.bin': floats(666, 667) })
    expect(await sum((await load(directory)).session)).toEqual([11, 22])
  })

  test('in a directory below computes with its own weights', async () => {
    const directory = await workspace.sign('nested', {
      'sub/model.onnx': addingModel('weights/w.bin'),
      'sub/weights/w.bin': floats(10, 20),
      'weights/w.bin': floats(1, 1),
    })
    expect(await sum((await load(join(directory, 'sub/model.onnx'))).session)).toEqual([11, 22])
  })

  test('keeps the verified weights when the files change after the load', async () => {
    const directory = await workspace.sign('changed-later', signed)
    const { session } = await load(directory)
    writeFileSync(join(directory, 'w.bin'), floats(666, 667))
    expect(await sum(session)).toEqual([11, 22])
  })

  test('is refused when its weights were changed', async () => {
    const directory = await workspace.sign('changed', signed)
    writeFileSync(join(directory, 'w.bin'), floats(666, 667))
    await expectRefused(directory, 'FILE_MISMATCH')
  })

  test('is refused when its weights are missing and the working directory offers others', async () => {
    const directory = await workspace.sign('missing', signed)
    rmSync(join(directory, 'w.bin'))
    enterDirectoryWith({ 'w.bin': floats(666, 667) })
    await expectRefused(directory, 'FILE_MISSING')
  })

  test('is refused when its weights are not signed and the working directory offers some', async () => {
    const directory = await workspace.sign('unsigned-weights', { 'model.onnx': addingModel('w.bin') })
    enterDirectoryWith({ 'w.bin': floats(666, 667) })
    await expectRefused(directory, 'FILE_NOT_SIGNED')
  })

  test.each(['../w.bin', '/etc/hostname', 'a/../../w.bin', '..\\w.bin', '%2e%2e/w.bin'])(
    'is refused when it names %s',
    async (location) => {
      const directory = await workspace.sign('escaping', { 'model.onnx': addingModel(location), 'w.bin': floats(1, 2) })
      await expectRefused(directory, 'PATH_ESCAPES')
    },
  )

  test('shows that the plain runtime is open to the attack that isolation prevents', async () => {
    enterDirectoryWith({ 'w.bin': floats(666, 667) })
    const session = await InferenceSession.create(branchingModel('w.bin'), {
      externalData: [{ path: 'w.bin', data: floats(10, 20) }],
    })
    sessions.push(session)
    const { y } = await session.run({ x: new Tensor('float32', [1, 2], [2]), c: new Tensor('bool', [true], [1]) })
    expect([...(y?.data as Float32Array)]).toEqual([667, 669])
  })
})

test('refuses bytes or nothing instead of a path', async () => {
  for (const source of [undefined, floats(1)]) await expectRefused(source as unknown as string, 'INVALID_ARGUMENT')
  await expectRefused(new URL('ftp://models.example/model.onnx') as unknown as string, 'SCHEME_UNKNOWN')
})

test('refuses a verified file that is not an ONNX model', async () => {
  await expectRefused(await workspace.sign('text', { 'model.onnx': 'not a model' }), 'MODEL_FORMAT')
})

test('reports a verified model that the runtime cannot load, with its verdict', async () => {
  const directory = await workspace.sign('broken', {
    'model.onnx': addingModel('w.bin'),
    'w.bin': floats(1), // half of what the model needs
  })
  await expect(load(directory)).rejects.toThrow(
    refusal('RUNTIME_FAILED', { verdict: expect.objectContaining({ decision: 'accepted' }) }),
  )
})

test('the CommonJS build loads the same model and throws the same errors', async () => {
  const directory = await workspace.sign('commonjs', { 'model.onnx': addingModel('w.bin'), 'w.bin': floats(10, 20) })
  const program = `
    const { loadVerifiedModel, ModelSealError } = require('@modelseal/onnxruntime')
    const load = (path) => loadVerifiedModel(path, { policy: ${JSON.stringify(policy)} })
    load(${JSON.stringify(directory)})
      .then(({ session }) => console.log(session.outputNames.join()))
      .then(() => load('missing'))
      .catch((error) => console.log(error instanceof ModelSealError, error.code))`
  const output = execFileSync(process.execPath, ['-e', program], { cwd: import.meta.dirname, encoding: 'utf8' })
  expect(output).toBe('y\ntrue POLICY_NO_MATCH\n')
})
