import { expect, test, vi } from 'vitest'
import { LibraryNeeded, withLibraries } from './when-needed.ts'

test('work that needs no library is done once', async () => {
  const work = vi.fn(() => 'done')
  expect(await withLibraries(work)).toBe('done')
  expect(work).toHaveBeenCalledTimes(1)
})

test.each([
  ['throws', () => undefined],
  ['rejects', () => Promise.resolve()],
])('work that %s because it needs libraries is repeated with each of them', async (_, before) => {
  const loaded: string[] = []
  const need = (name: string) => {
    if (loaded.includes(name)) return
    throw new LibraryNeeded(() => Promise.resolve(void loaded.push(name)))
  }
  const work = () => {
    const started = before()
    const needs = () => (need('one'), need('two'), 'done')
    return started ? started.then(needs) : needs()
  }
  expect(await withLibraries(work)).toBe('done')
  expect(loaded).toEqual(['one', 'two'])
})

test('other errors are passed on', async () => {
  await expect(withLibraries(() => Promise.reject(new TypeError('fault')))).rejects.toThrow(new TypeError('fault'))
  const load = () => Promise.reject(new Error('missing'))
  await expect(
    withLibraries(() => {
      throw new LibraryNeeded(load)
    }),
  ).rejects.toThrow('missing')
})
