import { expect, test } from 'vitest'
import { ModelSealError } from '../../../errors.ts'
import { refusal } from '../../../testing/scratch.ts'
import { memberName, type TarHeader } from './tar-names.ts'

function nameOf(name: string, more: Partial<TarHeader> = {}): string | undefined {
  const header = { name, type: 'file', size: 0, pax: null, ...more } as TarHeader
  return memberName(header, (found, expected) => new ModelSealError('DATASET_MALFORMED', 'No.', { found, expected }))
}

const refused = (expected: string, found: string) => refusal('DATASET_MALFORMED', { expected, found })

test.each<[written: string, name: string]>([
  ['a', 'a'],
  ['./a', 'a'],
  ['././a/b', 'a/b'],
  ['.a', '.a'],
  ['..a', '..a'],
  ['a.', 'a.'],
  ['ab:c', 'ab:c'],
  ['1:a', '1:a'],
  ['x'.repeat(4_096), 'x'.repeat(4_096)],
])('a file may be named %j', (written, name) => {
  expect(nameOf(written)).toBe(name)
  expect(nameOf(written, { type: 'contiguous-file', size: 5, pax: { path: written } })).toBe(name)
})

test.each(['.', './', '', 'a', 'a/', 'a/b', 'a/b/', './a/', '././'])(
  'a directory may be named %j, and is skipped',
  (name) => {
    expect(nameOf(name, { type: 'directory' })).toBeUndefined()
  },
)

test.each([
  '',
  '.',
  '..',
  './',
  '/a',
  'a/',
  'a//b',
  'a/.',
  'a/../b',
  'a\\..',
  'a\\',
  'c:',
  'C:a',
  'a\u0000',
  'a\u009f',
])('a file may not be named %j', (name) => {
  const shown = expect.stringMatching(/^the name "/) as string
  expect(() => nameOf(name)).toThrow(refused('names of files in the archive', shown))
})

test.each(['..', '../', '/a/', 'a//', './..', 'a/../', 'c:/'])('a directory may not be named %j', (name) => {
  const shown = expect.stringMatching(/^the name "/) as string
  expect(() => nameOf(name, { type: 'directory' })).toThrow(refused('names of files in the archive', shown))
})

test('a name may not be longer than any system has', () => {
  expect(() => nameOf('x'.repeat(4_097))).toThrow(refusal('DATASET_MALFORMED'))
})

test.each<[more: object, found: string]>([
  [{ type: 'link' }, 'the link "x"'],
  [{ type: 'symlink' }, 'the link "x"'],
  [{ type: 'fifo' }, 'the special file "x"'],
  [{ type: null }, 'the special file "x"'],
  [{ pax: { a: '1', 'GNU.sparse.name': 'x' } }, 'the sparse file "x"'],
  [{ type: 'directory', size: 1 }, 'the directory "x" with content'],
])('only files and directories may be in an archive: %j', (more, found) => {
  expect(() => nameOf('x', more)).toThrow(refused('files and directories', found))
})

test('a file whose attributes merely mention sparse ones is no sparse one', () => {
  expect(nameOf('x', { pax: { 'LIBARCHIVE.GNU.sparse.name': 'x' } })).toBe('x')
})
