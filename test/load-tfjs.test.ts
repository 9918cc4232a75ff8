import { execFileSync } from 'node:child_process'
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { loadVerifiedModel, verified } from '@modelseal/tfjs'
import * as tensorflow from '@tensorflow/tfjs'
import { afterAll, beforeEach, describe, expect, expectTypeOf, test, vi } from 'vitest'
import { blazeFace, copyOf, flipBit, Workspace } from './signed-models.ts'

tensorflow.enableProdMode()

const workspace = new Workspace()
const { policy } = workspace
const loadGraph = vi.fn(tensorflow.loadGraphModel)
const loadLayers = vi.fn(tensorflow.loadLayersModel)
const tf = { ...tensorflow, loadGraphModel: loadGraph, loadLayersModel: loadLayers }
const { loadGraphModel, loadLayersModel } = verified(tf, { policy })

beforeEach(() => {
  loadGraph.mockClear()
  loadLayers.mockClear()
})
afterAll(() => workspace[Symbol.dispose]())

type Files = Record<string, string | Uint8Array>

function refusal(code: string, more = {}) {
  return expect.objectContaining({ name: 'ModelSealError', code, ...more }) as Error
}

async function expectRefused(load: Promise<unknown>, code: string): Promise<void> {
  await expect(load).rejects.toThrow(refusal(code))
  expect(loadGraph).not.toHaveBeenCalled()
  expect(loadLayers).not.toHaveBeenCalled()
}

test('a SavedModel that changes while TensorFlow loads it is released and refused, with the verdict', async () => {
  const directory = await workspace.sign('saved', { 'saved_model.pb': '', 'variables/v.index': 'before' })
  const dispose = vi.fn()
  const load = () => {
    writeFileSync(join(directory, 'variables/v.index'), 'behind')
    return Promise.resolve({ dispose })
  }
  const node = { ...tf, node: { loadSavedModel: load } } as unknown as typeof tensorflow
  const changing = verified(node, { policy, isolation: 'in-place' }) as unknown as {
    loadSavedModel: (path: string) => Promise<unknown>
  }
  await expect(changing.loadSavedModel(directory)).rejects.toMatchObject({
    code: 'FILE_CHANGED',
    verdict: { decision: 'accepted', model: { path: directory, format: 'saved-model' } },
  })
  expect(dispose).toHaveBeenCalledOnce()
})

describe('BlazeFace, a graph model', async () => {
  const directory = await workspace.sign('blazeface', blazeFace())
  const image = tensorflow.randomUniform([1, 256, 256, 3], 0, 1, 'float32', 7)

  async function faces(model: tensorflow.GraphModel): Promise<unknown[]> {
    const outputs = [model.execute(image)].flat()
    return Promise.all(outputs.map(async (output) => [output.shape, await output.data()]))
  }

  /** The result of tf for the same files, without modelseal. */
  function loadedPlainly(): Promise<tensorflow.GraphModel> {
    const json = JSON.parse(readFileSync(join(directory, 'model.json'), 'utf8')) as tensorflow.io.ModelJSON
    const { weightsManifest, ...rest } = json
    const weightData = new Uint8Array(readFileSync(join(directory, 'blazeface.bin'))).buffer
    const weightSpecs = weightsManifest.flatMap(({ weights }) => weights)
    return tensorflow.loadGraphModel(tensorflow.io.fromMemory({ ...rest, weightSpecs, weightData }))
  }

  /** The runtime takes a second for each image, so one result serves all tests. */
  const expected = faces(await loadedPlainly())

  test('gives the same result as plain tf', async () => {
    const loaded = await loadVerifiedModel(tf, directory, { policy })
    if (loaded.format !== 'graph-model') throw new Error(loaded.format)
    expect(await faces(loaded.model)).toEqual(await expected)
    expect(loaded.verdict).toMatchObject({ decision: 'accepted', rule: 'models', files: { checked: 2, signed: 2 } })
  })

  test('loads through the drop-in by path, by URL, and by the path after file:// that tfjs-node accepts', async () => {
    const file = join(directory, 'model.json')
    for (const source of [file, directory, pathToFileURL(file).href, `file://${relativeTo(file)}`])
      expect(await faces(await loadGraphModel(source))).toEqual(await expected)
  })

  test('accepts a URL object, also in the drop-in', async () => {
    const url = pathToFileURL(join(directory, 'model.json'))
    const { verdict } = await loadVerifiedModel(tf, url, { policy })
    expect(verdict.decision).toBe('accepted')
    expect(await faces(await loadGraphModel(url as unknown as string))).toEqual(await expected)
  })

  test('keeps the signature and metadata that tf itself would keep', async () => {
    const model = await loadGraphModel(directory)
    const plain = await loadedPlainly()
    expect(model.modelSignature).toEqual(plain.modelSignature)
    expect(model.metadata).toEqual(plain.metadata)
    expect(model.modelVersion).toBe(plain.modelVersion)
  })

  test('is found under a name with characters that URLs escape', async () => {
    const copy = await workspace.sign('a name #1 100%', blazeFace())
    await loadGraphModel(pathToFileURL(join(copy, 'model.json')).href)
    expect(loadGraph).toHaveBeenCalledOnce()
  })

  test('is refused with one bit of the weights changed, before tf sees a byte', async () => {
    const copy = copyOf(directory, 'blazeface-tampered')
    flipBit(join(copy, 'blazeface.bin'))
    await expectRefused(loadGraphModel(copy), 'FILE_MISMATCH')
    await expectRefused(loadVerifiedModel(tf, copy, { policy }), 'FILE_MISMATCH')
  })

  test('is refused with a model.json of another model', async () => {
    const copy = copyOf(directory, 'blazeface-swapped')
    writeFileSync(join(copy, 'model.json'), JSON.stringify(dense()))
    await expectRefused(loadGraphModel(join(copy, 'model.json')), 'FILE_MISMATCH')
  })

  test('is refused without its weights', async () => {
    const copy = copyOf(directory, 'blazeface-missing')
    rmSync(join(copy, 'blazeface.bin'))
    await expectRefused(loadGraphModel(copy), 'FILE_MISSING')
  })

  test('is refused without a signature', async () => {
    await expectRefused(loadGraphModel(workspace.write('blazeface-unsigned', blazeFace())), 'BUNDLE_NOT_FOUND')
  })

  test("is refused with another signer's signature", async () => {
    using stranger = new Workspace()
    const copy = workspace.write('blazeface-stranger', {})
    cpSync(await stranger.sign('blazeface', blazeFace()), copy, { recursive: true })
    await expectRefused(loadGraphModel(copy), 'SIGNER_NOT_TRUSTED')
  })

  test('calls both progress callbacks', async () => {
    const [fractions, bytes]: [number[], number[]] = [[], []]
    await loadVerifiedModel(tf, directory, {
      policy,
      onProgress: (done) => bytes.push(done),
      load: { onProgress: (fraction) => fractions.push(fraction) },
    })
    expect(fractions.at(-1)).toBe(1)
    expect(bytes.at(-1)).toBe(Object.values(blazeFace()).reduce((sum, { length }) => sum + length, 0))
  })

  test('is refused by the loader of another format, before tf sees it', async () => {
    await expectRefused(loadLayersModel(directory), 'MODEL_FORMAT')
    await expect(loadLayersModel(directory)).rejects.toThrow('Load it with loadGraphModel().')
  })

  test('that is a SavedModel is refused with the name of the right loader', async () => {
    const saved = await workspace.sign('saved', { 'saved_model.pb': 'x', 'variables/variables.index': 'x' })
    for (const path of [saved, join(saved, 'saved_model.pb')]) {
      for (const load of [loadGraphModel, loadLayersModel]) {
        await expectRefused(load(path), 'MODEL_FORMAT')
        await expect(load(path)).rejects.toThrow('tf.node.loadSavedModel()')
      }
    }
  })

  test('is judged by the rule for its format, whichever call loads it', async () => {
    const policyByFormat = join(workspace.path, 'by-format.yaml')
    const text = readFileSync(policy, 'utf8')
    writeFileSync(policyByFormat, text.replace('path: "models/**"', 'path: "models/**", format: tfjs-graph'))
    expect((await loadVerifiedModel(tf, directory, { policy: policyByFormat })).format).toBe('graph-model')
    await verified(tf, { policy: policyByFormat }).loadGraphModel(directory)

    writeFileSync(policyByFormat, text.replace('path: "models/**"', 'path: "models/**", format: tfjs-layers'))
    loadGraph.mockClear()
    await expectRefused(loadVerifiedModel(tf, directory, { policy: policyByFormat }), 'POLICY_NO_MATCH')
  })
})

describe('a layers model', async () => {
  const { files, predict } = await trained()

  test('saved by tf gives the same result when loaded verified', async () => {
    const directory = await workspace.sign('layers', files)
    const loaded = await loadVerifiedModel(tf, directory, { policy })
    if (loaded.format !== 'layers-model') throw new Error(loaded.format)
    expect(predict(loaded.model)).toEqual(predict())
    expect(predict(await loadLayersModel(join(directory, 'model.json'), { strict: true }))).toEqual(predict())
    expect(loadLayers.mock.lastCall?.[1]).toMatchObject({ strict: true })
  })

  test('is refused by the loader of graph models, which names the right one', async () => {
    const directory = await workspace.sign('layers-as-graph', files)
    for (const path of [directory, join(directory, 'model.json')]) {
      await expectRefused(loadGraphModel(path), 'MODEL_FORMAT')
      await expect(loadGraphModel(path)).rejects.toThrow('Load it with loadLayersModel().')
    }
  })

  test('with weights in several files below gives the same result', async () => {
    const weights = files['weights.bin'] as Uint8Array
    const json = JSON.parse(files['model.json'] as string)
    json.weightsManifest[0].paths = ['shards/a.bin', 'shards/b.bin', 'shards/c.bin']
    const directory = await workspace.sign('layers-sharded', {
      'web/model.json': JSON.stringify(json),
      'web/shards/a.bin': weights.subarray(0, 5),
      'web/shards/b.bin': weights.subarray(5, 21),
      'web/shards/c.bin': weights.subarray(21),
    })
    expect(predict(await loadLayersModel(join(directory, 'web/model.json')))).toEqual(predict())
  })

  test('of an old file without a format is recognized by its topology', async () => {
    const { format, ...json } = JSON.parse(files['model.json'] as string)
    expect(format).toBe('layers-model')
    const directory = await workspace.sign('layers-old', { ...files, 'model.json': JSON.stringify(json) })
    expect((await loadVerifiedModel(tf, directory, { policy })).format).toBe('layers-model')
  })

  test('with weights that lack a value is reported by tf', async () => {
    const weights = files['weights.bin'] as Uint8Array
    const directory = await workspace.sign('layers-short', { ...files, 'weights.bin': weights.subarray(0, -4) })
    await expect(loadLayersModel(directory)).rejects.toThrow(refusal('RUNTIME_FAILED'))
  })
})

describe('a model whose weights manifest', () => {
  let count = 0
  const withPaths = (paths: unknown[], files: Files = { 'weights.bin': new Uint8Array(16) }) =>
    workspace.sign(`manifest-${++count}`, { 'model.json': JSON.stringify(dense(paths)), ...files })

  test.each([
    '../weights.bin',
    'a/../../weights.bin',
    '/etc/hostname',
    '..\\weights.bin',
    '%2e%2e/weights.bin',
    '..%2fweights.bin',
    '%252e%252e%252fweights.bin',
    'https://example.com/weights.bin',
    'file:///etc/hostname',
  ])('names %s is refused', async (path) => {
    await expectRefused(loadLayersModel(await withPaths([path])), 'PATH_ESCAPES')
  })

  test('names an unsigned file is refused', async () => {
    await expectRefused(loadLayersModel(await withPaths(['other.bin'])), 'FILE_NOT_SIGNED')
    await expectRefused(loadLayersModel(await withPaths(['weights%2Dbin'])), 'FILE_NOT_SIGNED')
    await expectRefused(loadLayersModel(await withPaths(['./other.bin'])), 'FILE_NOT_SIGNED')
  })

  test('names the signature file is refused', async () => {
    await expectRefused(loadLayersModel(await withPaths(['model.sig'])), 'FILE_NOT_SIGNED')
  })

  test.each([[[1]], [['']], [[null]]])('names %j is refused', async (paths) => {
    await expectRefused(loadLayersModel(await withPaths(paths)), 'MODEL_FORMAT')
  })

  test('claims more values than its files have bytes is refused', async () => {
    const json = dense(['weights.bin'])
    json.weightsManifest[0]!.weights = [{ name: 'endless', shape: [1e15], dtype: 'string' }]
    await expectRefused(
      loadLayersModel(
        await workspace.sign('endless', { 'model.json': JSON.stringify(json), 'weights.bin': new Uint8Array(16) }),
      ),
      'MODEL_FORMAT',
    )
  })
})

describe('a model.json', () => {
  let count = 0
  const signed = (json: string | Uint8Array) => workspace.sign(`json-${++count}`, { 'model.json': json })
  const topology = { class_name: 'Sequential' }

  test.each<[string, string, string | Uint8Array]>([
    ['that is empty', 'JSON_INVALID', ''],
    ['that is truncated', 'JSON_INVALID', '{"modelTopology":'],
    ['with a key twice', 'JSON_DUPLICATE_KEY', '{"modelTopology":{},"modelTopology":{}}'],
    ['that is not UTF-8', 'JSON_NOT_UTF8', new Uint8Array([0x7b, 0xff, 0x7d])],
    ['nested too deeply', 'JSON_TOO_COMPLEX', '['.repeat(200) + ']'.repeat(200)],
    ['that is an array', 'MODEL_FORMAT', '[]'],
    ['without a topology', 'MODEL_FORMAT', '{"format":"layers-model"}'],
    ['of another format', 'MODEL_FORMAT', JSON.stringify({ modelTopology: {}, format: 'tfjs-graph' })],
    ['without any sign of its format', 'MODEL_FORMAT', JSON.stringify({ modelTopology: {} })],
    ['with odd weights', 'MODEL_FORMAT', JSON.stringify({ modelTopology: topology, weightsManifest: {} })],
    ['with odd groups', 'MODEL_FORMAT', JSON.stringify({ modelTopology: topology, weightsManifest: [1] })],
    ['with a weight without a name', 'MODEL_FORMAT', JSON.stringify(dense(['w'], [{ shape: [], dtype: 'int32' }]))],
    ['with a weight without a type', 'MODEL_FORMAT', JSON.stringify(dense(['w'], [{ name: 'a', shape: [] }]))],
    [
      'with a negative shape',
      'MODEL_FORMAT',
      JSON.stringify(dense(['w'], [{ name: 'a', shape: [-1], dtype: 'int32' }])),
    ],
  ])('%s is refused with %s', async (_, code, json) => {
    await expectRefused(loadVerifiedModel(tf, await signed(json), { policy }), code)
  })

  test('must be named if a directory contains several', async () => {
    const directory = await workspace.sign('several', { 'a.json': '{}', 'b.json': '{}' })
    await expectRefused(loadGraphModel(directory), 'INVALID_ARGUMENT')
  })

  test('with another name is found if it is the only one', async () => {
    const { 'model.json': json = '', ...weights } = blazeFace()
    const directory = await workspace.sign('other-name', { 'blazeface.json': json, ...weights })
    expect((await loadVerifiedModel(tf, directory, { policy })).format).toBe('graph-model')
  })
})

describe('the drop-in loaders', () => {
  test.each([
    'http://user:secret@example.com/model.json',
    'http://example.com/a/%2e%2e/model.json',
    'file://',
    'file:///models/model.json?x=1',
    'file:///models/model.json#x',
    'file:///models%2Fmodel.json',
    '',
  ])('refuse %j, where no signature can be found', async (source) => {
    await expectRefused(loadGraphModel(source), 'INVALID_ARGUMENT')
  })

  test.each<[string, unknown]>([
    ['indexeddb://model', 'indexeddb://model'],
    ['localstorage://model', 'localstorage://model'],
    ['ftp://example.com/model.json', 'ftp://example.com/model.json'],
    ['a handler for it', tensorflow.io.http('ftp://example.com/model.json')],
  ])('refuse %s, whose scheme no package provides', async (_, source) => {
    await expectRefused(loadGraphModel(source as string), 'SCHEME_UNKNOWN')
    await expectRefused(loadLayersModel(source as string), 'SCHEME_UNKNOWN')
  })

  const load = () => Promise.reject(new Error('called'))
  const topology = { modelTopology: {} }
  test.each<[string, unknown]>([
    ['of the caller', { load }],
    ['of the caller that has a path', { load, path: 'models/blazeface/model.json' }],
    ['that has bytes', tensorflow.io.fromMemory(topology)],
    ['that has bytes, synchronously', tensorflow.io.fromMemorySync(topology)],
    ['with two URLs', tensorflow.io.http(['https://example.com/model.json', 'https://example.com/w'] as never)],
    ['with a prefix', tensorflow.io.http('https://example.com/model.json', { weightPathPrefix: 'https://evil/' })],
    ['that is an array', ['models/blazeface/model.json']],
  ])('refuse a handler %s, which would supply unverified bytes', async (_, handler) => {
    await expectRefused(loadGraphModel(handler as string), 'INVALID_ARGUMENT')
    await expectRefused(loadLayersModel(handler as string), 'INVALID_ARGUMENT')
  })

  test('refuse a SavedModel if tf is not tfjs-node', async () => {
    const loaders = verified(tf, { policy }) as unknown as { loadSavedModel: (path: string) => Promise<unknown> }
    await expectRefused(loaders.loadSavedModel('models/x'), 'INVALID_ARGUMENT')
  })

  test.each([
    { weightPathPrefix: '/tmp/' },
    { weightUrlConverter: () => Promise.resolve('/tmp/w') },
    { fetchFunc: fetch },
    { requestInit: {} },
    { fromTFHub: true },
  ])('refuse the option %j, which would load something else', async (options) => {
    await expectRefused(loadGraphModel('models/x', options), 'INVALID_ARGUMENT')
    await expectRefused(loadLayersModel('models/x', options), 'INVALID_ARGUMENT')
  })

  test('have the types of the loaders that they replace', () => {
    expectTypeOf(verified(tensorflow).loadGraphModel).toEqualTypeOf(tensorflow.loadGraphModel)
    expectTypeOf(verified(tensorflow).loadLayersModel).toEqualTypeOf(tensorflow.loadLayersModel)
  })
})

test('the CommonJS build loads the same model and throws the same errors', async () => {
  const directory = await workspace.sign('commonjs', blazeFace())
  const program = `
    const tf = require('@tensorflow/tfjs')
    const { verified, ModelSealError } = require('@modelseal/tfjs')
    const { loadGraphModel } = verified(tf, { policy: ${JSON.stringify(policy)} })
    loadGraphModel(${JSON.stringify(directory)})
      .then((model) => console.log(model.inputs.length))
      .then(() => loadGraphModel('missing'))
      .catch((error) => console.log(error instanceof ModelSealError, error.code))`
  const output = execFileSync(process.execPath, ['-e', program], {
    cwd: import.meta.dirname,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  expect(output).toBe('1\ntrue POLICY_NO_MATCH\n')
})

function relativeTo(file: string): string {
  // From this directory up to the root and down again: a path after file:// that is not a valid URL.
  return `..${'/..'.repeat(process.cwd().split('/').length)}${file}`
}

/** A model.json of one dense layer, four weights. */
function dense(paths: unknown[] = ['weights.bin'], weights: unknown[] = []) {
  return {
    format: 'layers-model',
    modelTopology: { class_name: 'Sequential', config: { layers: [] } },
    weightsManifest: [{ paths, weights }],
  }
}

/** A small model with its files as tf saves them, and a function that runs it. */
async function trained() {
  const model = tensorflow.sequential({
    layers: [
      tensorflow.layers.dense({ inputShape: [4], units: 3, activation: 'relu' }),
      tensorflow.layers.dense({ units: 2 }),
    ],
  })
  let files: Files = {}
  await model.save(
    tensorflow.io.withSaveHandler((artifacts) => {
      const { weightSpecs, weightData, ...json } = artifacts
      const weightsManifest = [{ paths: ['weights.bin'], weights: weightSpecs }]
      files = {
        'model.json': JSON.stringify({ ...json, weightsManifest }),
        'weights.bin': new Uint8Array(weightData as ArrayBuffer),
      }
      return Promise.resolve({ modelArtifactsInfo: { dateSaved: new Date(), modelTopologyType: 'JSON' as const } })
    }),
  )
  const input = tensorflow.tensor2d([[1, -2, 3, 0.5]])
  const predict = (other: tensorflow.LayersModel = model) => (other.predict(input) as tensorflow.Tensor).dataSync()
  return { files, predict }
}
