import { AsyncLocalStorage } from 'node:async_hooks'
import { expect, test } from 'vitest'
import { checkedOptions } from './pretrained-options.ts'

const refusal = expect.objectContaining({ code: 'INVALID_ARGUMENT' }) as Error

test('passes on options that select files of the model', () => {
  const options = { device: 'cpu', dtype: { model: 'q8' }, subfolder: 'x', model_file_name: 'y', config: null }
  expect(checkedOptions(options).options).toMatchObject(options)
})

test('drops options that only matter for downloads, and says which of them a hub obeys', () => {
  const given = { cache_dir: '/x', local_files_only: true, revision: 'v1', dtype: undefined }
  const { options, hubOptions } = checkedOptions(given)
  expect(Object.keys(options)).toEqual(['session_options'])
  expect(hubOptions).toEqual({ revision: 'v1', localFilesOnly: true })
})

test.each([
  ['a revision that is not text', { revision: 1 }],
  ['an unknown option', { trust_remote_code: true }],
  ['external data', { session_options: { externalData: [{ path: 'a', data: 'b' }] } }],
  ['session options that name a file', { session_options: { extra: { ep: { context_file_path: 'x' } } } }],
  ['session options that are not an object', { session_options: 'fast' }],
  ['options that are not an object', 'fast'],
])('refuses %s', (_, options) => {
  expect(() => checkedOptions(options)).toThrow(refusal)
})

test.each([[undefined], [null], [{}]])('accepts %o as no options', (options) => {
  expect(Object.keys(checkedOptions(options).options)).toEqual(['session_options'])
})

test('reports progress in the async context of the caller', () => {
  const where = new AsyncLocalStorage<string>()
  const seen: unknown[] = []
  const progress_callback = () => seen.push(where.getStore())
  const { options } = where.run('caller', () => checkedOptions({ progress_callback }))
  where.run('load', () => options.progress_callback?.({}))
  expect(seen).toEqual(['caller'])
})
