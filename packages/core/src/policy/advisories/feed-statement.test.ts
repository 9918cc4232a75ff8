import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { canonicalJson } from '../../schema/canonical-json.ts'
import { atOnce } from '../../source/turns.ts'
import { encoded, type LooseJson } from '../../testing/bundles.ts'
import { version } from '../../testing/feeds.ts'
import { refusal } from '../../testing/scratch.ts'
import { withLibraries } from '../when-needed.ts'
import { deniedSchema, headerSchema, type Denied } from './feed-schema.ts'
import { digestSteps, feedSteps, feedTooLarge, MAX_FEED_BYTES, writeFeedStatement } from './feed-statement.ts'

const HEX = 'a'.repeat(64)
const read = (payload: Uint8Array) => withLibraries(() => atOnce(feedSteps(payload, 'f')))
const sha256 = (content: string | Uint8Array) => createHash('sha256').update(content).digest('hex')

/** A statement that a test changes, with the digest of what it became. */
function changed(change: (predicate: LooseJson, statement: LooseJson) => void, denied: Denied = {}): Buffer {
  const statement = JSON.parse(writeFeedStatement(version(1, { denied })).toString())
  change(statement.predicate, statement)
  if (statement.subject?.[0]?.digest) statement.subject[0].digest.sha256 ??= sha256(canonicalJson(statement.predicate))
  return encoded(statement)
}
/** The same, with what a list denies. */
const denying = (list: string, ...entries: unknown[]) =>
  changed((predicate, statement) => {
    predicate.denied[list] = entries
    delete statement.subject[0].digest.sha256
  })

describe('a statement is refused, with what was expected and found,', () => {
  test.each<[string, Buffer, object]>([
    [
      'for its type',
      changed((_, statement) => (statement._type = 'x')),
      { expected: 'https://in-toto.io/Statement/v1', found: '"x"' },
    ],
    [
      'for its predicate type',
      changed((_, statement) => (statement.predicateType = 'x')),
      { expected: 'urn:modelseal:advisory-feed:0.1', found: '"x"', hint: expect.stringContaining('update') as string },
    ],
    ['for a field', changed((_, statement) => (statement.extra = 1)), { expected: 'no such field' }],
    ['for a list', denying('models'), { expected: 'no such field', message: expect.stringContaining('denied.models') }],
    ['for its lists', changed((predicate) => (predicate.denied = 1)), { expected: 'an object' }],
    ['for its name', changed((predicate) => (predicate.feed = '')), { found: '""' }],
    [
      'for its end',
      changed((predicate) => (predicate.expires = predicate.issued)),
      { message: expect.stringContaining('"expires"'), expected: expect.stringMatching(/^a time after .*issued$/) },
    ],
    [
      'for its subjects',
      changed((_, s) => (s.subject = [])),
      { message: expect.stringContaining('"subject"'), expected: 'exactly one subject' },
    ],
    ['for a second subject', changed((_, s) => s.subject.push(s.subject[0])), { expected: 'exactly one subject' }],
    [
      'for the name of its subject',
      changed((_, statement) => (statement.subject[0].name = 'other')),
      { found: expect.stringMatching(/^"other" with "[0-9a-f]{64}"$/) },
    ],
    [
      'for the digest of its subject',
      changed((_, statement) => (statement.subject[0].digest.sha256 = HEX)),
      { expected: expect.stringMatching(/^"acme" with the SHA-256 [0-9a-f]{64} of /), found: `"acme" with "${HEX}"` },
    ],
    [
      'for an entry',
      denying('keys', HEX, 'x'),
      { message: expect.stringContaining('"denied.keys[1]" is invalid'), found: '"x"' },
    ],
    [
      'for a field of an entry',
      denying('claims', { digest: HEX, reason: '' }),
      { message: expect.stringContaining('"denied.claims[0].reason" is invalid'), found: '""' },
    ],
    [
      'for the severity of an entry',
      denying('rootDigests', { digest: HEX, severity: 'grave' }),
      {
        message: expect.stringContaining('"denied.rootDigests[0].severity" is invalid'),
        expected: '"low" or "medium" or "high" or "critical"',
        found: '"grave"',
      },
    ],
    [
      'for an unknown field of an entry',
      denying('keys', { fingerprint: HEX, severity: 'grave', x: 1 }),
      {
        message: expect.stringContaining('"denied.keys[0].x" is not a known field'),
      },
    ],
    [
      'for an entry that is neither text nor fields',
      denying('packages', 1),
      { expected: 'fields with values, or text', found: '1' },
    ],
    [
      'for the period of an entry',
      denying('keys', { fingerprint: HEX, from: '2026-01-02T00:00:00Z', until: '2026-01-02T00:00:00Z' }),
      { message: expect.stringContaining('"denied.keys[0].until"'), found: '"2026-01-02T00:00:00Z"' },
    ],
  ])('%s', async (_, payload, details) => {
    await expect(read(payload)).rejects.toEqual(refusal('ADVISORY_INVALID', { file: 'f', ...details }))
  })

  test.each(['identity', 'issuer', 'reason'])('for half a character in the field %s', async (field) => {
    for (const half of ['\ud800', 'a\udc00']) {
      const text = denying('identities', { identity: 'a', [field]: 'x' }).toString()
      const written = text.replace(`"${field}":"x"`, () => `"${field}":${JSON.stringify(half)}`)
      await expect(read(Buffer.from(written))).rejects.toEqual(
        refusal('ADVISORY_INVALID', {
          message: expect.stringContaining('"denied.identities[0]"') as string,
          expected: 'Unicode text',
        }),
      )
    }
    const pattern = denying('identities', { identity: { pattern: 'x' } })
      .toString()
      .replace('"x"', '"\\ud800*"')
    await expect(read(Buffer.from(pattern))).rejects.toEqual(refusal('ADVISORY_INVALID', { expected: 'Unicode text' }))
  })

  test('for half a character in its name', async () => {
    const written = changed(() => {})
      .toString()
      .replaceAll('"acme"', '"acme\\ud800"')
    await expect(read(Buffer.from(written))).rejects.toEqual(
      refusal('ADVISORY_INVALID', {
        message: expect.stringContaining('"feed" is invalid') as string,
        expected: 'Unicode text',
      }),
    )
  })

  test('for its size', async () => {
    await expect(read(Buffer.alloc(MAX_FEED_BYTES + 1))).rejects.toEqual(
      refusal('ADVISORY_TOO_LARGE', {
        file: 'f',
        expected: `at most ${MAX_FEED_BYTES} bytes`,
        found: `${MAX_FEED_BYTES + 1} bytes`,
      }),
    )
    const message = expect.stringContaining('advisory feed') as string
    await expect(read(Buffer.alloc(MAX_FEED_BYTES))).rejects.toEqual(refusal('JSON_INVALID', { file: 'f', message }))
    expect(feedTooLarge(undefined, 'x', 'y')).toMatchObject({ file: undefined, expected: 'at most x', found: 'y' })
  })

  test('for its number of entries, before any is read', async () => {
    const withNumbers = (count: number) => {
      const text = denying('claims', HEX).toString()
      return Buffer.from(text.replace('"claims":[', `"keys":[${'1,'.repeat(count - 1)}1],"claims":[`))
    }
    await expect(read(withNumbers(1_000_000))).rejects.toEqual(refusal('ADVISORY_INVALID', { found: '1' }))
    await expect(read(withNumbers(1_000_001))).rejects.toEqual(
      refusal('ADVISORY_TOO_LARGE', { file: 'f', expected: 'at most 1000000 entries', found: 'more' }),
    )
  })

  test('for more patterns than are compared', async () => {
    const identities = (count: number, one: object) =>
      writeFeedStatement(
        version(1, {
          denied: { identities: Array.from({ length: count }, (_, at) => ({ ...one, reason: `r${at}` })) } as never,
        }),
      )
    const [identity, issuer] = [{ identity: { pattern: '*' } }, { identity: 'a', issuer: { regexp: 'b' } }]
    for (const one of [identity, issuer]) {
      expect((await read(identities(1_000, one))).denied.identities).toHaveLength(1_000)
      await expect(read(identities(1_001, one))).rejects.toEqual(
        refusal('ADVISORY_TOO_LARGE', {
          file: 'f',
          expected: 'at most 1000 identities that are patterns',
          found: 'more',
        }),
      )
    }
    expect((await read(identities(1_001, { identity: 'a', issuer: 'b' }))).denied.identities).toHaveLength(1_001)
  })
})

describe('a statement', () => {
  test('is read without prototypes, with its digest', async () => {
    const payload = writeFeedStatement(version(3, { denied: { keys: [HEX] } }))
    const feed = await read(payload)
    expect(feed).toEqual({
      ...version(3),
      issued: feed.issued,
      expires: feed.expires,
      denied: { keys: [HEX] },
      digest: sha256(payload),
    })
    expect([feed, feed.denied].map((one) => Object.getPrototypeOf(one) as unknown)).toEqual([null, null])
  })

  test('may have characters written as escapes', async () => {
    const text = denying('identities', { identity: 'é' }).toString()
    const escaped = Buffer.from(text.replace('é', '\\u00e9'))
    expect((await read(escaped)).denied.identities).toEqual([{ identity: 'é' }])
    const period = { from: '2026-01-01T00:00:00Z', until: '2026-01-02T00:00:00Z', reason: 'é' }
    const entries = {
      fileDigests: [{ digest: HEX, ...period }, HEX],
      certificates: [
        { fingerprint: HEX, ...period },
        { serial: '0a', issuer: 'CN=é', ...period },
      ],
      identities: [{ identity: { regexp: 'é' }, issuer: 'é', severity: 'low', reason: 'é' }],
      packages: [{ purl: 'pkg:a/b', reason: 'é' }, 'pkg:a/c'],
    } as const
    for (const [list, given] of Object.entries(entries)) {
      const written = denying(list, ...given)
        .toString()
        .replaceAll('é', '\\u00e9')
      expect((await read(Buffer.from(written))).denied).toEqual({ [list]: given })
    }
    // Only a part of a buffer is the statement.
    const part = Buffer.concat([escaped, Buffer.from('"\\ud800"')]).subarray(0, escaped.length)
    expect((await read(part)).denied.identities).toEqual([{ identity: 'é' }])
  })

  test.each([0, 1, 63, 64, 65, 128, 129])('of %d entries has the digest of its canonical JSON', (count) => {
    const keys = Array.from({ length: count }, (_, index) => index.toString(16).padStart(64, '0'))
    const content = version(1, { denied: { claims: [HEX], keys, rootDigests: [HEX] } })
    const statement = JSON.parse(writeFeedStatement(content).toString())
    const { predicate, subject } = statement as { predicate: { denied: Denied }; subject: object[] }
    const digest = { sha256: sha256(canonicalJson(predicate)) }
    expect(subject).toEqual([{ name: 'acme', digest }])
    expect(predicate.denied.keys ?? []).toEqual(keys)
    expect(
      writeFeedStatement(content)
        .toString()
        .endsWith(`"predicate":${canonicalJson(predicate)}}`),
    ).toBe(true)
  })
})

test('bytes are hashed in pieces', () => {
  for (const length of [0, 1, 512 * 1024 - 1, 512 * 1024, 512 * 1024 + 1, 2 * 1024 * 1024]) {
    const bytes = Buffer.alloc(length, 'x')
    const steps = digestSteps(bytes)
    let count = 0
    for (let step = steps.next(); ; step = steps.next(), count++) {
      if (step.done !== true) continue
      expect(step.value).toBe(sha256(bytes))
      break
    }
    expect(count).toBe(Math.floor(length / (512 * 1024)))
  }
})

describe('what a feed says about itself', () => {
  const header = { feed: 'f', sequence: 1, issued: '2026-01-01T00:00:00Z', expires: '2026-01-01T00:00:01Z' }
  const isValid = (change: object) => 'value' in headerSchema.check({ ...header, ...change })

  test('has bounds', () => {
    expect(isValid({})).toBe(true)
    expect(isValid({ feed: 'x'.repeat(2_048) })).toBe(true)
    const message = 'expected a name or URI of 1 to 2048 characters'
    for (const feed of ['', 'x'.repeat(2_049)])
      expect(headerSchema.check({ ...header, feed })).toMatchObject({ issues: [{ message }] })
    expect(isValid({ sequence: Number.MAX_SAFE_INTEGER })).toBe(true)
    expect(isValid({ sequence: 0 })).toBe(false)
    expect(isValid({ expires: header.issued })).toBe(false)
    expect(isValid({ expires: '2025-12-31T23:59:59Z' })).toBe(false)
    expect(isValid({ extra: 1 })).toBe(false)
  })

  test('may have every severity, and no period that is empty', () => {
    const denied = (entry: object) => 'value' in deniedSchema.check({ rootDigests: [{ digest: HEX, ...entry }] })
    for (const severity of ['low', 'medium', 'high', 'critical']) expect(denied({ severity })).toBe(true)
    expect(denied({ severity: 'none' })).toBe(false)
    expect(denied({ from: header.issued, until: header.expires })).toBe(true)
    expect(denied({ from: header.expires, until: header.issued })).toBe(false)
    for (const list of ['rootDigests', 'fileDigests', 'keys', 'certificates', 'claims'])
      expect([list, 'value' in deniedSchema.check({ [list]: [HEX] })]).toEqual([list, true])
    expect('value' in deniedSchema.check({ keys: [{ file: 'a' }] })).toBe(false)
    expect('value' in deniedSchema.check({ certificates: [{ file: 'a' }] })).toBe(false)
  })
})
