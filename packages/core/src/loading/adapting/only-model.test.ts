import { expect, test } from 'vitest'
import { refusal } from '../../testing/scratch.ts'
import { onlyModel } from './only-model.ts'

test.each<[string, string[], string[], string]>([
  ['the only one with a suffix', ['config.json', 'onnx/model.onnx'], ['.onnx', '.ort'], 'onnx/model.onnx'],
  ['the only one with a later suffix', ['config.json', 'model.ort'], ['.onnx', '.ort'], 'model.ort'],
  ['the one with the first suffix', ['a.ort', 'b.ort', 'model.onnx'], ['.onnx', '.ort'], 'model.onnx'],
  ['the one with a name', ['sub/model.json', 'model.json', 'x.json'], ['model.json', '.json'], 'model.json'],
])('finds %s', (_, files, wanted, found) => {
  expect(onlyModel(files, wanted)).toBe(found)
})

test('refuses to choose', () => {
  const refused = (found: string, files: string[], wanted: string[]) =>
    expect(() => onlyModel(files, wanted)).toThrow(refusal('INVALID_ARGUMENT', { found }))
  refused('"a.onnx", "b.onnx"', ['a.onnx', 'b.onnx', 'c.ort'], ['.onnx', '.ort'])
  refused('none', ['config.json', 'model.onnx.txt', 'onnx'], ['.onnx'])
  // A name is not a suffix.
  refused('none', ['sub/model.json', 'my-model.json'], ['model.json'])
  const files = Array.from({ length: 12 }, (_, i) => `${i}.onnx`)
  const named = (count: number) => files.slice(0, count).map((name) => JSON.stringify(name))
  refused([...named(10), '2 more'].join(', '), files, ['.onnx'])
  refused(named(10).join(', '), files.slice(0, 10), ['.onnx'])
})

test('says what was expected', () => {
  const expected = 'a signed "model.json", or exactly one signed file whose name ends in ".onnx", or in ".ort"'
  expect(() => onlyModel([], ['model.json', '.onnx', '.ort'])).toThrow(refusal('INVALID_ARGUMENT', { expected }))
})
