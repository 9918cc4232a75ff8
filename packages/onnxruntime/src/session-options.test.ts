import { existsSync } from 'node:fs'
import type { PlacedFiles } from '@modelseal/core'
import { describe, expect, test } from 'vitest'
import { checkedSessionOptions, sessionOptionsFor } from './session-options.ts'

const FOLDER = 'session.model_external_initializers_file_folder_path'
const refused = expect.objectContaining({ name: 'ModelSealError', code: 'INVALID_ARGUMENT' })

const FORMAT = 'session.load_model_format'
const inMemory = { bytes: new Uint8Array(1), format: 'ONNX', externalData: [] } as const
const placed = { path: '/private/m.onnx', format: 'ORT', names: [], files: {} as PlacedFiles } as const

test('the runtime gets a different nonexistent folder for every model from memory', () => {
  const folders = [checkedSessionOptions(), checkedSessionOptions({})].map(
    (options) => sessionOptionsFor({ ...inMemory, externalData: [] }, options).extra?.[FOLDER] as string,
  )
  expect(folders.map((folder) => existsSync(folder))).toEqual([false, false])
  expect(folders[0]).not.toBe(folders[1])
})

test('the runtime gets the checked format, whatever the file is called', () => {
  expect(sessionOptionsFor({ ...inMemory, externalData: [] }, checkedSessionOptions()).extra).toMatchObject({
    [FORMAT]: 'ONNX',
  })
  expect(sessionOptionsFor(placed, checkedSessionOptions()).extra).toEqual({ [FORMAT]: 'ORT' })
})

test('other options reach the runtime', () => {
  const given = { graphOptimizationLevel: 'basic', extra: { session: { set_denormal_as_zero: '1' } } } as const
  expect(checkedSessionOptions(given)).toMatchObject({
    graphOptimizationLevel: 'basic',
    extra: { 'session.set_denormal_as_zero': '1' },
  })
})

test('later changes of the options do not reach the runtime', () => {
  const session: Record<string, string> = { set_denormal_as_zero: '1' }
  const checked = checkedSessionOptions({ extra: { session } })
  session['load_model_format'] = 'ORT'
  expect(Object.keys(checked.extra).sort()).toEqual(['session.set_denormal_as_zero'])
})

describe('refuses', () => {
  test('external data of the caller', () => {
    expect(() => checkedSessionOptions({ externalData: ['weights.bin'] })).toThrow(refused)
    expect(() => checkedSessionOptions({ externalData: [] })).toThrow(refused)
  })

  test.each([null, 'all', 7])('%j instead of options', (options) => {
    expect(() => checkedSessionOptions(options)).toThrow(refused)
  })

  test.each([
    { session: { load_model_format: 'ORT' } },
    { 'session.load_model_format': 'ORT' },
    { session: { model_external_initializers_file_folder_path: '/tmp' } },
    { session: { model_external_initializers_file_folder_path: '/tmp' } },
    { session: { node_partition_config_file: '/tmp/x' } },
    { session: { resource_cuda_partitioning_settings: '1,/tmp/x' } },
    { session: { use_memory_mapped_ort_model: '1' } },
    { ep: { context_file_path: '/tmp/x' } },
    { Session: { Load_Model_Format: 'ORT' } },
  ])('%j, which makes the runtime read something else', (extra) => {
    expect(() => checkedSessionOptions({ extra })).toThrow(refused)
  })

  test('extra options that are not strings or are nested endlessly', () => {
    const endless: Record<string, unknown> = {}
    endless['again'] = endless
    expect(() => checkedSessionOptions({ extra: { session: { set_denormal_as_zero: 1 } } })).toThrow(refused)
    expect(() => checkedSessionOptions({ extra: endless })).toThrow(refused)
  })
})
