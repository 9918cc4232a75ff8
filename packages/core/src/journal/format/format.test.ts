import { createHash, generateKeyPairSync } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readCommit, writeCommit, type Commit } from './commit.ts'
import { describeJournal, originOf, readJournalFile, writeJournalFile } from './journal-file.ts'
import { checkLine, MAX_LINE, readLine, writeLine } from './line.ts'
import { commitFile, commitIn, newSegmentId, packFile, packIn, segmentFile, segmentIn } from './names.ts'
import { asRecord, LONGEST_TEXT, type JournalRecord } from './record.ts'
import { readVerifierKey, signsJournals, verifierKey } from './verifier-key.ts'

const ID = '1764399547000-0123456789abcdef'
const DIGEST = 'ab'.repeat(32)
const TIME = '2026-11-29T07:00:00.000Z'

const text = fc.string({ unit: 'grapheme', maxLength: 40 })
const digest = fc.string({ unit: fc.constantFrom(...'0123456789abcdef'), minLength: 64, maxLength: 64 })
const time = fc
  .date({ min: new Date(0), max: new Date('9999-01-01'), noInvalidDate: true })
  .map((date) => date.toISOString())
const count = fc.nat()
const code = fc.constantFrom('FILE_MISMATCH', 'JOURNAL_FAILED', 'MODEL_REVOKED')
const fields = <T>(shape: { [Name in keyof T]: fc.Arbitrary<T[Name]> }, requiredKeys: (keyof T)[]) =>
  fc.record(shape, { requiredKeys })

const load = fields(
  {
    type: fc.constant('load'),
    time,
    decision: fc.constantFrom('accepted', 'refused', 'tolerated', 'skipped'),
    code,
    rule: text,
    mode: fc.constantFrom('enforce', 'audit', 'skip'),
    model: fc.record({ path: text, url: text, name: text }, { requiredKeys: [] }),
    rootDigest: digest,
    policy: fc.record({ path: text, digest, includes: fc.array(digest, { maxLength: 3 }) }, { requiredKeys: ['path'] }),
    signers: fc.array(
      fc.record({ method: text, fingerprint: digest, name: text, counted: fc.boolean(), logIndex: count }),
      { maxLength: 3 },
    ),
    claims: fc.array(fc.record({ type: text, digest, signer: digest }), { maxLength: 3 }),
    bytes: count,
    durations: fc.record({ policy: count, verification: count, hashing: count }),
  },
  ['type', 'time', 'decision', 'model', 'signers', 'claims', 'bytes', 'durations'],
)

const record = fc.oneof(
  load,
  fc.record({
    type: fc.constant('model'),
    time,
    rootDigest: digest,
    part: fc.constant(1),
    parts: fc.constant(1),
    files: fc.array(fc.tuple(text, digest), { maxLength: 5 }),
  }),
  fields({ type: fc.constant('end'), time, load: count, segment: fc.constant(ID), why: fc.constant('closed') }, [
    'type',
    'time',
    'load',
    'why',
  ]),
  fc.record({ type: fc.constant('policy'), time, path: text, digest }),
  fc.record({ type: fc.constant('lost'), time, count: fc.integer({ min: 1, max: 1e9 }), code: text }),
  fc.record({ type: fc.constantFrom('alive', 'close'), time }),
) as fc.Arbitrary<JournalRecord>

/** The lines of a segment, each with its line feed. */
function written(records: readonly JournalRecord[]): Buffer[] {
  let before = ID
  return records.map((each) => {
    const { bytes, check } = writeLine(each, before)
    before = check
    return bytes
  })
}

/** Reads a whole segment; undefined if anything is wrong. */
function read(bytes: Buffer): JournalRecord[] | undefined {
  if (bytes.length > 0 && bytes.at(-1) !== 10) return undefined
  const records: JournalRecord[] = []
  let before = ID
  for (let start = 0; start < bytes.length;) {
    const end = bytes.indexOf(10, start)
    const line = readLine(bytes.subarray(start, end), before)
    if (!('record' in line)) return undefined
    records.push(line.record)
    before = line.check
    start = end + 1
  }
  return records
}

describe('a line', () => {
  test('has the record that was written', () => {
    fc.assert(
      fc.property(fc.array(record, { maxLength: 6 }), (records) => {
        expect(JSON.stringify(read(Buffer.concat(written(records))), sorted)).toBe(JSON.stringify(records, sorted))
      }),
    )
  })

  test('shows any changed byte, wherever it is', () => {
    fc.assert(
      fc.property(
        fc.array(record, { minLength: 1, maxLength: 4 }),
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        (records, at, by) => {
          const bytes = Buffer.concat(written(records))
          const index = at % bytes.length
          bytes[index] = bytes[index]! ^ by
          expect(read(bytes)).toBeUndefined()
        },
      ),
      { numRuns: 300 },
    )
  })

  test('shows that one before it was removed, repeated or moved', () => {
    fc.assert(
      fc.property(fc.array(record, { minLength: 2, maxLength: 6 }), fc.nat(), (records, at) => {
        const lines = written(records)
        const index = at % (lines.length - 1)
        expect(read(Buffer.concat(lines.toSpliced(index, 1)))).toBeUndefined()
        expect(read(Buffer.concat(lines.toSpliced(index, 0, lines[index]!)))).toBeUndefined()
        expect(read(Buffer.concat(lines.toSpliced(index, 2, lines[index + 1]!, lines[index]!)))).toBeUndefined()
      }),
    )
  })

  test('shows that it is of another segment', () => {
    const [line] = written([{ type: 'close', time: TIME }])
    expect(readLine(line!.subarray(0, -1), newSegmentId())).toMatchObject({
      fault: 'it was changed, or is not the line that followed the one before',
    })
  })

  test('is refused where it is cut, at every byte', () => {
    const [line] = written([{ type: 'policy', time: TIME, path: '/etc/modelseal/policy.yaml', digest: DIGEST }])
    for (let end = 0; end < line!.length - 1; end++)
      expect(readLine(line!.subarray(0, end), ID)).toHaveProperty('fault')
    expect(readLine(line!.subarray(0, -1), ID)).toHaveProperty('record')
  })

  test('is canonical JSON, the check included', () => {
    const line = written([{ type: 'lost', time: TIME, count: 3, code: 'ENOSPC' }])[0]!.toString()
    expect(line).toMatch(/^\{"code":"ENOSPC","count":3,"time":"[^"]+","type":"lost","~check":"[0-9a-f]{16}"\}\n$/)
  })

  test.each([
    [
      'a field that is unknown',
      '{"time":"2026-11-29T07:00:00.000Z","type":"close","x":1}',
      'expected known fields only',
    ],
    ['another type', '{"time":"2026-11-29T07:00:00.000Z","type":"toString"}', 'it is of an unknown type'],
    ['blanks', '{"time": "2026-11-29T07:00:00.000Z","type":"close"}', 'it is not canonical JSON'],
    ['another order', '{"type":"close","time":"2026-11-29T07:00:00.000Z"}', 'it is not canonical JSON'],
    [
      'a name twice',
      '{"time":"2026-11-29T07:00:00.000Z","time":"2026-11-29T07:00:00.000Z","type":"close"}',
      'it is not canonical JSON',
    ],
    [
      'another order in a list of fields',
      `{"advisories":[{"source":"s","feed":"f"}],"bytes":0,"claims":[],"decision":"skipped","durations":{"hashing":0,"policy":0,"verification":0},"model":{},"signers":[],"time":"${TIME}","type":"load"}`,
      'it is not canonical JSON',
    ],
    ['another number', `{"code":"EIO","count":1.0,"time":"${TIME}","type":"lost"}`, 'it is not canonical JSON'],
    ['another escape', `{"code":"\\u0045IO","count":1,"time":"${TIME}","type":"lost"}`, 'it is not canonical JSON'],
    ['another time', '{"time":"2026-11-29","type":"close"}', 'time: expected a time'],
  ])('is refused with %s, even if its check is right', (_, json, fault) => {
    const line = forged(json.slice(0, -1))
    expect(checkLine(line, ID)).toHaveProperty('check')
    const found = readLine(line, ID)
    expect('fault' in found && found.fault).toContain(fault)
  })

  test('is refused if it is too long, or not UTF-8', () => {
    expect(readLine(Buffer.alloc(MAX_LINE + 1), ID)).toEqual({ fault: 'it has more than 65536 bytes' })
    expect(readLine(forged(Buffer.from([0x7b, 0x22, 0xff, 0x22])), ID)).toMatchObject({ fault: 'it is not UTF-8' })
  })
})

describe('hostile text', () => {
  const hostile = (length: number, name: string): JournalRecord => ({
    type: 'load',
    time: TIME,
    decision: 'refused',
    model: {
      path: name,
      url: name,
      revision: name,
      requested: name,
      packageUrl: name,
      format: name,
      name,
      entry: name,
    },
    rule: name,
    by: name,
    policy: { path: name, includes: Array.from({ length: 64 }, () => DIGEST) },
    signers: Array.from({ length }, () => ({
      method: name,
      fingerprint: DIGEST,
      name,
      counted: false,
      identity: name,
      issuer: name,
      alternativeNames: Array.from({ length: 16 }, () => name),
    })),
    claims: Array.from({ length }, () => ({
      type: name,
      digest: DIGEST,
      signer: DIGEST,
      inputs: Array.from({ length: 500 }, () => DIGEST),
    })),
    bytes: 0,
    durations: { policy: 0, verification: 0, hashing: 0 },
  })

  test.each(['x', '\u0000', '"', '\u{1f600}', '\ud800', '</script>\n'])(
    '%j without end still makes a valid line',
    (unit) => {
      for (const length of [0, 1, 64]) {
        const { bytes } = writeLine(hostile(length, unit.repeat(5_000)), ID)
        expect(bytes.length - 1).toBeLessThanOrEqual(MAX_LINE)
        expect(readLine(bytes.subarray(0, -1), ID)).toMatchObject({ record: { type: 'load', decision: 'refused' } })
      }
    },
  )

  test('is cut where it is longer than any that is in use, and marked', () => {
    const { bytes } = writeLine({ type: 'policy', time: TIME, path: 'a'.repeat(2_000) }, ID)
    expect(readLine(bytes.subarray(0, -1), ID)).toMatchObject({ record: { path: `${'a'.repeat(LONGEST_TEXT - 1)}…` } })
  })

  test('keeps the signers as long as anything else can be cut', () => {
    const { bytes } = writeLine(hostile(4, 'x'.repeat(900)), ID)
    const line = readLine(bytes.subarray(0, -1), ID)
    expect(line).toMatchObject({ record: { cut: true } })
    expect('record' in line && line.record.type === 'load' && line.record.signers).toHaveLength(4)
  })

  test('of files is cut with the list, which says so', () => {
    const files = Array.from({ length: 500 }, (_, index) => [`${index}${'x'.repeat(800)}`, DIGEST])
    const { bytes } = writeLine({ type: 'model', time: TIME, rootDigest: DIGEST, part: 1, parts: 1, files }, ID)
    expect(readLine(bytes.subarray(0, -1), ID)).toMatchObject({ record: { cut: true } })
  })

  test('does not become a field of the prototype', () => {
    expect(asRecord(JSON.parse('{"type":"close","time":"2026-11-29T07:00:00.000Z","__proto__":{}}'))).toHaveProperty(
      'fault',
    )
    expect(asRecord(null)).toHaveProperty('fault')
  })
})

describe('the names of files', () => {
  test('say what they are, and sort as they were created', () => {
    expect(segmentIn(segmentFile(ID))).toBe(ID)
    expect(commitIn(commitFile(12))).toBe(12)
    expect(packIn(packFile(3))).toBe(3)
    expect([commitFile(9) < commitFile(10), packFile(99) < packFile(100)]).toEqual([true, true])
    expect(newSegmentId(5) < newSegmentId(10_000)).toBe(true)
    expect(newSegmentId(-1)).toMatch(/^0{13}-[0-9a-f]{16}$/)
  })

  test.each(['', '../x.jsonl', `${ID}.jsonl.tmp`, ID, '0000000001.jsonx', 'x'])('do not include %j', (name) => {
    expect([segmentIn(name), commitIn(name), packIn(name)]).toEqual([undefined, undefined, undefined])
  })
})

describe('commits and the file of a journal', () => {
  const commit: Commit = {
    index: 7,
    leaf: { segment: ID, size: 3, root: DIGEST, bytes: 500, time: TIME },
    frontier: [DIGEST],
    note: 'modelseal.journal/00\n8\nAAAA\n\n— x AAAA\n',
  }

  test('are read as they were written', () => {
    expect(readCommit(writeCommit(commit))).toEqual({ commit })
    const { publicKey } = generateKeyPairSync('ed25519')
    const journal = describeJournal({ nonce: 'ab'.repeat(16), host: 'node-1\ud800', created: TIME }, publicKey)
    expect(readJournalFile(writeJournalFile(journal))).toEqual({ journal })
    expect(originOf(journal)).toBe(`modelseal.journal/${journal.id}`)
    expect(readJournalFile(writeJournalFile({ ...journal, host: 'node-2' }))).toEqual({
      fault: 'its id is not the digest of what it says',
    })
  })

  test('name a key of either kind, and no other', () => {
    for (const { publicKey } of [
      generateKeyPairSync('ed25519'),
      generateKeyPairSync('ec', { namedCurve: 'P-256' }),
    ] as const) {
      const text = verifierKey('a/b', publicKey)
      const read = readVerifierKey(text)
      expect([read?.name, read?.key.equals(publicKey)]).toEqual(['a/b', true])
      expect(signsJournals(publicKey)).toBe(true)
      expect(readVerifierKey(text.slice(0, -4))).toBeUndefined()
    }
    expect(signsJournals(generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey)).toBe(false)
    const offCurve = Buffer.alloc(92, 7)
    offCurve[0] = 2
    expect(readVerifierKey(`x+00000000+${offCurve.toString('base64')}`)).toBeUndefined()
  })

  test.each([
    ['cut', writeCommit(commit).slice(0, -2), 'it is not JSON'],
    ['without a line feed', writeCommit(commit).slice(0, -1), 'it is not canonical JSON'],
    ['with another field', writeCommit(commit).replace('{', '{"a":1,'), 'expected known fields only'],
    ['without a hash', writeCommit({ ...commit, frontier: [] }), 'frontier: expected at least 1 entry'],
  ])('are refused %s', (_, text, fault) => {
    expect(readCommit(text)).toEqual({ fault })
    expect(readJournalFile(text)).toHaveProperty('fault')
  })
})

/** A line with a right check, as somebody could write it who knows the format. */
function forged(content: string | Buffer): Buffer {
  const check = createHash('sha256').update(ID).update(content).digest('hex').slice(0, 16)
  return Buffer.concat([Buffer.from(content), Buffer.from(`,"~check":"${check}"}`)])
}

function sorted(_: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
}

const TOKEN = `ghp_${'aB1'.repeat(12)}`

describe('a token is in no line', () => {
  const of = { format: 1, pid: 1, thread: 0, node: TOKEN, modelseal: TOKEN, started: TIME }
  const signed = { key: DIGEST, signature: DIGEST + DIGEST }
  test.each<JournalRecord>([
    { type: 'segment', time: TIME, segment: ID, service: TOKEN, host: `${TOKEN}.example`, ...of, ...signed, format: 1 },
    {
      type: 'model',
      time: TIME,
      rootDigest: DIGEST,
      part: 1,
      parts: 1,
      name: TOKEN,
      algorithm: TOKEN,
      files: [[TOKEN, DIGEST]],
    },
    { type: 'policy', time: TIME, path: `/etc/${TOKEN}/policy.yaml`, code: 'POLICY_INVALID' },
    { type: 'advisory', time: TIME, source: `https://feeds.example/${TOKEN}`, feed: TOKEN },
    { type: 'lost', time: TIME, count: 1, code: TOKEN },
  ])('of type $type, and the line is still valid', (given) => {
    const line = writeLine(given, ID).bytes
    expect(line.toString()).toContain('[token withheld]')
    expect(line.toString()).not.toContain(TOKEN)
    expect(readLine(line.subarray(0, -1), ID)).toMatchObject({ record: { type: given.type } })
  })

  test('even if it would have been cut', () => {
    const record = { type: 'policy', time: TIME, path: `${'a'.repeat(LONGEST_TEXT - 30)}${TOKEN}` } as const
    expect(writeLine(record, ID).bytes.toString()).not.toContain('ghp_')
  })

  test('and not in journal.json', () => {
    const { publicKey } = generateKeyPairSync('ed25519')
    const journal = describeJournal({ nonce: '0'.repeat(32), host: TOKEN, created: TIME }, publicKey)
    expect(journal.host).toBe('[token withheld]')
    expect(readJournalFile(writeJournalFile(journal))).toEqual({ journal })
  })
})
