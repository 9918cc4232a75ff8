import { createHash } from 'node:crypto'
import * as fs from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import type { FileProblem } from '../errors.ts'
import { openLocalSource } from '../source/local/local-source.ts'
import { scratch } from '../testing/scratch.ts'
import { fifo } from '../testing/special-files.ts'
import { HEAD_BYTES, MAX_TEXT_BYTES } from './plain-content.ts'
import { contentIn, mismatchHint, SUSPICION, UNKNOWN_FILES } from './plainer-cause.ts'

vi.mock('node:fs', { spy: true })

const differs = (file: string, details: Partial<FileProblem> = {}): FileProblem => ({
  code: 'FILE_MISMATCH',
  file,
  ...details,
})
const unsigned = (file: string): FileProblem => ({ code: 'FILE_UNSIGNED', file })
const EMPTY = () => Buffer.alloc(0)
const REMOVE = ' Remove such files, or list them in the rule under "require.unsigned".'

describe('the hint', () => {
  test('names at most three causes, those of contents first', () => {
    const problems = [unsigned('.DS_Store'), ...['a', 'b', 'c', 'd'].map((name) => differs(name))]
    const content = vi.fn(EMPTY)
    const hint = mismatchHint(problems, content)
    expect(content.mock.calls.map(([name]: unknown[]) => name)).toEqual(['a', 'b', 'c'])
    for (const name of ['a', 'b', 'c']) expect(hint).toContain(`"${name}" is empty`)
    expect(hint).not.toContain('.DS_Store')
    expect(hint).toContain(`${REMOVE} For the other files: ${SUSPICION}`)
  })

  test('says what to do with the others only if there are some', () => {
    expect(mismatchHint([differs('a')], EMPTY)).toBe('"a" is empty. Download it again.')
    expect(mismatchHint([unsigned('.DS_Store')], EMPTY)).toBe(`macOS created ".DS_Store".${REMOVE}`)
    expect(mismatchHint([differs('a'), unsigned('.DS_Store')], EMPTY)).toBe(
      `"a" is empty. Download it again. macOS created ".DS_Store".${REMOVE}`,
    )
    expect(mismatchHint([{ code: 'FILE_MISSING', file: 'a' }, unsigned('A')], EMPTY)).toMatch(
      /only in case\. Rename the file\.$/,
    )
    expect(mismatchHint([differs('a'), differs('b')], (name) => (name === 'a' ? EMPTY() : undefined))).toBe(
      `"a" is empty. Download it again. For the other files: ${SUSPICION}`,
    )
    expect(mismatchHint([differs('a'), unsigned('b')], EMPTY)).toContain(`For the other files: ${UNKNOWN_FILES}`)
  })

  test('is suspicion if nothing is known', () => {
    expect(mismatchHint([differs('a')], () => undefined)).toBe(SUSPICION)
    expect(mismatchHint([differs('a')], () => Buffer.from('x'))).toBe(SUSPICION)
    expect(mismatchHint([unsigned('a')], EMPTY)).toBe(UNKNOWN_FILES)
    expect(mismatchHint([unsigned('a'), { code: 'FILE_MISSING', file: 'b' }], EMPTY)).toBe(SUSPICION)
  })

  test('looks at a limited number of bytes', () => {
    const rooms: number[] = []
    mismatchHint([differs('a'), differs('b'), differs('c')], (name, room) => {
      rooms.push(room)
      return name === 'b' ? undefined : Buffer.from('abc')
    })
    expect(rooms).toEqual([MAX_TEXT_BYTES, MAX_TEXT_BYTES - 3, MAX_TEXT_BYTES - 3])
  })

  test('knows an interrupted download by its size', () => {
    const of = (expected: string, found: string) =>
      mismatchHint([differs('a', { expected, found })], () => Buffer.from('x'))
    expect(of('10 bytes', '9 bytes')).toMatch(/^"a" is shorter than the signed file/)
    for (const [expected, found] of [
      ['9 bytes', '9 bytes'],
      ['9 bytes', '10 bytes'],
      ['sha256:10 bytes', '9 bytes'],
      ['10 bytes', 'x9 bytes'],
      ['10', '9'],
    ] as const)
      expect(of(expected, found)).toBe(SUSPICION)
  })

  test('knows a text that was converted', () => {
    const expected = `sha256:${createHash('sha256').update('x\n').digest('hex')}`
    expect(mismatchHint([differs('a', { expected, found: 'sha256:x' })], () => Buffer.from('x\r\n'))).toMatch(
      /^"a" has different line endings .*core\.autocrlf/,
    )
  })
})

describe('the content of a local file', () => {
  test('is read if there is room for it, and its beginning otherwise', async () => {
    const text = 'x'.repeat(HEAD_BYTES + 10)
    const directory = scratch({ 'sub/a': text, link: '', pipe: '' })
    const content = contentIn(await openLocalSource(directory))
    expect(content('sub/a', text.length)?.toString()).toBe(text)
    expect(content('sub/a', text.length - 1)?.toString()).toBe('x'.repeat(HEAD_BYTES))
    const file = contentIn(await openLocalSource(join(directory, 'sub/a')))
    expect(file('a', text.length)?.length).toBe(text.length)
  })

  test('is not read of anything else, and nothing stays open', async () => {
    const directory = scratch({ a: 'A' })
    fs.symlinkSync('a', join(directory, 'link'))
    fs.mkdirSync(join(directory, 'sub'))
    fifo(join(directory, 'pipe'))
    const content = contentIn(await openLocalSource(directory))
    vi.mocked(fs.openSync).mockClear()
    vi.mocked(fs.closeSync).mockClear()
    for (const name of ['link', 'sub', 'pipe', 'none']) expect(content(name, 10)).toBeUndefined()
    expect(content('a', 10)?.toString()).toBe('A')
    const opened = vi.mocked(fs.openSync).mock.results.filter(({ type }) => type === 'return')
    expect(vi.mocked(fs.closeSync).mock.calls.flat()).toEqual(opened.map(({ value }) => value as number))
  })
})
