import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { ErrorCode } from '../../errors.ts'
import { bundleOver, encoded, keyPair, type LooseJson } from '../../testing/bundles.ts'
import { expectLinear } from '../../testing/linear.ts'
import { refusal } from '../../testing/scratch.ts'
import { canonicalJson } from '../../schema/canonical-json.ts'
import { feedPredicateJsonSchema } from './feed-schema.ts'
import { feedBundles, parseFeedFile, readFeed } from './feed-file.ts'
import { writeFeedStatement, type FeedContent } from './feed-statement.ts'

const HEX = 'a'.repeat(64)
const CONTENT: FeedContent = {
  feed: 'https://models.example/advisories',
  sequence: 7,
  issued: '2026-11-01T00:00:00Z',
  expires: '2026-11-08T00:00:00Z',
  denied: {
    rootDigests: [{ digest: `sha256:${HEX}`, reason: 'poisoned', severity: 'critical' }, 'b'.repeat(64)],
    fileDigests: [`blake3:${HEX}`],
    keys: [HEX, { fingerprint: 'c'.repeat(64), from: '2026-10-01T00:00:00Z' }],
    certificates: [{ serial: '0a', issuer: 'CN=CA' }],
    identities: [
      { identity: 'a@models.example', issuer: 'https://issuer.example' },
      { identity: { regexp: 'b.*' } },
      { identity: { pattern: '*@evil.example' }, severity: 'low' },
    ],
    claims: [HEX, { digest: 'd'.repeat(64), severity: 'medium' }],
    packages: [
      'pkg:huggingface/acme/vad@0123456789abcdef0123456789abcdef01234567',
      { purl: 'pkg:huggingface/acme/all', reason: 'é "quoted"' },
    ],
  },
}

/** A payload with a matching digest, over a statement that a test changes. */
function changed(change: (predicate: LooseJson, statement: LooseJson) => void): Buffer {
  const statement = JSON.parse(writeFeedStatement(CONTENT).toString())
  change(statement.predicate, statement)
  const digest = createHash('sha256').update(canonicalJson(statement.predicate)).digest('hex')
  if (statement.subject?.[0]?.digest) statement.subject[0].digest.sha256 = digest
  return encoded(statement)
}

test('returns what was written', async () => {
  const payload = writeFeedStatement(CONTENT)
  const feed = await readFeed(payload)
  expect(feed).toEqual({
    ...CONTENT,
    denied: {
      ...CONTENT.denied,
      identities: expect.arrayContaining(CONTENT.denied.identities ?? []),
      rootDigests: ['b'.repeat(64), CONTENT.denied.rootDigests?.[0]],
      claims: [HEX, { digest: 'd'.repeat(64), severity: 'medium' }],
    },
    digest: createHash('sha256').update(payload).digest('hex'),
  })
  expect(writeFeedStatement(feed)).toEqual(payload)
})

test('writes the same statement whatever the order, without repetitions and empty lists', () => {
  const [first, second] = CONTENT.denied.rootDigests ?? []
  if (!first || !second) throw new Error('missing')
  const other = { ...CONTENT, denied: { ...CONTENT.denied, rootDigests: [second, first, second] } }
  expect(writeFeedStatement(other)).toEqual(writeFeedStatement(CONTENT))
  expect(writeFeedStatement({ ...CONTENT, denied: { keys: [] } })).toEqual(
    writeFeedStatement({ ...CONTENT, denied: {} }),
  )
})

test('writes canonical JSON (RFC 8785): sorted keys, no spaces', () => {
  const text = writeFeedStatement({
    ...CONTENT,
    denied: { keys: [{ reason: 'x\u2028"', fingerprint: HEX }] },
  }).toString()
  const predicate = `{"denied":{"keys":[{"fingerprint":"${HEX}","reason":"x\u2028\\""}]},"expires":"2026-11-08T00:00:00Z","feed":"https://models.example/advisories","issued":"2026-11-01T00:00:00Z","sequence":7}`
  const digest = createHash('sha256').update(predicate).digest('hex')
  expect(text).toBe(
    `{"_type":"https://in-toto.io/Statement/v1","subject":[{"name":"https://models.example/advisories","digest":{"sha256":"${digest}"}}],"predicateType":"urn:modelseal:advisory-feed:0.1","predicate":${predicate}}`,
  )
})

test('accepts a feed that denies nothing, and a statement in another form', async () => {
  await expect(readFeed(writeFeedStatement({ ...CONTENT, denied: {} }))).resolves.toMatchObject({ denied: {} })
  const spaced = Buffer.from(JSON.stringify(JSON.parse(changed(() => {}).toString()), null, 2))
  await expect(readFeed(spaced)).resolves.toMatchObject({ sequence: 7 })
})

describe('refuses a statement that', () => {
  test.each<[string, ErrorCode, (predicate: LooseJson, statement: LooseJson) => void]>([
    ['has another type', 'ADVISORY_INVALID', (_, s) => (s._type = 'https://in-toto.io/Statement/v0.1')],
    ['is of another version', 'ADVISORY_INVALID', (_, s) => (s.predicateType = 'urn:modelseal:advisory-feed:0.2')],
    ['has no predicate', 'ADVISORY_INVALID', (_, s) => (s.predicate = null)],
    ['has an unknown field', 'ADVISORY_INVALID', (_, s) => (s.extra = 1)],
    ['has an unknown field in its predicate', 'ADVISORY_INVALID', (p) => (p.extra = 1)],
    ['has an unknown list', 'ADVISORY_INVALID', (p) => (p.denied.models = [])],
    ['has an unknown field in an entry', 'ADVISORY_INVALID', (p) => (p.denied.rootDigests[1].because = 'x')],
    ['has no lists', 'ADVISORY_INVALID', (p) => delete p.denied],
    ['has a list that is null', 'ADVISORY_INVALID', (p) => (p.denied.keys = null)],
    ['has lists that are an array', 'ADVISORY_INVALID', (p) => (p.denied = [])],
    ['has a number in a list', 'ADVISORY_INVALID', (p) => (p.denied.keys = [1])],
    ['has an uppercase digest', 'ADVISORY_INVALID', (p) => (p.denied.rootDigests = ['A'.repeat(64)])],
    ['has a key that names a file', 'ADVISORY_INVALID', (p) => (p.denied.keys = [{ file: 'a.pub' }])],
    ['has a key without a fingerprint', 'ADVISORY_INVALID', (p) => (p.denied.keys = [{ reason: 'x' }])],
    ['has a certificate in a file', 'ADVISORY_INVALID', (p) => (p.denied.certificates = [{ file: 'a.crt' }])],
    ['has a serial number without an issuer', 'ADVISORY_INVALID', (p) => (p.denied.certificates = [{ serial: '1' }])],
    ['has an unknown severity', 'ADVISORY_INVALID', (p) => (p.denied.claims = [{ digest: HEX, severity: 'bad' }])],
    [
      'has a bad regular expression',
      'ADVISORY_INVALID',
      (p) => (p.denied.identities = [{ identity: { regexp: '(' } }]),
    ],
    ['has a bad package URL', 'ADVISORY_INVALID', (p) => (p.denied.packages = ['huggingface/acme/vad'])],
    ['has a package URL of a part', 'ADVISORY_INVALID', (p) => (p.denied.packages = ['pkg:huggingface/acme/vad#a'])],
    [
      'has a package for a period',
      'ADVISORY_INVALID',
      (p) => (p.denied.packages = [{ purl: 'pkg:a/b', from: '2026-01-01T00:00:00Z' }]),
    ],
    [
      'has an empty period',
      'ADVISORY_INVALID',
      (p) => (p.denied.keys = [{ fingerprint: HEX, from: '2026-01-02T00:00:00Z', until: '2026-01-01T00:00:00Z' }]),
    ],
    ['has half a character', 'ADVISORY_INVALID', (p) => (p.denied.keys = [{ fingerprint: HEX, reason: '\ud800' }])],
    ['has no name', 'ADVISORY_INVALID', (p) => (p.feed = '')],
    ['has the sequence 0', 'ADVISORY_INVALID', (p) => (p.sequence = 0)],
    ['has half a sequence', 'ADVISORY_INVALID', (p) => (p.sequence = 1.5)],
    ['has a sequence in quotes', 'ADVISORY_INVALID', (p) => (p.sequence = '1')],
    ['has a sequence beyond the safe integers', 'ADVISORY_INVALID', (p) => (p.sequence = 2 ** 53)],
    ['expires before it is issued', 'ADVISORY_INVALID', (p) => (p.expires = '2026-10-01T00:00:00Z')],
    ['expires when it is issued', 'ADVISORY_INVALID', (p) => (p.expires = '2026-11-01T01:00:00+01:00')],
    ['has a time without a time zone', 'ADVISORY_INVALID', (p) => (p.issued = '2026-11-01T00:00:00')],
    ['never expires', 'ADVISORY_INVALID', (p) => delete p.expires],
    ['has no subject', 'ADVISORY_INVALID', (_, s) => (s.subject = [])],
    ['has two subjects', 'ADVISORY_INVALID', (_, s) => s.subject.push(s.subject[0])],
    ['is about another feed', 'ADVISORY_INVALID', (_, s) => (s.subject[0].name = 'other')],
    ['is nested too deeply', 'JSON_TOO_COMPLEX', (p) => (p.denied.keys = JSON.parse('['.repeat(40) + ']'.repeat(40)))],
    [
      'has too many patterns',
      'ADVISORY_TOO_LARGE',
      (p) => (p.denied.identities = Array(1_001).fill({ identity: { pattern: '*' } })),
    ],
    [
      'has too many patterns for issuers',
      'ADVISORY_TOO_LARGE',
      (p) => (p.denied.identities = Array(1_001).fill({ identity: 'a', issuer: { pattern: '*' } })),
    ],
  ])('%s', async (_, code, change) => {
    await expect(readFeed(changed(change), { file: 'feed.jsonl' })).rejects.toEqual(
      refusal(code, { file: 'feed.jsonl' }),
    )
  })

  test('has another digest than its content', async () => {
    const text = changed(() => {})
      .toString()
      .replace('"sequence":7', '"sequence":8')
    await expect(readFeed(Buffer.from(text))).rejects.toEqual(
      refusal('ADVISORY_INVALID', { message: expect.stringContaining('its subject is not its content') as string }),
    )
  })

  test('repeats a key', async () => {
    const text = changed(() => {})
      .toString()
      .replace('"sequence":7', '"sequence":7,"s\\u0065quence":8')
    await expect(readFeed(Buffer.from(text))).rejects.toEqual(refusal('JSON_DUPLICATE_KEY'))
  })

  test.each<[string, ErrorCode, Buffer]>([
    ['is empty', 'JSON_INVALID', Buffer.alloc(0)],
    ['is truncated', 'JSON_INVALID', writeFeedStatement(CONTENT).subarray(0, -1)],
    ['is an array', 'ADVISORY_INVALID', Buffer.from('[]')],
    ['is not UTF-8', 'JSON_NOT_UTF8', Buffer.from([0x22, 0xff, 0x22])],
    ['is too large', 'ADVISORY_TOO_LARGE', Buffer.alloc(64 * 1024 * 1024 + 1, ' ')],
  ])('%s', async (_, code, payload) => {
    await expect(readFeed(payload)).rejects.toEqual(refusal(code))
  })

  test('has too many entries', async () => {
    const denied = { packages: Array(1_000_001).fill('pkg:a/b') as string[] }
    const payload = Buffer.from(
      writeFeedStatement({ ...CONTENT, denied: {} })
        .toString()
        .replace('"denied":{}', `"denied":${JSON.stringify(denied)}`),
    )
    await expect(readFeed(payload)).rejects.toEqual(refusal('ADVISORY_TOO_LARGE'))
  })

  test('names the field', async () => {
    const payload = changed((p) => (p.denied.rootDigests[1].reason = ''))
    await expect(readFeed(payload, { file: 'feed.jsonl' })).rejects.toEqual(
      refusal('ADVISORY_INVALID', {
        message: expect.stringContaining('its field "denied.rootDigests[1].reason" is invalid') as string,
      }),
    )
  })
})

const [first, second] = [keyPair(), keyPair()]
const line = (payload: Uint8Array, by = first) => `${bundleOver(payload, by).toString()}\n`

describe('a feed file', () => {
  const payload = writeFeedStatement(CONTENT)

  test('has several signatures of one statement', async () => {
    const bytes = Buffer.from(`${line(payload)}\n${line(payload, second)}`)
    const { bundles, feed } = await parseFeedFile(bytes)
    expect(bundles.map(({ isAttestation }) => isAttestation)).toEqual([true, true])
    expect(feed).toMatchObject({ feed: CONTENT.feed, sequence: 7 })
  })

  test('may have the line ends of Windows, and no last one', async () => {
    const bytes = Buffer.from(`${line(payload).trim()}\r\n\r\n${line(payload, second).trim()}`)
    expect(await feedBundles(bytes)).toHaveLength(2)
  })

  test.each<[string, ErrorCode, string]>([
    ['is empty', 'ADVISORY_INVALID', ''],
    ['has empty lines only', 'ADVISORY_INVALID', '\n\r\n\n'],
    [
      'has lines over different statements',
      'ADVISORY_INVALID',
      line(payload) + line(writeFeedStatement({ ...CONTENT, sequence: 8 })),
    ],
    ['has too many lines', 'ADVISORY_TOO_LARGE', line(payload).repeat(17)],
    ['has too many empty lines', 'ADVISORY_TOO_LARGE', `${line(payload)}${'\n'.repeat(17)}`],
    ['is a web page', 'ADVISORY_INVALID', '<!doctype html>'],
    ['is truncated', 'ADVISORY_INVALID', line(payload).slice(0, -10)],
    ['is not a bundle', 'ADVISORY_INVALID', '{}\n'],
    ['has a second line that is not a bundle', 'ADVISORY_INVALID', `${line(payload)}{}\n`],
    [
      'is an attestation',
      'ADVISORY_INVALID',
      line(encoded({ _type: 'https://in-toto.io/Statement/v1', predicateType: 'x:y', subject: [], predicate: {} })),
    ],
  ])('is refused if it %s', async (_, code, text) => {
    await expect(parseFeedFile(Buffer.from(text), { file: 'feed.jsonl' })).rejects.toEqual(
      refusal(code, { file: 'feed.jsonl' }),
    )
  })

  test('is refused if it is too large', async () => {
    await expect(feedBundles(Buffer.alloc(64 * 1024 * 1024 + 1, '\n'))).rejects.toEqual(refusal('ADVISORY_TOO_LARGE'))
  })

  test('can be abandoned', async () => {
    const long = writeFeedStatement({ ...CONTENT, denied: { keys: digests(20_000) } })
    await expect(readFeed(long, { signal: AbortSignal.abort() })).rejects.toEqual(refusal('ABORTED'))
  })
})

function digests(count: number): string[] {
  return Array.from({ length: count }, (_, index) => index.toString(16).padStart(64, '0'))
}

test('reads a large feed in turns of the event loop', async () => {
  const payload = writeFeedStatement({ ...CONTENT, denied: { rootDigests: digests(100_000) } })
  let turns = 0
  const timer = setInterval(() => turns++, 1)
  try {
    expect((await readFeed(payload)).denied.rootDigests).toHaveLength(100_000)
  } finally {
    clearInterval(timer)
  }
  expect(turns).toBeGreaterThan(5)
})

describe('for any feed,', () => {
  const hex = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes).toString('hex'))
  const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }).filter((one) => one.isWellFormed())
  const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined })
  const more = { reason: maybe(text), severity: maybe(fc.constantFrom('low', 'medium', 'high', 'critical' as const)) }
  const entries = <T>(one: fc.Arbitrary<T>) => maybe(fc.array(one, { minLength: 1, maxLength: 4 }))
  const feeds = fc.record({
    feed: text,
    sequence: fc.integer({ min: 1 }),
    issued: fc.constant(CONTENT.issued),
    expires: fc.constant(CONTENT.expires),
    denied: fc.record({
      rootDigests: entries(fc.oneof(hex, fc.record({ digest: hex, ...more }))),
      keys: entries(fc.record({ fingerprint: hex, ...more })),
      identities: entries(fc.record({ identity: text, issuer: maybe(text), ...more })),
      claims: entries(hex),
    }),
  })
  const withoutUndefined = (value: unknown) => JSON.parse(JSON.stringify(value)) as FeedContent

  test('what is written is read, and written again as the same bytes', async () => {
    await fc.assert(
      fc.asyncProperty(feeds.map(withoutUndefined), async (content) => {
        const payload = writeFeedStatement(content)
        const feed = await readFeed(payload)
        expect(writeFeedStatement(feed)).toEqual(payload)
        expect([feed.feed, feed.sequence]).toEqual([content.feed, content.sequence])
        for (const [list, given] of Object.entries(content.denied))
          expect(new Set(feed.denied[list as 'keys']?.map(canonicalJson))).toEqual(new Set(given.map(canonicalJson)))
      }),
    )
  })

  test('any changed byte is refused, or changes nothing that is read', async () => {
    const payload = writeFeedStatement(CONTENT)
    const before = { ...(await readFeed(payload)), digest: '' }
    await fc.assert(
      fc.asyncProperty(fc.nat(payload.length - 1), fc.integer({ min: 1, max: 255 }), async (at, by) => {
        const bytes = Buffer.from(payload)
        bytes[at] = (bytes[at] ?? 0) ^ by
        const after = await readFeed(bytes).catch(() => before)
        expect({ ...after, digest: '' }).toEqual(before)
      }),
    )
  })

  test('anything else is refused by a ModelSealError', async () => {
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.json(), fc.string()), async (given) => {
        await expect(parseFeedFile(Buffer.from(given))).rejects.toHaveProperty('name', 'ModelSealError')
        await expect(readFeed(Buffer.from(given))).rejects.toHaveProperty('name', 'ModelSealError')
      }),
    )
  })
})

describe('the JSON Schema of the predicate', () => {
  test('is current: written by "node scripts/write-statement-schemas.mjs"', async () => {
    const path = new URL('../../../advisory-feed-predicate.schema.json', import.meta.url)
    expect(JSON.parse(await readFile(path, 'utf8'))).toEqual(feedPredicateJsonSchema())
  })

  test('accepts what is written, and refuses what is not understood', async () => {
    const { Ajv2020 } = await import('ajv/dist/2020.js')
    const isPredicate = new Ajv2020({ strict: false, validateFormats: false }).compile(feedPredicateJsonSchema())
    const { predicate } = JSON.parse(writeFeedStatement(CONTENT).toString())
    expect(isPredicate(predicate)).toBe(true)
    expect(isPredicate({ ...predicate, denied: { models: [] } })).toBe(false)
    expect(isPredicate({ ...predicate, denied: { keys: [{ file: 'a.pub' }] } })).toBe(false)
  })
})

test.each(['\n', ' ', 'denied', 'denied ', 'denied\n'])(
  'refuses a file of repeated %j in linear time',
  async (part) => {
    const refused = refusal('ADVISORY_INVALID')
    await expectLinear((text) => expect(parseFeedFile(Buffer.from(text))).rejects.toThrow(refused), ['x', part])
  },
)
