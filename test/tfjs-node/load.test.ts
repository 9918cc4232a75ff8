import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { loadVerifiedModel, verified } from '@modelseal/tfjs'
import type * as tensorflow from '@tensorflow/tfjs'
import { afterAll, afterEach, beforeEach, describe, expect, expectTypeOf, test, vi } from 'vitest'
import { file, serve } from '../../packages/core/src/testing/http-server.ts'
import { blazeFace, copyOf, flipBit, Workspace } from '../signed-models.ts'
import { tfjsNode, type TfjsNode } from './tfjs-node.ts'

const SAVED_MODEL = join(import.meta.dirname, 'fixtures/saved-model')
const workspace = new Workspace()
const { policy } = workspace
const tf = { ...tfjsNode, node: { ...tfjsNode.node, loadSavedModel: vi.fn(tfjsNode.node.loadSavedModel) } }
const { loadGraphModel, loadLayersModel, loadSavedModel } = verified(tf, { policy })

afterAll(() => workspace[Symbol.dispose]())

function refusal(code: string) {
  return expect.objectContaining({ name: 'ModelSealError', code }) as Error
}

/** The files of the SavedModel, for changing and signing. */
function savedModel(): Record<string, Uint8Array> {
  const files = readdirSync(SAVED_MODEL, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  const paths = files.map(({ parentPath, name }) => join(parentPath, name))
  return Object.fromEntries(paths.map((path) => [path.slice(SAVED_MODEL.length + 1), readFileSync(path)]))
}

test('the backend is native TensorFlow, not JavaScript', () => {
  expect(tf.getBackend()).toBe('tensorflow')
})

test('the loaders have the types of those that they replace', () => {
  expectTypeOf(verified(tfjsNode).loadSavedModel).toEqualTypeOf<TfjsNode['node']['loadSavedModel']>()
})

describe('a graph model', async () => {
  const directory = await workspace.sign('blazeface', blazeFace())
  const path = join(directory, 'model.json')
  const image = tf.randomUniform([1, 256, 256, 3], 0, 1, 'float32', 7)
  const faces = (model: tensorflow.GraphModel) => [model.execute(image)].flat().map((output) => output.arraySync())

  test('gives the same result as tfjs-node itself, by path, by URL, and by a handler', async () => {
    const expected = faces(await tf.loadGraphModel(`file://${path}`))
    for (const source of [path, `file://${path}`, pathToFileURL(path).href, directory, tf.io.fileSystem(path)])
      expect(faces(await loadGraphModel(source))).toEqual(expected)
  })

  test('gives the same result over HTTP', async () => {
    const names = readdirSync(directory)
    const answers = Object.fromEntries(names.map((name) => [`/${name}`, file(readFileSync(join(directory, name)))]))
    const { origin } = await serve(answers)
    const served = join(workspace.path, 'served.yaml')
    writeFileSync(served, readFileSync(policy, 'utf8').replace('path: "models/**"', 'url: "http://127.0.0.1:*/**"'))
    const model = await verified(tf, { policy: served }).loadGraphModel(`${origin}/model.json`)
    expect(faces(model)).toEqual(faces(await tf.loadGraphModel(`file://${path}`)))
  })

  test('is refused if one bit of its weights was changed', async () => {
    const copy = copyOf(directory, 'blazeface-tampered')
    flipBit(join(copy, 'blazeface.bin'))
    for (const source of [`file://${copy}/model.json`, tf.io.fileSystem(`${copy}/model.json`)])
      await expect(loadGraphModel(source)).rejects.toThrow(refusal('FILE_MISMATCH'))
  })
})

test('a layers model that tfjs-node saved gives the same result when loaded verified', async () => {
  const model = tf.sequential({
    layers: [tf.layers.dense({ inputShape: [4], units: 3, activation: 'relu' }), tf.layers.dense({ units: 2 })],
  })
  const unsigned = join(workspace.path, 'saved')
  mkdirSync(unsigned)
  await model.save(`file://${unsigned}`)
  const files = readdirSync(unsigned).map((name) => [name, readFileSync(join(unsigned, name))])
  const directory = await workspace.sign('layers', Object.fromEntries(files))
  const input = tf.tensor2d([[1, -2, 3, 0.5]])
  const predict = (other: tensorflow.LayersModel) => (other.predict(input) as tensorflow.Tensor).arraySync()
  expect(predict(await loadLayersModel(`file://${directory}/model.json`))).toEqual(predict(model))
  const loaded = await loadVerifiedModel(tf, directory, { policy })
  if (loaded.format !== 'layers-model') throw new Error(loaded.format)
  expect(predict(loaded.model)).toEqual(predict(model))
})

describe('a SavedModel', async () => {
  const directory = await workspace.sign('saved-model', savedModel())
  const temporary = mkdtempSync(join(workspace.path, 'tmp-'))
  const line = (model: Awaited<ReturnType<typeof loadSavedModel>>) => model.predict({ x: tf.tensor1d([1, 2]) })['y']

  // Makes files that are left behind visible.
  beforeEach(() => {
    vi.stubEnv('TMPDIR', temporary)
    tf.node.loadSavedModel.mockClear()
  })
  afterEach(() => {
    vi.unstubAllEnvs()
    expect(readdirSync(temporary)).toEqual([])
  })

  test('gives the same result as tfjs-node itself, and its copy is removed', async () => {
    const model = await loadSavedModel(directory)
    expect(line(model)?.arraySync()).toEqual([2.5, 4.5])
    const [given] = tf.node.loadSavedModel.mock.lastCall ?? []
    expect(given).toContain(temporary)
    model.dispose()
    expect(tf.node.getNumOfSavedModels()).toBe(0)
  })

  test('is loaded with its assets, by tags and signature', async () => {
    const model = await loadSavedModel(directory, ['serve'], 'places')
    const { places } = model.predict({ words: tf.tensor1d(['bird', 'fish', 'cat']) })
    expect(places?.arraySync()).toEqual([2, -1, 0])
    model.dispose()
  })

  test('is loaded by a file URL, and in place if the caller requests it', async () => {
    for (const [source, isolation] of [
      [pathToFileURL(directory).href, 'auto'],
      [`file://${directory}`, 'copy'],
      [directory, 'in-place'],
    ] as const) {
      const model = await verified(tf, { policy, isolation }).loadSavedModel(source)
      expect(line(model)?.arraySync()).toEqual([2.5, 4.5])
      model.dispose()
    }
  })

  test('is loaded from a server through a private copy', async () => {
    const names = Object.keys(savedModel())
    const answers = ['model.sig', ...names].map((name) => [`/${name}`, file(readFileSync(join(directory, name)))])
    const { origin, asked } = await serve(Object.fromEntries(answers))
    const served = join(workspace.path, 'saved-model.yaml')
    writeFileSync(served, readFileSync(policy, 'utf8').replace('path: "models/**"', 'url: "http://127.0.0.1:*/**"'))
    const model = await verified(tf, { policy: served }).loadSavedModel(`${origin}/`)
    expect(line(model)?.arraySync()).toEqual([2.5, 4.5])
    // Each file is requested once: the bytes that were checked are those that are loaded.
    expect(asked.sort()).toEqual(['model.sig', ...names].map((name) => `/${name}`).sort())
    model.dispose()
  })

  test('is loaded from the hashed bytes, even if the directory changes in the meantime', async () => {
    const copy = copyOf(directory, 'saved-model-swapped')
    tf.node.loadSavedModel.mockImplementationOnce((path, ...further) => {
      rmSync(copy, { recursive: true })
      return tfjsNode.node.loadSavedModel(path, ...further)
    })
    const model = await loadSavedModel(copy)
    expect(line(model)?.arraySync()).toEqual([2.5, 4.5])
    model.dispose()
  })

  test('is judged as a SavedModel', async () => {
    const other = join(workspace.path, 'by-format.yaml')
    const text = readFileSync(policy, 'utf8')
    writeFileSync(other, text.replace('path: "models/**"', 'path: "models/**", format: saved-model'))
    ;(await verified(tf, { policy: other }).loadSavedModel(directory)).dispose()
    writeFileSync(other, text.replace('path: "models/**"', 'path: "models/**", format: tfjs-graph'))
    await expect(verified(tf, { policy: other }).loadSavedModel(directory)).rejects.toThrow(refusal('POLICY_NO_MATCH'))
  })

  test.each(['saved_model.pb', 'variables/variables.data-00000-of-00001', 'assets/vocabulary.txt'])(
    'is refused if one bit of %s was changed',
    async (name) => {
      const copy = copyOf(directory, 'saved-model-tampered')
      flipBit(join(copy, name))
      await expect(loadSavedModel(copy)).rejects.toThrow(refusal('FILE_MISMATCH'))
      expect(tf.node.loadSavedModel).not.toHaveBeenCalled()
      rmSync(copy, { recursive: true })
    },
  )

  test('is refused without its variables, and with unsigned files', async () => {
    const copy = copyOf(directory, 'saved-model-missing')
    rmSync(join(copy, 'variables/variables.index'))
    await expect(loadSavedModel(copy)).rejects.toThrow(refusal('FILE_MISSING'))
    const more = copyOf(directory, 'saved-model-more')
    writeFileSync(join(more, 'saved_model.pbtxt'), '')
    await expect(loadSavedModel(more)).rejects.toThrow(refusal('FILE_UNSIGNED'))
    expect(tf.node.loadSavedModel).not.toHaveBeenCalled()
  })

  test('is refused if an asset is unsigned or outside the model', async () => {
    const without = savedModel()
    delete without['assets/vocabulary.txt']
    await expect(loadSavedModel(await workspace.sign('no-asset', without))).rejects.toThrow(refusal('FILE_NOT_SIGNED'))
    const files = savedModel()
    const graph = Buffer.from(files['saved_model.pb'] ?? []).toString('latin1')
    // Of the same length, so that the enclosing lengths stay valid.
    const escaping = graph.replaceAll('vocabulary.txt', '../../../x.txt')
    const escaped = { ...files, 'saved_model.pb': Buffer.from(escaping, 'latin1') }
    await expect(loadSavedModel(await workspace.sign('escaping', escaped))).rejects.toThrow(refusal('FILE_NOT_SIGNED'))
    expect(tf.node.loadSavedModel).not.toHaveBeenCalled()
  })

  test('is refused if it is not a SavedModel, is damaged, or is split', async () => {
    const files = savedModel()
    const cases: [string, Record<string, Uint8Array>][] = [
      ['none', { 'config.json': Buffer.from('{}') }],
      ['damaged', { ...files, 'saved_model.pb': (files['saved_model.pb'] ?? new Uint8Array()).subarray(0, -1) }],
      ['split', { ...files, 'saved_model.cpb': new Uint8Array(8) }],
    ]
    for (const [name, content] of cases)
      await expect(loadSavedModel(await workspace.sign(name, content))).rejects.toThrow(refusal('MODEL_FORMAT'))
    expect(tf.node.loadSavedModel).not.toHaveBeenCalled()
  })

  test('is refused if the path names its file, and under the isolation "memory"', async () => {
    await expect(loadSavedModel(join(directory, 'saved_model.pb'))).rejects.toThrow(refusal('INVALID_ARGUMENT'))
    const inMemory = verified(tf, { policy, isolation: 'memory' })
    await expect(inMemory.loadSavedModel(directory)).rejects.toThrow(refusal('ISOLATION_REFUSED'))
  })

  test('that tfjs-node cannot load is reported, and its copy is removed', async () => {
    await expect(loadSavedModel(directory, ['train'])).rejects.toThrow(refusal('RUNTIME_FAILED'))
    await expect(loadSavedModel(directory, ['serve'], 'none')).rejects.toThrow(refusal('RUNTIME_FAILED'))
  })
})
