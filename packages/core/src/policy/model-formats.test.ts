import { expect, test } from 'vitest'
import { FORMAT_NAME, isKnownFormat, misspeltFormat, OTHER_FORMAT } from './model-formats.ts'

test('the formats of the adapters of this project are known', () => {
  const formats = ['onnx', 'tfjs-graph', 'tfjs-layers', 'saved-model']
  expect(formats.map(isKnownFormat)).toEqual([true, true, true, true])
  expect(formats.map(misspeltFormat)).toEqual([undefined, undefined, undefined, undefined])
  expect(['gguf', 'any', 'ONNX', ''].map(isKnownFormat)).toEqual([false, false, false, false])
})

test.each([
  ['onx', 'onnx'],
  ['ONNX', 'onnx'],
  ['tfjs_graph', 'tfjs-graph'],
  ['tfjs-layer', 'tfjs-layers'],
  ['savedmodel', 'saved-model'],
  ['any', 'any'],
  ['an', 'any'],
  ['gguf', undefined],
  ['safetensors', undefined],
])('%s is one slip away from %s', (name, known) => expect(misspeltFormat(name)).toBe(known))

test('other formats have short names of lower-case letters, digits and hyphens', () => {
  const valid = ['a', '7', 'gguf', 'a-b', 'x'.repeat(40)]
  const invalid = ['', '-a', 'a-', 'A', 'a_b', 'x'.repeat(41), 'a b', 'gguf\n']
  expect(valid.filter((name) => !FORMAT_NAME.test(name))).toEqual([])
  expect(invalid.filter((name) => FORMAT_NAME.test(name))).toEqual([])
})

test('their form is described', () => expect(OTHER_FORMAT).toMatch(/1 to 40 lower-case letters, digits and hyphens/))
