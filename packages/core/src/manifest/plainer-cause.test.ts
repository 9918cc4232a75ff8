import { createHash } from 'node:crypto'
import { rmSync, symlinkSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import type { FileProblem } from '../errors.ts'
import { openLocalSource } from '../source/local/local-source.ts'
import { scratch } from '../testing/scratch.ts'
import { contentIn, mismatchHint, SUSPICION, UNKNOWN_FILES } from './plainer-cause.ts'

const TEXT = '{\n  "a": 1\n}\n'
const POINTER = `version https://git-lfs.github.com/spec/v1\noid sha256:${'0'.repeat(64)}\nsize 90000000\n`

function digest(text: string | Buffer, algorithm = 'sha256'): string {
  return createHash(algorithm).update(text).digest('hex')
}

/** The hint for one file whose content differs from the signed text. */
async function hintFor(content: string | Buffer, { signed = TEXT, expected = `sha256:${digest(signed)}` } = {}) {
  const directory = scratch({ 'config.json': content })
  const problem = { code: 'FILE_MISMATCH', file: 'config.json', expected, found: 'sha256:of something else' } as const
  return mismatchHint([problem], contentIn(await openLocalSource(directory)))
}

async function hintForNames(...problems: [FileProblem['code'], string][]): Promise<string> {
  const source = await openLocalSource(scratch())
  return mismatchHint(
    problems.map(([code, file]) => ({ code, file })),
    contentIn(source),
  )
}

describe('content that differs from what was signed', () => {
  test.each([
    ['a Git LFS pointer', POINTER, /"config.json" is a Git LFS pointer .* "git lfs pull"/],
    ['a Git LFS pointer of an early version', POINTER.replace('git-lfs', 'hawser'), /Git LFS pointer/],
    ['a web page', '\n<!DOCTYPE html>\n<html><body>Sign in</body></html>', /web page .* Download it again/],
    ['another web page', '<html lang="en">', /web page/],
    ['nothing', '', /is empty/],
    ['text with CRLF', TEXT.replaceAll('\n', '\r\n'), /different line endings .*CRLF instead of LF.*core\.autocrlf/],
    ['text with a byte order mark', `\uFEFF${TEXT}`, /byte order mark/],
    ['text with an added line break', `${TEXT}\n`, /line break that the signed file does not have/],
    ['text without its last line break', TEXT.slice(0, -1), /lacks the final line break/],
  ])('is recognized as %s', async (_, content, hint) => {
    const found = await hintFor(content)
    expect(found).toMatch(hint)
    expect(found).not.toContain(SUSPICION)
  })

  test('is recognized as text with LF instead of CRLF', async () => {
    expect(await hintFor(TEXT, { signed: TEXT.replaceAll('\n', '\r\n') })).toMatch(/LF instead of CRLF/)
  })

  test('is compared with the hash type of the signature', async () => {
    const expected = `blake2b:${digest(TEXT, 'blake2b512')}`
    expect(await hintFor(TEXT.replaceAll('\n', '\r\n'), { expected })).toMatch(/different line endings/)
  })

  test('is recognized as truncated', async () => {
    expect(await hintFor('half', { expected: '9 bytes' })).toBe(SUSPICION)
    const source = await openLocalSource(scratch({ w: 'half' }))
    const problem = { code: 'FILE_MISMATCH', file: 'w', expected: '9 bytes', found: '4 bytes' } as const
    expect(mismatchHint([problem], contentIn(source))).toMatch(/"w" is shorter .* Download it again/)
    expect(mismatchHint([{ ...problem, expected: '3 bytes' }], contentIn(source))).toBe(SUSPICION)
  })

  test.each([
    ['other text', '{ "a": 2 }\n'],
    ['other text with CRLF', '{\r\n  "a": 2\r\n}\r\n'],
    ['a file that mentions a pointer', `\n${POINTER}`],
    ['bytes', Buffer.from([0, 1, 2, 0x0d, 0x0a])],
  ])('is suspicious if it is %s', async (_, content) => {
    expect(await hintFor(content)).toBe(SUSPICION)
  })

  test('is not read if it is long, a link, or missing', async () => {
    const long = TEXT.replaceAll('\n', '\r\n') + ' '.repeat(5 * 1024 * 1024)
    expect(await hintFor(long, { signed: long.replaceAll('\r\n', '\n') })).toBe(SUSPICION)
    const directory = scratch({ pointer: POINTER, gone: '' })
    symlinkSync('pointer', join(directory, 'link'))
    rmSync(join(directory, 'gone'))
    const source = await openLocalSource(directory)
    for (const file of ['link', 'gone'])
      expect(mismatchHint([{ code: 'FILE_MISMATCH', file }], contentIn(source))).toBe(SUSPICION)
  })

  test('of a long file is recognized by its beginning', async () => {
    const directory = scratch({ w: POINTER })
    truncateSync(join(directory, 'w'), 2 ** 40)
    expect(mismatchHint([{ code: 'FILE_MISMATCH', file: 'w' }], contentIn(await openLocalSource(directory)))).toMatch(
      /LFS pointer/,
    )
  })
})

describe('an unsigned file', () => {
  test.each([
    ['.cache/huggingface/download/model.onnx.metadata', /Hugging Face Hub/],
    ['onnx/.cache/huggingface/.gitignore', /Hugging Face Hub/],
    ['.DS_Store', /macOS/],
    ['onnx/.DS_Store', /macOS/],
    ['._model.onnx', /macOS/],
    ['__MACOSX/x', /macOS/],
    ['Thumbs.db', /Windows/],
    ['desktop.ini', /Windows/],
    ['__pycache__/x.cpython-312.pyc', /Python/],
    ['.ipynb_checkpoints/x.ipynb', /Jupyter/],
    ['.config.json.swp', /editor/],
    ['config.json~', /editor/],
    ['.idea/x.xml', /editor/],
    ['sub/.git/HEAD', /Version control/],
    ['weights.bin.incomplete', /download that has not finished/],
    ['weights.bin.part', /download that has not finished/],
    ['.cache/huggingface/download/3mN_x.5dcd0d.incomplete', /download that has not finished/],
    ['lost+found/x', /file system/],
    ['.nfs0000000000c8', /file system/],
  ])('%s has a known cause', async (file, hint) => {
    const found = await hintForNames(['FILE_UNSIGNED', file])
    expect(found).toMatch(hint)
    expect(found).toContain('Remove such files, or list them in the rule under "require.unsigned".')
    expect(found).not.toContain(SUSPICION)
  })

  test('of hf download is named once, with its directory', async () => {
    const files = ['.gitignore', 'download/a.metadata', 'download/b/c.lock'].map((name) => `.cache/huggingface/${name}`)
    const hint = await hintForNames(...files.map((file): [FileProblem['code'], string] => ['FILE_UNSIGNED', file]))
    expect(hint).toMatch(
      /^A download from the Hugging Face Hub created the directory "\.cache\/huggingface", [^.]*\. Remove/,
    )
    expect(await hintForNames(['FILE_UNSIGNED', '.cache/huggingface/download/model.onnx'])).toContain('model.onnx')
  })

  test.each(['evil.py', 'DS_Store', 'cache/huggingface/x', 'part', 'model.onnx'])('%s is suspicious', async (file) => {
    expect(await hintForNames(['FILE_UNSIGNED', file])).toBe(UNKNOWN_FILES)
  })

  test('with a known cause leaves others suspicious', async () => {
    const hint = await hintForNames(['FILE_UNSIGNED', '.DS_Store'], ['FILE_UNSIGNED', 'evil.py'])
    expect(hint).toMatch(/^macOS created "\.DS_Store"\. .* For the other files: Do not load this copy\. Find out where/)
  })
})

test('the general hint names an interrupted download', () => {
  expect(SUSPICION).toContain('a download may have been interrupted')
})

describe('a missing file', () => {
  test.each([
    ['caf\u00e9.bin', 'cafe\u0301.bin', /two Unicode forms \(NFD instead of NFC\)/],
    ['cafe\u0301.bin', 'caf\u00e9.bin', /two Unicode forms \(NFC instead of NFD\)/],
    ['caf\u00e9/w.bin', 'cafe\u0301/w.bin', /two Unicode forms/],
    ['Model.onnx', 'model.onnx', /differ only in case/],
    ['onnx/model.onnx', 'onnx\\model.onnx', /how their characters are written/],
    ['weights.bin', 'weights.bin.part', /download of "weights.bin" has not finished/],
  ])('%s is explained by the file %s', async (signed, found, hint) => {
    const told = await hintForNames(['FILE_MISSING', signed], ['FILE_UNSIGNED', found])
    expect(told).toMatch(hint)
    expect(told).not.toContain(SUSPICION)
  })

  test.each([
    '.cache/huggingface/download/3mN_x.5dcd0d.incomplete',
    'tmp.aria2',
    'x.part',
    'Unconfirmed 1.crdownload',
    'y.partial',
  ])('is explained by the partial download %s, as is a file that differs', async (partial) => {
    const told = await hintForNames(['FILE_MISSING', 'a'], ['FILE_MISMATCH', 'b'], ['FILE_UNSIGNED', partial])
    expect(told).toContain('finish the download first')
    expect(told).not.toContain(SUSPICION)
    expect(
      await hintForNames(['FILE_MISSING', 'a'], ['FILE_UNSIGNED', partial], ['FILE_UNSIGNED', 'evil.py']),
    ).toContain(UNKNOWN_FILES)
  })

  test('is suspicious if no similar name is present', async () => {
    expect(await hintForNames(['FILE_MISSING', 'a'], ['FILE_UNSIGNED', 'b'])).toBe(SUSPICION)
  })

  test('is looked for among a limited number of names', async () => {
    const names = Array.from({ length: 100_000 }, (_, i): [FileProblem['code'], string] => ['FILE_MISSING', `f${i}`])
    const normalize = vi.spyOn(String.prototype, 'normalize')
    expect(await hintForNames(...names)).toBe(SUSPICION)
    expect(normalize.mock.calls.length).toBeLessThan(20_000)
    normalize.mockRestore()
  })
})

test('a hint is short, and contains no control characters from names', async () => {
  const hint = await hintForNames(
    ...Array.from({ length: 50 }, (_, i): [FileProblem['code'], string] => ['FILE_UNSIGNED', `d${i}\n/.DS_Store`]),
  )
  expect(hint.length).toBeLessThan(600)
  expect(hint).not.toContain('\n')
})
