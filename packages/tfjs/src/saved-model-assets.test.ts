import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire'
import { ModelSealError } from '@modelseal/core'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { bytesInMemory } from '@modelseal/core/formats'
import { savedModelAssets as stepsOf } from './saved-model-assets.ts'

function savedModelAssets(bytes: Uint8Array, file: string): string[] {
  const steps = stepsOf(bytesInMemory(bytes), file)
  for (let step = steps.next(); ; step = steps.next()) if (step.done) return step.value
}

/** A message with these fields, each with its number. */
function message(...fields: [number, Uint8Array | string][]): Uint8Array {
  const writer = new BinaryWriter()
  for (const [field, value] of fields)
    writer.tag(field, WireType.LengthDelimited).bytes(typeof value === 'string' ? Buffer.from(value) : value)
  return writer.finish()
}

const asset = (name: string) => message([1, 'tensor'], [2, name])
const any = (value: Uint8Array) => message([1, 'type.googleapis.com/tensorflow.AssetFileDef'], [2, value])
const collection = (...values: Uint8Array[]) =>
  message(
    [1, 'saved_model_assets'],
    [2, message([5, message(...values.map((value): [number, Uint8Array] => [1, value]))])],
  )

function refusal() {
  return expect.objectContaining({ name: 'ModelSealError', code: 'MODEL_FORMAT' }) as Error
}

test('lists the assets of every graph, including those named as in TensorFlow 1', () => {
  const first = message([2, 'graph'], [6, asset('a.txt')], [6, asset('b/c.txt')])
  const second = message([4, collection(any(asset('d.txt')), any(asset('e.txt')))], [4, message([1, 'x'], [2, ''])])
  expect(savedModelAssets(message([2, first], [2, second]), 'saved_model.pb')).toEqual([
    'a.txt',
    'b/c.txt',
    'd.txt',
    'e.txt',
  ])
})

test('lists all names of an asset that has several', () => {
  const twice = message([2, 'a.txt'], [2, '../b.txt'])
  expect(savedModelAssets(message([2, message([6, twice])]), 'saved_model.pb')).toEqual(['a.txt', '../b.txt'])
})

test('finds none in a model without assets', () => {
  expect(savedModelAssets(message([2, message([2, 'graph'])]), 'saved_model.pb')).toEqual([])
})

test('refuses a name that is not UTF-8', () => {
  const name = message([2, new Uint8Array([0xff])])
  expect(() => savedModelAssets(message([2, message([6, name])]), 'saved_model.pb')).toThrow(refusal())
})

test('reads the names of one asset in steps', () => {
  const names = message(...Array.from({ length: 90_000 }, (): [number, string] => [2, 'a']))
  const steps = stepsOf(bytesInMemory(message([2, message([6, names])])), 'saved_model.pb')
  let turns = 0
  for (let step = steps.next(); !step.done; step = steps.next()) turns++
  expect(turns).toBeGreaterThan(2000)
})

test.each([
  ['in several assets', 30_000, 4],
  ['in one asset', 100_001, 1],
])('refuses a model with too many names %s', (_, length, assets) => {
  const names = message(...Array.from({ length }, (): [number, string] => [2, 'a']))
  const model = message([2, message(...Array.from({ length: assets }, (): [number, Uint8Array] => [6, names]))])
  expect(() => savedModelAssets(model, 'saved_model.pb')).toThrow(refusal())
})

test('refuses a model with too many fields', () => {
  const many = Buffer.concat(Array.from({ length: 100_001 }, () => message([2, ''])))
  expect(() => savedModelAssets(many, 'saved_model.pb')).toThrow(refusal())
})

test('returns names or throws a typed error, whatever the bytes', () => {
  const whole = message([2, message([6, asset('a.txt')], [4, collection(any(asset('b.txt')))])])
  fc.assert(
    fc.property(fc.nat(whole.length - 1), fc.nat(255), fc.boolean(), (at, value, cut) => {
      const changed = whole.slice(0, cut ? at : whole.length)
      if (!cut) changed[at] = value
      try {
        for (const name of savedModelAssets(changed, 'saved_model.pb')) expect(typeof name).toBe('string')
      } catch (error) {
        expect(error).toBeInstanceOf(ModelSealError)
      }
    }),
  )
})
