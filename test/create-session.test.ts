import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { openVerifiedModel } from '@modelseal/core'
import { createSession, loadVerifiedModel, verified } from '@modelseal/onnxruntime'
import { createVerified } from '@modelseal/onnxruntime/any-runtime'
import { placeOnnx } from '@modelseal/onnxruntime/model-files'
import * as ort from 'onnxruntime-node'
import { afterAll, afterEach, describe, expect, expectTypeOf, onTestFinished, test, vi } from 'vitest'
import { addingModel, branchingModel, externalTensor, floats, graph, model, node } from './onnx-models.ts'
import { Workspace } from './signed-models.ts'

const workspace = new Workspace()
const { policy } = workspace
const sessions: ort.InferenceSession[] = []
const startDirectory = process.cwd()
const directory = await workspace.sign('adding', { 'model.onnx': addingModel('w.bin'), 'w.bin': floats(10, 20) })
const file = join(directory, 'model.onnx')

afterEach(async () => {
  process.chdir(startDirectory)
  vi.unstubAllEnvs()
  await Promise.all(sessions.splice(0).map((session) => session.release()))
})
afterAll(() => workspace[Symbol.dispose]())

async function sum(session: ort.InferenceSession, more = {}): Promise<number[]> {
  sessions.push(session)
  const { y } = await session.run({ x: new ort.Tensor('float32', [1, 2], [2]), ...more })
  return [...(y?.data as Float32Array)]
}

function refusal(code: string, more = {}) {
  return expect.objectContaining({ name: 'ModelSealError', code, ...more }) as Error
}

describe('createSession()', () => {
  test('has the type of InferenceSession.create()', () => {
    expectTypeOf(createSession).toEqualTypeOf<typeof ort.InferenceSession.create>()
    expectTypeOf(verified(ort).createSession).toEqualTypeOf<typeof ort.InferenceSession.create>()
  })

  test('loads models that the policy in the environment accepts', async () => {
    vi.stubEnv('MODELSEAL_POLICY', policy)
    expect(await sum(await createSession(file, { graphOptimizationLevel: 'basic' }))).toEqual([11, 22])
  })

  test('refuses models that it does not accept', async () => {
    vi.stubEnv('MODELSEAL_POLICY', policy)
    const unsigned = workspace.write('unsigned', { 'model.onnx': addingModel('w.bin') })
    await expect(createSession(unsigned)).rejects.toThrow(refusal('BUNDLE_NOT_FOUND'))
  })

  test('uses the policy and the isolation that it was created with', async () => {
    for (const isolation of ['memory', 'in-place', 'copy'] as const)
      expect(await sum(await verified(ort, { policy, isolation }).createSession(file))).toEqual([11, 22])
  })

  test('refuses a buffer, because its signer is unknown', async () => {
    const { createSession } = verified(ort, { policy })
    const bytes = readFileSync(file)
    const buffer = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length)
    for (const creating of [createSession(bytes), createSession(buffer), createSession(buffer, 0, 10)])
      await expect(creating).rejects.toThrow(refusal('INVALID_ARGUMENT', { found: 'a buffer' }))
  })

  test('refuses session options that would make the runtime read other files, and invalid ones', async () => {
    const { createSession } = verified(ort, { policy })
    const reading = { extra: { session: { model_external_initializers_file_folder_path: '/tmp' } } }
    for (const options of [{ externalData: ['w.bin'] }, reading, null as unknown as object])
      await expect(createSession(file, options)).rejects.toThrow(refusal('INVALID_ARGUMENT'))
  })

  test('passes the model to the runtime that it was created with', async () => {
    const create = vi.fn((path: string) => ort.InferenceSession.create(path))
    const { createSession } = verified(
      { env: ort.env, InferenceSession: { create } },
      { policy, isolation: 'in-place' },
    )
    await sum(await createSession(file))
    expect(create).toHaveBeenCalledOnce()
    expect(create).not.toHaveBeenCalledWith(file, expect.anything())
  })

  test('an invalid MODELSEAL_ISOLATION refuses the load, not the import', () => {
    vi.stubEnv('MODELSEAL_ISOLATION', 'ram')
    const program = `import('@modelseal/onnxruntime').then(({ createSession }) => createSession('m')).catch(({ code, message }) => console.log(code, message))`
    const output = execFileSync(process.execPath, ['-e', program], { cwd: import.meta.dirname, encoding: 'utf8' })
    expect(output).toMatch(/^INVALID_ARGUMENT .*MODELSEAL_ISOLATION/)
  })

  test('refuses external data in memory for an old runtime, which would read it from elsewhere', async () => {
    const create = vi.fn((path: string) => ort.InferenceSession.create(path))
    const old = { env: { versions: { node: '1.20.1' } }, InferenceSession: { create } }
    await expect(verified(old, { policy }).createSession(file)).rejects.toThrow(refusal('RUNTIME_FAILED'))
    expect(create).not.toHaveBeenCalled()
  })
})

describe('a model that is specified by its directory and a file name', async () => {
  const two = await workspace.sign('two', {
    'a.onnx': addingModel('w.bin'),
    'b/c.onnx': addingModel('w.bin'),
    'w.bin': floats(10, 20),
    'b/w.bin': floats(30, 40),
  })

  test('loads', async () => {
    const load = async (entry: string) => (await loadVerifiedModel({ model: two, entry }, { policy })).session
    expect(await sum(await load('a.onnx'))).toEqual([11, 22])
    expect(await sum(await load('b/c.onnx'))).toEqual([31, 42])
  })

  test('is refused if the name is not that of a signed file, or the path is that of a file', async () => {
    const load = (model: string, entry: string) => loadVerifiedModel({ model, entry }, { policy })
    await expect(load(two, '../adding/model.onnx')).rejects.toThrow(refusal('FILE_NOT_SIGNED'))
    await expect(load(two, 'none.onnx')).rejects.toThrow(refusal('FILE_NOT_SIGNED'))
    await expect(load(join(two, 'a.onnx'), 'a.onnx')).rejects.toThrow(refusal('INVALID_ARGUMENT'))
  })

  test.each<[string, unknown]>([
    ['an object whose "entry" is missing', { model: two }],
    ['an object whose "entry" is a number', { model: two, entry: 5 }],
    ['an object whose "model" is missing', { entry: 'a.onnx' }],
    ['an object whose "model" is a number', { model: 5, entry: 'a.onnx' }],
    ['an object with neither "model" nor "entry"', { path: two }],
    ['undefined', undefined],
    ['null', null],
    ['a number', 5],
    ['an array', [two]],
  ])('is refused if the argument is %s, naming the form', async (found, source) => {
    const expected = 'a path, a URL, a source, or { model, entry }: a signed directory and the name of the file in it'
    const refused = refusal('INVALID_ARGUMENT', { expected, found })
    await expect(loadVerifiedModel(source as never, { policy })).rejects.toThrow(refused)
    await expect(createVerified(ort, source, { policy })).rejects.toThrow(refused)
  })
})

test('a skipped model loads from its own directory, never from the working directory', async () => {
  const skipping = join(workspace.path, 'skipping.yaml')
  writeFileSync(
    skipping,
    'version: 1\nrules: [{ name: all, match: { path: "models/**" }, mode: skip, reason: tested }]\n',
  )
  mkdirSync(join(workspace.path, 'evil'))
  writeFileSync(join(workspace.path, 'evil/w.bin'), floats(666, 667))
  process.chdir(join(workspace.path, 'evil'))
  const files = { 'model.onnx': branchingModel('w.bin'), 'w.bin': floats(10, 20) }
  const { session, verdict } = await loadVerifiedModel(join(workspace.write('skipped', files), 'model.onnx'), {
    policy: skipping,
  })
  expect(verdict.decision).toBe('skipped')
  expect(await sum(session, { c: new ort.Tensor('bool', [true], [1]) })).toEqual([11, 22])
})

test('another adapter gets a model and everything that it refers to by path', async () => {
  await using model = await openVerifiedModel(directory, { policy, isolation: 'copy' }, (reader) =>
    placeOnnx(reader, 'model.onnx'),
  )
  const { path, names, files, format } = model.gathered
  expect({ names, format, isolation: files.isolation }).toEqual({
    names: ['model.onnx', 'w.bin'],
    format: 'ONNX',
    isolation: 'copy',
  })
  expect(path).toBe(files.path('model.onnx'))
  expect(readFileSync(files.path('w.bin'))).toEqual(Buffer.from(floats(10, 20)))
})

test('another adapter needs no runtime of this package, as ES module and as CommonJS', () => {
  const program = `
    require('@modelseal/onnxruntime/model-files')
    import('@modelseal/onnxruntime/model-files').then(({ placeOnnx, gatherOnnx }) =>
      console.log(typeof placeOnnx, typeof gatherOnnx, Object.keys(require.cache).some((name) => name.includes('onnxruntime-node'))))`
  const output = execFileSync(process.execPath, ['-e', program], { cwd: import.meta.dirname, encoding: 'utf8' })
  expect(output).toBe('function function false\n')
})

describe('a model can be specified', () => {
  test.each<[string, string | URL]>([
    ['by a file: URL', pathToFileURL(file).href],
    ['by a URL object', pathToFileURL(file)],
  ])('%s', async (_, source) => {
    const { session } = await loadVerifiedModel(source, { policy })
    expect(await sum(session)).toEqual([11, 22])
    const opened = await openVerifiedModel(source, { policy })
    expect(opened.files).toContain('model.onnx')
    await opened.close()
  })

  test('by the URL of its directory, and the file in it', async () => {
    const { session } = await loadVerifiedModel({ model: pathToFileURL(directory), entry: './/model.onnx' }, { policy })
    expect(await sum(session)).toEqual([11, 22])
  })

  test('by a path relative to the working directory at the time of the call', async () => {
    process.chdir(workspace.path)
    const loading = loadVerifiedModel('models/adding/model.onnx', { policy })
    process.chdir('/')
    expect(await sum((await loading).session)).toEqual([11, 22])
  })
})

describe.each(['memory', 'copy', 'in-place'] as const)(
  'under the isolation %s, external data is found',
  (isolation) => {
    test.each([
      ['./w.bin', 'w.bin'],
      ['.//w.bin', 'w.bin'],
      ['././w.bin', 'w.bin'],
      ['data//w.bin', 'data/w.bin'],
      ['./data/./w.bin', 'data/w.bin'],
    ])('under the name %s, by which ONNX Runtime finds it', async (location, name) => {
      const spelled = await workspace.sign(`spelled-${isolation}-${location.replaceAll('/', '_')}`, {
        'model.onnx': addingModel(location),
        [name]: floats(10, 20),
      })
      const model = join(spelled, 'model.onnx')
      const plain = await ort.InferenceSession.create(model)
      expect(await sum(plain)).toEqual([11, 22])
      const { session } = await loadVerifiedModel(model, { policy, isolation })
      expect(await sum(session)).toEqual([11, 22])
    })
  },
)

describe('the bytes of a model file in memory', () => {
  /** Records the first argument of `create`, and the buffers that it is given as external data. */
  function recorded() {
    const created = vi.spyOn(ort.InferenceSession, 'create')
    onTestFinished(() => created.mockRestore())
    return () => {
      const [bytes, options] = created.mock.calls[0] as unknown as [
        Uint8Array<ArrayBuffer>,
        ort.InferenceSession.SessionOptions,
      ]
      const [data] = options.externalData as unknown as [{ data: Uint8Array<ArrayBuffer> }]
      return { isFreed: bytes.buffer.detached, isDataFreed: data.data.buffer.detached }
    }
  }

  test('are freed once the onnxruntime-node of this package has created the session', async () => {
    const given = recorded()
    const { session } = await loadVerifiedModel(file, { policy, isolation: 'memory' })
    expect(given()).toEqual({ isFreed: true, isDataFreed: false })
    expect(await sum(session)).toEqual([11, 22])
  })

  test('are freed, too, if it cannot create the session', async () => {
    const given = recorded()
    const unknownOperator = graph({
      nodes: [node('Unknown', ['x', 'w'], ['y'])],
      initializers: [externalTensor('w', 2, 'w.bin')],
    })
    const failing = await workspace.sign('failing', { 'model.onnx': model(unknownOperator), 'w.bin': floats(10, 20) })
    const loading = loadVerifiedModel(failing, { policy, isolation: 'memory' })
    await expect(loading).rejects.toThrow(refusal('RUNTIME_FAILED'))
    expect(given()).toEqual({ isFreed: true, isDataFreed: false })
  })

  test('stay with a runtime that the caller provides, which may keep them', async () => {
    const given = recorded()
    const { session } = await createVerified(ort, file, { policy, isolation: 'memory' })
    expect(given()).toEqual({ isFreed: false, isDataFreed: false })
    expect(await sum(session)).toEqual([11, 22])
  })
})
