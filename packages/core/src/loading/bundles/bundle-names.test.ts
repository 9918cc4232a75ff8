import { expect, test } from 'vitest'
import { bundleNames } from './bundle-names.ts'

const names = (usual: string, count: number, ...files: string[]) => bundleNames(usual, count, new Set(files))

test('one bundle has the usual name, unless a file of the model has it', () => {
  expect(names('model.sig', 1)).toEqual(['model.sig'])
  expect(names('model.sig', 1, 'model.sig')).toEqual(['signer-1.oms.sig'])
  expect(names('vad.onnx.sig', 1)).toEqual(['vad.onnx.sig'])
  expect(names('vad.onnx.sig', 1, 'vad.onnx.sig')).toEqual(['vad.onnx.1.sig'])
})

test('several have numbers, which skip the files of the model', () => {
  expect(names('model.sig', 0)).toEqual([])
  expect(names('model.sig', 2)).toEqual(['signer-1.oms.sig', 'signer-2.oms.sig'])
  expect(names('sig.sig.sig', 2, 'sig.sig.1.sig')).toEqual(['sig.sig.2.sig', 'sig.sig.3.sig'])
})
