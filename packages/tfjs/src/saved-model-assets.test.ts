import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire'
import { ModelSealError } from '@modelseal/core'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { bytesInMemory } from '@modelseal/core/formats'
import { savedModelAssets as stepsOf } from './saved-model-assets.ts'

function savedModelAssets(bytes: Uint8Array, file: string): string[] {
  return inSteps(bytes, file).assets
}

/** The assets, and the number of steps before the last. */
function inSteps(bytes: Uint8Array, file: string): { assets: string[]; turns: number } {
  const steps = stepsOf(bytesInMemory(bytes), file)
  for (let turns = 0; ; turns++) {
    const step = steps.next()
    if (step.done) return { assets: step.value, turns }
  }
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

const many = <T>(count: number, item: T): T[] => Array.from({ length: count }, () => item)

/** A refusal, with what was wrong. */
function refusal(wrong: unknown) {
  return expect.objectContaining({
    name: 'ModelSealError',
    code: 'MODEL_FORMAT',
    file: 'saved_model.pb',
    message: 'Cannot read the SavedModel "saved_model.pb": it is damaged.',
    cause: expect.objectContaining({ message: wrong }) as unknown,
  }) as Error
}
const TOO_MANY = 'more than 100000 fields'
const TOO_LONG = 'a field is longer than the message around it'

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

test('takes a message of several types for an asset if one of them is that', () => {
  const types = ['type.googleapis.com/tensorflow.Other', 'type.googleapis.com/tensorflow.AssetFileDef']
  const named = message(...types.map((type): [number, string] => [1, type]), [2, asset('a.txt')])
  const untyped = message([2, asset('b.txt')])
  const model = message([2, message([4, collection(named, untyped)])])
  expect(savedModelAssets(model, 'saved_model.pb')).toEqual(['a.txt'])
})

test('finds none in a model without assets', () => {
  expect(savedModelAssets(message([2, message([2, 'graph'])]), 'saved_model.pb')).toEqual([])
})

test('finds none in fields and collections of other kinds', () => {
  const fixed32 = (field: number) => Uint8Array.of((field << 3) | 5, 1, 2, 3, 4)
  const fixed64 = (field: number) => Uint8Array.of((field << 3) | 1, 1, 2, 3, 4, 5, 6, 7, 8)
  const varint = (field: number) => Uint8Array.of(field << 3, 0x80, 0x01)
  const others = Buffer.concat([varint(1), fixed32(2), fixed64(2), varint(6), varint(4)])
  const named = Buffer.concat([varint(2), fixed32(2), fixed64(3), asset('a.txt'), varint(3)])
  const ofOtherType = message([1, 'type.googleapis.com/tensorflow.AssetFileDefs'], [2, asset('x.txt')])
  const inOtherField = message([1, 'type.googleapis.com/tensorflow.AssetFileDef'], [3, asset('x.txt')])
  const graph = Buffer.concat([
    others,
    message([5, asset('x.txt')], [6, named], [4, collection(ofOtherType, inOtherField)]),
  ])
  expect(savedModelAssets(Buffer.concat([others, message([2, graph])]), 'saved_model.pb')).toEqual(['a.txt'])
})

test.each<[string, Uint8Array, string]>([
  ['a group', Uint8Array.of(0x0b, 0x0c), 'it uses groups'],
  ['the end of a group', Uint8Array.of(0x0c), 'it uses groups'],
  ['a field longer than the file', Uint8Array.of(0x12, 0x05, 0x00), TOO_LONG],
  ['a field longer than its message', message([2, Uint8Array.of(0x0a, 0x02, 0x00)], [1, 'x']), TOO_LONG],
  ['an asset longer than its message', message([2, Uint8Array.of(0x32, 0x02, 0x00)], [1, 'x']), TOO_LONG],
  ['a number that goes on after its message', message([2, Uint8Array.of(0x08)], [2, '']), TOO_LONG],
  [
    'more than 16 MiB of assets',
    message([2, message(...many(17, sized(1024 * 1024)))]),
    'more than 16777216 bytes that name assets',
  ],
])('refuses %s', (_, bytes, wrong) => {
  expect(() => savedModelAssets(bytes, 'saved_model.pb')).toThrow(refusal(wrong))
})

test('reads 16 MiB of assets', () => {
  const model = message([2, message(...many(16, sized(1024 * 1024)))])
  expect(savedModelAssets(model, 'saved_model.pb')).toEqual(many(16, 'a'))
})

/** An asset of this many bytes. */
function sized(bytes: number): [number, Uint8Array] {
  const [start, name] = [message([1, '']), message([2, 'a'])]
  const length = bytes - start.length - name.length
  const filler = message([3, new Uint8Array(length - 4)])
  return [6, Buffer.concat([start, filler, name])]
}

test('refuses a name that is not UTF-8', () => {
  const name = message([2, new Uint8Array([0xff])])
  expect(() => savedModelAssets(message([2, message([6, name])]), 'saved_model.pb')).toThrow(
    refusal(expect.stringContaining('utf-8')),
  )
})

test('reads 64 fields, and 64 names, in one step', () => {
  const names = message(...many(6398, [2, 'a'] as [number, string]))
  expect(inSteps(message([2, message([6, names])]), 'saved_model.pb')).toEqual({ assets: many(6398, 'a'), turns: 199 })
})

test.each([
  ['in several assets', 30_000, 4],
  ['in one asset', 100_001, 1],
])('refuses a model with too many names %s', (_, length, assets) => {
  const names = message(...many(length, [2, 'a'] as [number, string]))
  const model = message([2, message(...many(assets, [6, names] as [number, Uint8Array]))])
  expect(() => savedModelAssets(model, 'saved_model.pb')).toThrow(refusal(TOO_MANY))
})

test('refuses a model with too many fields', () => {
  const fields = (count: number) => Buffer.concat(many(count, message([2, ''])))
  expect(savedModelAssets(fields(100_000), 'saved_model.pb')).toEqual([])
  expect(() => savedModelAssets(fields(100_001), 'saved_model.pb')).toThrow(refusal(TOO_MANY))
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
