import { symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openLocalSource } from '../source/local/local-source.ts'
import { refusal, scratch } from '../testing/scratch.ts'
import { GIT_PATHS, ignoredNames, ignoring, namesWithin, nameWithin } from './ignores.ts'

test('leaves out exactly what is named', () => {
  const ignored = ignoring(['a', 'b/c'])
  expect(['a', 'b/c', 'ab', 'b', 'x/a', 'A'].filter(ignored)).toEqual(['a', 'b/c'])
})

test('accepts paths relative to the model and absolute paths, with and without links', async () => {
  const directory = scratch({ 'v1/a': '' })
  symlinkSync('v1', join(directory, 'current'))
  const source = await openLocalSource(join(directory, 'current'))
  const paths = ['a', './b', 'c/', 'd/../e', join(directory, 'v1', 'f'), join(directory, 'current', 'g', 'h')]
  expect(ignoredNames(source, paths)).toEqual(['a', 'b', 'c', 'e', 'f', 'g/h'])
})

test('drops paths outside the model', async () => {
  const source = await openLocalSource(scratch({ a: '' }))
  expect(ignoredNames(source, ['..', '../a', '/etc/passwd', 'a/../../b'])).toEqual([])
  expect(nameWithin(source, '..a')).toBe('..a')
})

test.each(['*.bin', 'a/**', '[ab]', 'a?'])('refuses the glob %s', async (path) => {
  const source = await openLocalSource(scratch({ a: '' }))
  expect(() => ignoredNames(source, [path])).toThrow(
    refusal('INVALID_ARGUMENT', {
      file: path,
      message: `Cannot ignore the path "${path}": it contains a glob character, and ignored paths are exact.`,
    }),
  )
})

test('refuses to ignore the model itself', async () => {
  const directory = scratch({ a: '' })
  const source = await openLocalSource(directory)
  for (const path of ['', '.', 'a/..', directory])
    expect(() => ignoredNames(source, [path])).toThrow(
      refusal('INVALID_ARGUMENT', {
        file: path,
        message: `Cannot ignore the path "${path}": it is the model itself.`,
      }),
    )
})

test('ignores no part of a single-file model', async () => {
  const source = await openLocalSource(join(scratch({ a: '' }), 'a'))
  expect(ignoredNames(source, ['a', '*'])).toEqual([])
})

test('leaves out what Git adds to a model', () => {
  expect(GIT_PATHS).toEqual(['.git', '.gitattributes', '.github', '.gitignore'])
})

test('names files within the model', async () => {
  const directory = scratch({ a: '' })
  const source = await openLocalSource(directory)
  expect(namesWithin(source, ['a', join(directory, 'b/c')])).toEqual(['a', 'b/c'])
  expect(namesWithin(await openLocalSource(join(directory, 'a')), ['x'])).toBeUndefined()
  for (const path of ['../a', directory, '.'])
    expect(() => namesWithin(source, ['a', path])).toThrow(
      refusal('FILE_NOT_SIGNED', {
        file: path,
        message: `Cannot check the path "${path}": it is outside the model.`,
      }),
    )
})
