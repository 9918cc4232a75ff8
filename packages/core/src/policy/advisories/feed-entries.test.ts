import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { ErrorCode } from '../../errors.ts'
import { authority, pemOf } from '../../testing/authority.ts'
import { keyPair } from '../../testing/bundles.ts'
import { pem } from '../../testing/feeds.ts'
import { refusal, scratch } from '../../testing/scratch.ts'
import { checkedEntries, givenDenied, givenFeed, type FeedEntries } from './feed-entries.ts'

const A = 'a'.repeat(64)
const HEX = expect.stringMatching(/^[0-9a-f]{64}$/) as string
const FEED = { feed: 'f', sequence: 1, issued: '2026-01-01T00:00:00Z', expires: '2026-02-01T00:00:00Z', denied: {} }

describe('entries that a caller gives', () => {
  test('are copied as they are', async () => {
    const given: FeedEntries = {
      rootDigests: [A, { digest: A, reason: 'x' }],
      keys: [A, { fingerprint: A }],
      certificates: [A, { serial: '0a', issuer: 'CN=CA' }],
    }
    expect(await checkedEntries(given)).toEqual(given)
    expect(Object.keys(await checkedEntries({ keys: undefined } as never))).toEqual([])
    // As from a class with accessors.
    const inherited = Object.create({ fingerprint: A }) as { fingerprint: string }
    expect(await checkedEntries({ keys: [inherited] })).toEqual({ keys: [{ fingerprint: A }] })
  })

  test('have fingerprints in place of the files that they name', async () => {
    const key = keyPair()
    const ca = await authority('CA')
    const directory = scratch({ 'a.pub': pem(key), 'ca.crt': pemOf(ca) })
    const [keyFile, file] = [join(directory, 'a.pub'), join(directory, 'ca.crt')]
    expect(
      await checkedEntries({ keys: [{ file: keyFile, reason: 'stolen' }], certificates: [{ file, severity: 'low' }] }),
    ).toEqual({
      keys: [{ fingerprint: HEX, reason: 'stolen' }],
      certificates: [{ fingerprint: HEX, severity: 'low' }],
    })
    await expect(checkedEntries({ keys: [{ file }] })).rejects.toEqual(refusal('KEY_INVALID'))
    await expect(checkedEntries({ certificates: [{ file: keyFile }] })).rejects.toEqual(refusal('CERTIFICATE_INVALID'))
  })

  test.each<[string, ErrorCode, unknown, object]>([
    ['a digest that is none', 'INVALID_ARGUMENT', { rootDigests: ['x'] }, { found: '"x"' }],
    ['a number', 'INVALID_ARGUMENT', { rootDigests: [1] }, { found: undefined }],
    ['an unknown list', 'INVALID_ARGUMENT', { models: [A] }, { found: '"models"' }],
    ['a list that is none', 'INVALID_ARGUMENT', { keys: A }, {}],
    ['a list of lists', 'INVALID_ARGUMENT', { keys: [[A]] }, {}],
    [
      'null in a list',
      'INVALID_ARGUMENT',
      { keys: [null] },
      { message: expect.stringContaining('"keys.0"') as string },
    ],
    ['no object', 'INVALID_ARGUMENT', 'x', { message: expect.stringContaining('entries') as string }],
    [
      'an unknown field',
      'INVALID_ARGUMENT',
      { claims: [{ digest: A, because: 'x' }] },
      { message: expect.stringContaining('"claims.0') as string },
    ],
    [
      'an empty period',
      'INVALID_ARGUMENT',
      { keys: [{ fingerprint: A, from: '2026-01-02T00:00:00Z', until: '2026-01-01T00:00:00Z' }] },
      {
        message: expect.stringContaining('"keys.0.until"') as string,
        expected: expect.stringMatching(/^a time after 2026-01-02/) as string,
        found: '"2026-01-01T00:00:00Z"',
      },
    ],
    ['a key that is not there', 'FILE_NOT_FOUND', { keys: [{ file: '/nowhere/a.pub' }] }, { file: '/nowhere/a.pub' }],
    ['a key in two ways', 'INVALID_ARGUMENT', { keys: [{ file: 'a.pub', fingerprint: A }] }, {}],
    ['a certificate of no file', 'INVALID_ARGUMENT', { certificates: [{ file: '' }] }, {}],
  ])('are refused with %s', async (_, code, given, details) => {
    await expect(checkedEntries(given as never)).rejects.toEqual(refusal(code, details))
  })
})

describe('a feed that a caller gives', () => {
  test('is what it says about itself, and what it denies', async () => {
    expect(await givenFeed({ ...FEED, digest: A, extra: 1, denied: { keys: [A] } } as never, 'f')).toEqual({
      ...FEED,
      denied: { keys: [A] },
    })
    expect(await givenDenied({ ...FEED, denied: { keys: [{ fingerprint: A }] } }, 'f')).toEqual({
      keys: [{ fingerprint: A }],
    })
  })

  test.each<[string, unknown, object]>([
    ['without a name', { ...FEED, feed: '' }, { found: '""' }],
    ['without a sequence', { ...FEED, sequence: undefined }, { found: undefined }],
    [
      'with an end before its beginning',
      { ...FEED, expires: FEED.issued },
      { message: expect.stringContaining('"expires"') as string, found: `"${FEED.issued}"` },
    ],
    ['with no lists', { ...FEED, denied: undefined }, {}],
    [
      'with an unknown list',
      { ...FEED, denied: { models: [] } },
      { found: '"models"', message: expect.stringContaining('denied') as string },
    ],
    ['that names a file', { ...FEED, denied: { keys: [{ file: 'a.pub' }] } }, {}],
    ['that is none', 'feed', { message: expect.stringContaining('verify') as string }],
  ])('is refused %s', async (_, given, details) => {
    await expect(givenFeed(given as never, 'verify')).rejects.toEqual(refusal('INVALID_ARGUMENT', details))
  })

  test('is refused as a whole if all of it is wrong', async () => {
    const refused = await givenDenied({ denied: [] } as never, 'verify').catch((error: unknown) => error)
    expect(refused).toEqual(refusal('INVALID_ARGUMENT'))
  })
})
