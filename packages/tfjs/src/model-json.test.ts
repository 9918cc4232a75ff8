import type { io } from '@tensorflow/tfjs'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { checkModelJsonSize, checkWeightSizes, MAX_MODEL_JSON_BYTES, parseModelJson } from './model-json.ts'

const turns = vi.hoisted(() => ({ count: 0 }))
vi.mock('node:timers/promises', () => ({
  scheduler: {
    yield: () => {
      turns.count++
      return Promise.resolve()
    },
  },
}))

const FILE = 'models/m/model.json'

const bytesOf = (json: unknown) => Buffer.from(JSON.stringify(json))
const parsed = (json: unknown) => parseModelJson(bytesOf(json), FILE)
const graphModel = (...groups: unknown[]) => ({
  format: 'graph-model',
  modelTopology: { node: [] },
  weightsManifest: groups,
})
const spec = (shape: unknown, dtype: unknown = 'float32', further = {}) => ({ name: 'w', shape, dtype, ...further })
const withWeights = (...weights: unknown[]) => graphModel({ paths: ['w.bin'], weights })

function refused(at: string, expected: string, found: string): Error {
  return expect.objectContaining({
    name: 'ModelSealError',
    code: 'MODEL_FORMAT',
    file: FILE,
    message: expect.stringContaining(
      `Cannot read the TensorFlow.js model "${FILE}": ${at} is invalid. Expected`,
    ) as string,
    expected,
    found,
  }) as Error
}

describe('reads a model.json:', () => {
  test('the files of its weights, in order, and their specifications', async () => {
    const model = await parsed(
      graphModel(
        { paths: ['a.bin', 'b.bin'], weights: [spec([2, 3]), spec([4], 'int32')] },
        { paths: ['c.bin'], weights: [spec([5], 'bool')] },
      ),
    )
    const [first, second] = [{ maxBytes: 6 * 4 + 4 * 4 }, { maxBytes: 5 }]
    const weightSpecs = [spec([2, 3]), spec([4], 'int32'), spec([5], 'bool')]
    expect(model).toEqual({
      format: 'graph-model',
      artifacts: { format: 'graph-model', modelTopology: { node: [] }, weightSpecs },
      weightSpecs,
      weightFiles: [
        { path: 'a.bin', group: first },
        { path: 'b.bin', group: first },
        { path: 'c.bin', group: second },
      ],
      weightBytes: 45,
    })
    expect(model.weightFiles?.[0]?.group).toBe(model.weightFiles?.[1]?.group)
  })

  test('without weights', async () => {
    const model = await parsed({ format: 'layers-model', modelTopology: {} })
    const artifacts = { format: 'layers-model', modelTopology: {} }
    expect(model).toEqual({
      format: 'layers-model',
      artifacts,
      weightSpecs: [],
      weightFiles: undefined,
      weightBytes: 0,
    })
    expect(model.artifacts).not.toHaveProperty('weightSpecs')
  })

  test('with an empty list of weights', async () => {
    expect(await parsed(graphModel())).toMatchObject({
      artifacts: { weightSpecs: [] },
      weightSpecs: [],
      weightFiles: [],
    })
  })

  test('what is passed to tf, and nothing else', async () => {
    const carried = {
      format: 'layers-model',
      generatedBy: 'keras',
      convertedBy: 'converter',
      signature: { inputs: {} },
      userDefinedMetadata: { labels: ['a'] },
      modelInitializer: { node: [] },
      initializerSignature: { outputs: {} },
      trainingConfig: { loss: 'mse' },
    }
    const model = await parsed({
      ...carried,
      modelTopology: { a: 1 },
      weightData: 'x',
      weightSpecs: 'x',
      getWeightStream: 1,
    })
    expect(model.artifacts).toStrictEqual({ ...carried, modelTopology: { a: 1 } })
  })

  test('without fields that are null', async () => {
    const model = await parsed({ format: null, signature: null, modelTopology: { node: [] } })
    expect(model.artifacts).toStrictEqual({ modelTopology: { node: [] } })
  })
})

describe('determines the format', () => {
  test.each([
    ['by the format', { format: 'graph-model', modelTopology: { class_name: 'Sequential' } }, 'graph-model'],
    ['by the format of a Keras model', { format: 'layers-model', modelTopology: { node: [] } }, 'layers-model'],
    ['by nodes', { modelTopology: { node: [], class_name: 'x' } }, 'graph-model'],
    ['by a configuration', { modelTopology: { model_config: {} } }, 'layers-model'],
    ['by a class', { modelTopology: { class_name: 'Sequential' } }, 'layers-model'],
    ['by a class if the format is null', { format: null, modelTopology: { class_name: 'Model' } }, 'layers-model'],
    ['by a class if node is not a list', { modelTopology: { node: {}, class_name: 'Model' } }, 'layers-model'],
  ])('%s', async (_, json, format) => {
    expect((await parsed(json)).format).toBe(format)
  })

  test.each<[string, unknown, string]>([
    ['another format', 'tfjs-layers-model', '"tfjs-layers-model"'],
    ['a format that is a number', 1, '"1"'],
    ['an empty format', '', '""'],
    ['no format and neither nodes nor a class', undefined, 'nothing'],
    ['a format of null and neither nodes nor a class', null, '"null"'],
  ])('refuses %s', async (_, format, found) => {
    const modelTopology = format === undefined || format === null ? {} : { node: [] }
    await expect(parsed({ format, modelTopology })).rejects.toEqual(
      refused('format', '"graph-model" or "layers-model"', found),
    )
  })
})

describe('refuses', () => {
  const named = (weight: object) => withWeights(weight)
  const at = 'weightsManifest[0]'
  const dimensions = 'dimensions (integers from 0)'
  test.each<[string, unknown, [at: string, expected: string, found: string]]>([
    ['a list', [], ['the top level', 'an object', 'an array']],
    ['a text', 'x', ['the top level', 'an object', '"x"']],
    ['null', null, ['the top level', 'an object', '"null"']],
    ['a model without a topology', { format: 'graph-model' }, ['modelTopology', 'an object', 'nothing']],
    ['a topology that is a list', { modelTopology: [] }, ['modelTopology', 'an object', 'an array']],
    [
      'weights that are an object',
      { ...graphModel(), weightsManifest: {} },
      ['weightsManifest', 'an array', 'an object'],
    ],
    ['weights that are null', { ...graphModel(), weightsManifest: null }, ['weightsManifest', 'an array', '"null"']],
    ['a group that is a text', graphModel({ paths: [], weights: [] }, 'x'), ['weightsManifest[1]', 'an object', '"x"']],
    ['a group without files', graphModel({ weights: [] }), [`${at}.paths`, 'an array', 'nothing']],
    ['a group without weights', graphModel({ paths: [] }), [`${at}.weights`, 'an array', 'nothing']],
    [
      'a file name that is a number',
      graphModel({ paths: ['a', 5], weights: [] }),
      [`${at}.paths`, 'file names', '"5"'],
    ],
    ['an empty file name', graphModel({ paths: [''], weights: [] }), [`${at}.paths`, 'file names', '""']],
    ['a weight that is a list', named([]), [`${at}.weights`, 'an object', 'an array']],
    ['a weight without a name', named({ shape: [], dtype: 'bool' }), [`${at}.weights.name`, 'a name', 'nothing']],
    ['a weight whose type is a list', named(spec([], [])), [`${at}.weights.dtype`, 'a type', 'an array']],
    ['a weight without a shape', named(spec(undefined)), [`${at}.weights.shape`, 'an array', 'nothing']],
    ['a negative dimension', named(spec([2, -1])), [`${at}.weights.shape`, dimensions, '"-1"']],
    ['half a dimension', named(spec([0.5])), [`${at}.weights.shape`, dimensions, '"0.5"']],
    ['a dimension that is not exact', named(spec([2 ** 53])), [`${at}.weights.shape`, dimensions, `"${2 ** 53}"`]],
    ['a dimension of null', named(spec([null])), [`${at}.weights.shape`, dimensions, '"null"']],
    [
      'a quantization that is a text',
      named(spec([], 'float32', { quantization: 'uint8' })),
      [`${at}.weights.quantization`, 'an object', '"uint8"'],
    ],
  ])('%s', async (_, json, [where, expected, found]) => {
    await expect(parsed(json)).rejects.toEqual(refused(where, expected, found))
  })

  test('a file that is too large, before it is parsed', async () => {
    const size = MAX_MODEL_JSON_BYTES + 1
    const tooLarge = refused('its size', 'at most 33554432 bytes', '33554433 bytes')
    await expect(parseModelJson(new Uint8Array(size), FILE)).rejects.toEqual(tooLarge)
    expect(() => checkModelJsonSize(size, FILE)).toThrow(tooLarge)
    expect(() => checkModelJsonSize(size - 1, FILE)).not.toThrow()
  })

  test.each([
    ['JSON_INVALID', '{', undefined],
    ['JSON_NOT_UTF8', Buffer.from('{"a":"\xff"}', 'latin1'), undefined],
    ['JSON_DUPLICATE_KEY', '{"a":1,"a":1}', '"a"'],
    ['JSON_TOO_COMPLEX', `${'['.repeat(129)}${']'.repeat(129)}`, 'more than 128 levels'],
    ['JSON_TOO_COMPLEX', `[${'0,'.repeat(1_000_000)}0]`, 'more than 1000000 values'],
  ])('with %s', async (code, text, found) => {
    await expect(parseModelJson(Buffer.from(text), FILE)).rejects.toEqual(
      expect.objectContaining({
        name: 'ModelSealError',
        code,
        file: FILE,
        message: expect.stringContaining(`Cannot read the model file "${FILE}": `) as string,
        found,
      }),
    )
  })
})

test('reads metadata with a vocabulary of 200,000 words', async () => {
  const vocabulary = Object.fromEntries(Array.from({ length: 199_000 }, (_, i) => [`w${i}`, i]))
  const model = await parsed({ format: 'graph-model', modelTopology: {}, userDefinedMetadata: vocabulary })
  expect(model.artifacts.userDefinedMetadata).toEqual(vocabulary)
})

describe('the size of weights', () => {
  test.each<[string, object[], { min: number; max: number }]>([
    ['of float32', [spec([3])], { min: 12, max: 12 }],
    ['of float16', [spec([3], 'float16')], { min: 6, max: 6 }],
    ['of int32', [spec([3], 'int32')], { min: 12, max: 12 }],
    ['of uint16', [spec([3], 'uint16')], { min: 6, max: 6 }],
    ['of uint8', [spec([3], 'uint8')], { min: 3, max: 3 }],
    ['of bool', [spec([3], 'bool')], { min: 3, max: 3 }],
    ['of complex64', [spec([3], 'complex64')], { min: 24, max: 24 }],
    ['of a scalar', [spec([])], { min: 4, max: 4 }],
    ['of an empty weight', [spec([1e9, 0, 1e9]), spec([2])], { min: 8, max: 8 }],
    ['of quantized values', [spec([3], 'float32', { quantization: { dtype: 'uint8' } })], { min: 3, max: 3 }],
    ['of a quantization without a type', [spec([3], 'float32', { quantization: { scale: 1 } })], { min: 12, max: 12 }],
    ['of a quantization that is null', [spec([3], 'float32', { quantization: null })], { min: 12, max: 12 }],
    ['of a type of the future', [spec([3], 'float128')], { min: 0, max: 48 }],
    ['of a type named like a method', [spec([3], 'toString')], { min: 0, max: 48 }],
    ['of strings', [spec([3], 'string'), spec([2])], { min: 8, max: 256 * 1024 * 1024 + 8 }],
  ])('%s', async (_, weights, { min, max }) => {
    const { weightBytes, weightFiles } = await parsed(withWeights(...weights))
    expect(weightBytes).toBe(min)
    expect(weightFiles).toEqual([{ path: 'w.bin', group: { maxBytes: max } }])
  })

  test('is refused if there are more values than bytes', async () => {
    const model = await parsed(withWeights(spec([2, 3], 'string'), spec([], 'string'), spec([1e9, 0, 1e9])))
    const data = (...sizes: number[]) => sizes.map((size) => new ArrayBuffer(size))
    expect(() => checkWeightSizes(model, data(4, 3), FILE)).not.toThrow()
    expect(() => checkWeightSizes(model, data(4, 2), FILE)).toThrow(
      refused('weightsManifest', 'weights within 6 bytes', '7 values'),
    )
    expect(() => checkWeightSizes(model, data(), FILE)).toThrow(
      refused('weightsManifest', 'weights within 0 bytes', '7 values'),
    )
  })

  test('is refused if no number is as large, although another weight is empty', async () => {
    const huge = Array.from({ length: 40 }, () => 1e9)
    const model = await parsed(withWeights(spec([...huge, 0]), spec(huge)))
    expect(model.weightBytes).toBe(Infinity)
    expect(() => checkWeightSizes(model, [new ArrayBuffer(8)], FILE)).toThrow(
      refused('weightsManifest', 'weights within 8 bytes', 'Infinity values'),
    )
  })
})

describe('with a changed Object.prototype', () => {
  const changed: string[] = []
  const define = (name: string, value: unknown) => {
    Object.defineProperty(Object.prototype, name, { value, configurable: true, writable: true })
    changed.push(name)
  }
  afterEach(() => {
    for (const name of changed.splice(0)) Reflect.deleteProperty(Object.prototype, name)
  })

  test.each<[string, unknown, unknown, Error]>([
    ['modelTopology', {}, { format: 'graph-model' }, refused('modelTopology', 'an object', 'nothing')],
    ['format', 'graph-model', { modelTopology: {} }, refused('format', '"graph-model" or "layers-model"', 'nothing')],
    ['node', [], { modelTopology: {} }, refused('format', '"graph-model" or "layers-model"', 'nothing')],
    ['paths', [], graphModel({ weights: [] }), refused('weightsManifest[0].paths', 'an array', 'nothing')],
    [
      'dtype',
      'bool',
      withWeights({ name: 'w', shape: [] }),
      refused('weightsManifest[0].weights.dtype', 'a type', 'nothing'),
    ],
  ])('takes no %s from there', async (name, value, json, error) => {
    const bytes = bytesOf(json)
    define(name, value)
    const outcome = await parseModelJson(bytes, FILE).catch((thrown: unknown) => thrown)
    for (const inherited of changed.splice(0)) Reflect.deleteProperty(Object.prototype, inherited)
    expect(outcome).toEqual(error)
  })

  test('gives tf neither a quantization nor its type from there', async () => {
    const json = withWeights(spec([1]), spec([1], 'float32', { quantization: { scale: 2 } }))
    const model = await parsed(json)
    define('quantization', { dtype: 'uint8' })
    define('dtype', 'uint8')
    const [plain, quantized] = model.weightSpecs as [io.WeightsManifestEntry, io.WeightsManifestEntry]
    expect(plain.quantization).toBeUndefined()
    expect(quantized.quantization?.dtype).toBeUndefined()
    expect(quantized.quantization?.scale).toBe(2)
  })
})

test('lets other work go on after each 5,000 items', async () => {
  const paths = Array.from({ length: 4_000 }, (_, i) => `${i}.bin`)
  const weights = Array.from({ length: 4_000 }, () => spec([], 'bool'))
  turns.count = 0
  await parsed(graphModel({ paths, weights }, { paths, weights: weights.slice(1) }))
  expect(turns.count).toBe(3)
})
