import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { bundleOver, keyPair } from '../../testing/bundles.ts'
import { version } from '../../testing/feeds.ts'
import { refusal, scratch } from '../../testing/scratch.ts'
import { feedBundles, parseFeedFile, readFeedFile } from './feed-file.ts'
import { feedExpired, MAX_FEED_BYTES, writeFeedStatement } from './feed-statement.ts'

const [one, two] = [keyPair(), keyPair()]
const payload = writeFeedStatement(version(1))
/** It takes several turns of the event loop to parse. */
const long = writeFeedStatement(
  version(1, { denied: { keys: Array.from({ length: 40_000 }, (_, index) => index.toString(16).padStart(64, '0')) } }),
)
const line = (by = one, of = payload) => `${JSON.stringify(JSON.parse(bundleOver(of, by).toString()))}\n`

describe('a feed file on this machine', () => {
  test('is read with its statement, its bundles, its lines and all of its bytes', async () => {
    const [first, second] = [line().trim(), line(two).trim()]
    const text = `${first}\n\r\n${second}\r\n`
    const found = await readFeedFile(join(scratch({ 'feed.jsonl': text }), 'feed.jsonl'))
    expect(found.bytes.toString()).toBe(text)
    expect(found.lines.map(String)).toEqual([first, second])
    expect(found.bundles.map(({ envelope }) => envelope.payload)).toEqual([payload, payload])
    expect(found.feed).toMatchObject({ feed: 'acme', sequence: 1 })
  })

  test.each<[string, string, string, object]>([
    ['empty', 'ADVISORY_INVALID', '', { expected: 'a Sigstore bundle on each line' }],
    [
      'of too many lines',
      'ADVISORY_TOO_LARGE',
      '\n'.repeat(17),
      { expected: 'at most 16 lines', found: 'more', hint: undefined },
    ],
    [
      'over different statements',
      'ADVISORY_INVALID',
      line() + line(two, writeFeedStatement(version(2))),
      { expected: 'lines with signatures of the same statement' },
    ],
    [
      'over what is no statement',
      'ADVISORY_INVALID',
      line(one, Buffer.from('{')),
      { expected: 'a Sigstore bundle on each line', cause: refusal('JSON_INVALID') },
    ],
    [
      'over another kind of statement',
      'ADVISORY_INVALID',
      line(one, Buffer.from(payload.toString().replace('feed:0.1', 'feed:0.2'))),
      { expected: 'urn:modelseal:advisory-feed:0.1', found: '"urn:modelseal:advisory-feed:0.2"' },
    ],
  ])('is refused if it is %s', async (_, code, text, details) => {
    const file = join(scratch({ 'feed.jsonl': text }), 'feed.jsonl')
    await expect(readFeedFile(file)).rejects.toEqual(refusal(code as 'ADVISORY_INVALID', { file, ...details }))
  })

  test('is refused if it is too large, a directory, or not there', async () => {
    const directory = scratch({ 'feed.jsonl': Buffer.alloc(MAX_FEED_BYTES + 1, '\n') })
    await mkdir(join(directory, 'folder'))
    const read = (name: string) => readFeedFile(join(directory, name))
    await expect(read('feed.jsonl')).rejects.toEqual(refusal('ADVISORY_TOO_LARGE'))
    await expect(read('folder')).rejects.toEqual(refusal('FILE_SPECIAL'))
    await expect(read('none')).rejects.toEqual(
      refusal('FILE_NOT_FOUND', { message: expect.stringContaining('advisory feed') as string }),
    )
  })

  test('is not read once that was aborted', async () => {
    const path = join(scratch({ 'feed.jsonl': line(one, long) }), 'feed.jsonl')
    await expect(readFeedFile(path, AbortSignal.abort())).rejects.toEqual(refusal('ABORTED'))
  })
})

describe('what is no feed file', () => {
  test('is refused without a name of the file if it has none', async () => {
    await expect(feedBundles(Buffer.from('x'))).rejects.toEqual(
      refusal('ADVISORY_INVALID', { file: undefined, message: expect.stringContaining('the advisory feed') as string }),
    )
    await expect(feedBundles(Buffer.from('x'), { file: 'a.jsonl' })).rejects.toEqual(
      refusal('ADVISORY_INVALID', {
        file: 'a.jsonl',
        expected: 'a Sigstore bundle on each line',
        message: expect.stringMatching(/^Cannot read "a\.jsonl": /) as string,
        cause: refusal('JSON_INVALID'),
      }),
    )
  })

  test.each([
    ['feed: f\nexpires: 7d\ndenied: {}\n', true],
    ['{\n  "feed": "f",\n  "denied": {}\n}', true],
    ['{\n  "denied" : {}\n}', true],
    ['x: denied: {}', false],
    ['<html>', false],
  ])('is told from the source of a feed: %j', async (text, isSource) => {
    const error: unknown = await feedBundles(Buffer.from(text)).catch((thrown: unknown) => thrown)
    expect(error).toEqual(refusal('ADVISORY_INVALID'))
    const { hint } = error as { hint: string }
    expect(hint.includes('the source of a feed')).toBe(isSource)
    expect(hint.includes('Get the feed again')).toBe(!isSource)
  })

  test('may be of no line, of 16 lines, and of no more than its largest size', async () => {
    expect(await feedBundles(Buffer.from(line().repeat(16)))).toHaveLength(16)
    const most = Buffer.concat([Buffer.from(line()), Buffer.alloc(MAX_FEED_BYTES - line().length, ' ')])
    const tooLong: unknown = await feedBundles(most).catch((error: unknown) => error)
    expect(tooLong).toEqual(refusal('ADVISORY_INVALID'))
    await expect(feedBundles(Buffer.alloc(MAX_FEED_BYTES + 1), { file: 'f' })).rejects.toEqual(
      refusal('ADVISORY_TOO_LARGE', {
        file: 'f',
        expected: `at most ${MAX_FEED_BYTES} bytes`,
        found: `${MAX_FEED_BYTES + 1} bytes`,
      }),
    )
  })

  test('is not parsed once that was aborted', async () => {
    const signal = AbortSignal.abort()
    const bytes = Buffer.from(line(one, long))
    await expect(feedBundles(bytes, { signal })).rejects.toEqual(refusal('ABORTED'))
    await expect(parseFeedFile(bytes, { signal })).rejects.toEqual(refusal('ABORTED'))
  })
})

test('a version that has expired is refused with when it did', () => {
  expect(feedExpired(version(1, { expires: '2026-01-01T00:00:00Z' }), 'f')).toEqual(
    refusal('ADVISORY_STALE', {
      file: 'f',
      expected: 'a version that is still valid',
      found: 'one that expired at 2026-01-01T00:00:00Z',
    }),
  )
})
