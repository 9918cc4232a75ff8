import { describe, expect, test } from 'vitest'
import { refusal } from '../../testing/scratch.ts'
import { LoadedFormat, saidFormats } from './loaded-format.ts'

test('a program says one format, several, or none', () => {
  const claimed = () => Promise.resolve(undefined)
  expect(saidFormats(undefined)).toEqual([])
  expect(saidFormats('onnx')).toEqual(['onnx'])
  expect(saidFormats({ oneOf: ['tfjs-graph', 'tfjs-layers'], claimed })).toEqual(['tfjs-graph', 'tfjs-layers'])
})

describe('the format of a loaded model', () => {
  test('must be one for which the rule was chosen', () => {
    const format = new LoadedFormat(['tfjs-graph', 'tfjs-layers'], [], 'models/vad')
    format.loads('tfjs-graph')
    format.loads('tfjs-layers')
    const details = { file: 'models/vad', expected: '"tfjs-graph" or "tfjs-layers"', found: '"onnx"' }
    expect(() => format.loads('onnx')).toThrow(refusal('MODEL_FORMAT', details))
  })

  test('is any if the rule was chosen for none', () => {
    const format = new LoadedFormat([], ['onnx', 'gguf'], 'models/vad')
    format.loads('tfjs-graph')
    format.check()
  })

  test('must be reported by a loader of several', () => {
    const format = new LoadedFormat(['tfjs-graph'], ['tfjs-graph', 'tfjs-layers'], 'models/vad')
    const found = 'a loader that does not report the format'
    const unsaid = refusal('MODEL_FORMAT', { file: 'models/vad', expected: '"tfjs-graph"', found }) as Error
    expect(() => format.check()).toThrow(unsaid)
    expect(() => format.loads('tfjs-layers')).toThrow()
    expect(() => format.check()).toThrow(unsaid)
    format.loads('tfjs-graph')
    format.check()
  })

  test.each([[[]], [['onnx']]])('need not be reported by a loader that says %j', (said) => {
    new LoadedFormat(['onnx'], said, 'models/vad').check()
  })
})
