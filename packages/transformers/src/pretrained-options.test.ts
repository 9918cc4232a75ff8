import { AsyncLocalStorage } from 'node:async_hooks'
import { expect, test } from 'vitest'
import { checkedOptions } from './pretrained-options.ts'

const refusal = expect.objectContaining({ code: 'INVALID_ARGUMENT' }) as Error

test('passes on what chooses among the files of the model', () => {
  const options = { device: 'cpu', dtype: { model: 'q8' }, subfolder: 'x', model_file_name: 'y', config: null }
  expect(checkedOptions(options)).toMatchObject(options)
})

test('leaves out what has no meaning where nothing is downloaded', () => {
  const options = checkedOptions({ cache_dir: '/x', local_files_only: true, revision: 'main', dtype: undefined })
  expect(Object.keys(options)).toEqual(['session_options'])
})

test.each([
  ['a revision', { revision: 'v1' }],
  ['an option that is not known', { trust_remote_code: true }],
  ['external data', { session_options: { externalData: [{ path: 'a', data: 'b' }] } }],
  ['session options that name a file', { session_options: { extra: { ep: { context_file_path: 'x' } } } }],
  ['session options that are none', { session_options: 'fast' }],
  ['options that are none', 'fast'],
])('refuses %s', (_, options) => {
  expect(() => checkedOptions(options)).toThrow(refusal)
})

test.each([[undefined], [null], [{}]])('takes %o for no options', (options) => {
  expect(Object.keys(checkedOptions(options))).toEqual(['session_options'])
})

test('has progress reported where the caller called from', () => {
  const where = new AsyncLocalStorage<string>()
  const seen: unknown[] = []
  const progress_callback = () => seen.push(where.getStore())
  const options = where.run('caller', () => checkedOptions({ progress_callback }))
  where.run('load', () => options.progress_callback?.({}))
  expect(seen).toEqual(['caller'])
})
