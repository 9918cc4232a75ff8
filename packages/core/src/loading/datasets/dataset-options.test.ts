import { expect, test } from 'vitest'
import { refusal } from '../../testing/scratch.ts'
import { datasetOptions, type OpenDatasetOptions } from './dataset-options.ts'

test('a dataset is opened into memory, with the format of datasets', () => {
  const { options, cacheBytes } = datasetOptions(undefined)
  expect(cacheBytes).toBe(268_435_456)
  expect({ ...options }).toEqual({ format: 'dataset', isolation: 'memory' })
  expect(Object.getPrototypeOf(options)).toBeNull()
  expect(Object.isFrozen(options)).toBe(true)
})

test('options of models are passed on, and that of the cache is not', () => {
  const { options, cacheBytes } = datasetOptions({ cacheBytes: 0, maxBytes: 5 })
  expect(cacheBytes).toBe(0)
  expect({ ...options }).toEqual({ maxBytes: 5, format: 'dataset', isolation: 'memory' })
})

test.each<[object, string]>([
  [{ cacheBytes: -1 }, '-1'],
  [{ cacheBytes: 0.5 }, '0.5'],
  [{ cacheBytes: '1' }, '"1"'],
])('no number of bytes is refused: %j', (given, found) => {
  expect(() => datasetOptions(given as OpenDatasetOptions)).toThrow(
    refusal('INVALID_ARGUMENT', {
      message: expect.stringContaining('cacheBytes') as string,
      expected: 'a number of bytes, or 0',
      found,
    }),
  )
})

test.each(['format', 'isolation', 'cache'])('there is no option %s', (name) => {
  const message = expect.stringMatching(`(?=.*"${name}")(?=.*a verified dataset)`) as string
  expect(() => datasetOptions({ [name]: 'memory' })).toThrow(refusal('INVALID_ARGUMENT', { message }))
})
