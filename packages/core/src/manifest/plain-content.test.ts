import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { conversion, HEAD_BYTES, isLfsPointer, MAX_TEXT_BYTES, standIn } from './plain-content.ts'

const signed = (text: string | Buffer) => `sha256:${createHash('sha256').update(text).digest('hex')}`
const TEXT = 'a\nb\n'

describe('what replaced a file', () => {
  const clauseOf = (text: string) => standIn(Buffer.from(text, 'latin1'))?.clause

  test.each([
    ['', 'is empty'],
    ['version https://git-lfs.github.com/spec/v1', 'Git LFS pointer'],
    ['version https://hawser.github.com/spec/v1', 'Git LFS pointer'],
    ['<!doctype html>', 'web page'],
    ['<!DOCTYPE \n HTML PUBLIC', 'web page'],
    ['<html>', 'web page'],
    ['<HTML lang="en">', 'web page'],
    ['\xef\xbb\xbf\r\n <html\n', 'web page'],
  ])('is recognized: %j', (text, clause) => {
    expect(clauseOf(text)).toContain(clause)
  })

  test.each([
    'version https://git-lfs.example.com/spec/v1',
    'Version https://git-lfs.github.com/spec/v1',
    'x version https://git-lfs.github.com/spec/v1',
    'version https://git-lfsxgithub.com/spec/v1',
    'version https://hawserxgithub.com/spec/v1',
    'version https://git-lfs.githubxcom/spec/v1',
    'version https://hawser.githubxcom/spec/v1',
    'version https://git-lfs.github.com/',
    '<!doctypehtml>',
    '<!doctype xml>',
    '<htmlx>',
    'x<html>',
    'x<!doctype html>',
    '\xef\xbb<html>',
    '{}',
  ])('is not recognized: %j', (text) => {
    expect(clauseOf(text)).toBeUndefined()
  })

  test('is recognized by its beginning', () => {
    expect(clauseOf(`${' '.repeat(HEAD_BYTES - 6)}<html>`)).toContain('web page')
    expect(clauseOf(`${' '.repeat(HEAD_BYTES - 5)}<html>`)).toBeUndefined()
    // Part of a larger buffer.
    const whole = Buffer.from(`xx<html>`)
    expect(standIn(whole.subarray(2))?.clause).toContain('web page')
    expect(standIn(whole.subarray(2, 2))?.clause).toBe('is empty')
    expect(isLfsPointer('version https://git-lfs.github.com/spec/')).toBe(true)
  })
})

describe('the conversion of a text', () => {
  const clauseOf = (found: string | Buffer, of: string | Buffer) => conversion(Buffer.from(found), signed(of))

  test.each([
    ['a\r\nb\r\n', TEXT, 'CRLF instead of LF'],
    ['a\nb\n', 'a\r\nb\r\n', 'LF instead of CRLF'],
    ['\uFEFFa\nb\n', TEXT, 'byte order mark'],
    ['a\nb\n\n', TEXT, 'ends with a line break'],
    ['a\r\nb\r\n', 'a\r\nb', 'ends with a line break'],
    ['a\nb', TEXT, 'lacks the final line break'],
    ['é\r\n', 'é\n', 'CRLF instead of LF'],
  ])('to %j is recognized', (found, of, clause) => {
    expect(clauseOf(found, of)).toContain(clause)
  })

  test('is not one of line endings that are those of Windows already', () => {
    expect(clauseOf('a\r\nb', 'a\r\r\nb')).toBeUndefined()
  })

  test.each([
    ['a\nb\n', 'a\nb\n\n\n'],
    ['a\r\nb\n', 'a\r\nb\r\n'],
    ['xa\nb\n', TEXT],
    ['a\nbx', 'a\nb'],
    ['a b', TEXT],
  ])('of %j is not supposed', (found, of) => {
    expect(clauseOf(found, of)).toBeUndefined()
  })

  test('is looked for in texts of a limited length only', () => {
    const text = (bytes: number) => `${' '.repeat(bytes - 2)}\r\n`
    const [most, more] = [text(MAX_TEXT_BYTES), text(MAX_TEXT_BYTES + 1)]
    expect(clauseOf(most, most.replace('\r', ''))).toContain('CRLF')
    expect(clauseOf(more, more.replace('\r', ''))).toBeUndefined()
    expect(clauseOf('\0\r\n', '\0\n')).toBeUndefined()
  })

  test('needs a digest of a known kind', () => {
    const digest = signed(TEXT).slice('sha256:'.length)
    for (const expected of ['', digest, `md5:${digest}`, `:${digest}`, '9 bytes'])
      expect(conversion(Buffer.from('a\r\nb\r\n'), expected)).toBeUndefined()
  })
})
