import { describe, expect, test } from 'vitest'
import { ModelSealError, type ErrorCode } from '../../errors.ts'
import type { ClaimsCandidate, SourceSession } from '../../source/model-source.ts'
import { OpenedSource } from '../../source/opened-source.ts'
import { bundleOver, encoded, keyPair, sha256, statementOver } from '../../testing/bundles.ts'
import { memorySource } from '../../testing/memory-source.ts'
import { refusal } from '../../testing/scratch.ts'
import { bundlesIn, readAttestationFiles } from './read-attestations.ts'

const MEBIBYTE = 1024 * 1024
const key = keyPair()
const oneLine = (payload: object) => JSON.stringify(JSON.parse(bundleOver(encoded(payload), key).toString()))
const attestation = (predicateType = 'https://example.org/review/v1') =>
  oneLine({ _type: 'https://in-toto.io/Statement/v1', subject: [], predicateType, predicate: {} })
const modelSignature = oneLine(statementOver({ 'a.bin': 'a' }))

/** A place whose file has this content, in pieces. */
function place(path: string, content: string | Buffer, more: Partial<ClaimsCandidate> = {}): ClaimsCandidate {
  const bytes = Buffer.from(content)
  const half = Math.ceil(bytes.length / 2)
  const chunks = [bytes.subarray(0, half), bytes.subarray(half)]
  return { path, read: (_, receive) => receive({ chunks }), ...more }
}

const failing = (path: string, error: Error): ClaimsCandidate => ({ path, read: () => Promise.reject(error) })
const refused = (code: ErrorCode) => new ModelSealError(code, 'Cannot read the file: a test.')

interface Reading {
  session?: Partial<SourceSession>
  isSigned?: (name: string) => boolean
  signal?: AbortSignal
}

async function readAll(places: ClaimsCandidate[], { session, isSigned = () => false, signal }: Reading = {}) {
  const source = memorySource('store://model', new Map(), { session: { claims: () => places, ...session } })
  const opened = await OpenedSource.open(source, { signal })
  try {
    return await readAttestationFiles(opened, { files: await opened.model(), isSigned }, signal)
  } finally {
    await opened.close()
  }
}

/** The path of each, with the code of its error or the digest of its bundle. */
async function read(places: ClaimsCandidate[], reading?: Reading): Promise<string[]> {
  const found = await readAll(places, reading)
  return found.map((one) => `${one.path} ${'error' in one ? one.error.code : one.bundle.digest.slice(0, 8)}`)
}

const known = (text: string) => sha256(text).slice(0, 8)
const [first, second] = [attestation('https://example.org/a'), attestation('https://example.org/b')]

describe('a file of lines', () => {
  test('has one attestation a line, named by its number, whether or not it ends in a line break', async () => {
    const text = `${first}\n\n \t\r\n${second}`
    expect(await read([place('claims.jsonl', text, { lines: true })])).toEqual([
      `claims.jsonl:1 ${known(first)}`,
      `claims.jsonl:4 ${known(second)}`,
    ])
    expect(await read([place('claims.jsonl', '', { lines: true })])).toEqual([])
    expect(await read([place('claims.jsonl', '\n', { lines: true })])).toEqual([])
  })

  test('keeps the bytes of each line', async () => {
    const [found] = await readAll([place('claims.jsonl', first, { lines: true })])
    expect(found).toMatchObject({ bytes: Buffer.from(first) })
  })

  test('has an error for each line that cannot be read', async () => {
    expect(await read([place('claims.jsonl', `!\n${first}\n{}\n`, { lines: true })])).toEqual([
      'claims.jsonl:1 JSON_INVALID',
      `claims.jsonl:2 ${known(first)}`,
      'claims.jsonl:3 BUNDLE_MALFORMED',
    ])
  })

  test('can have a line of 8 MiB, and no longer one, even if it begins with as much white space', async () => {
    const padded = (length: number) => Buffer.concat([Buffer.alloc(length - first.length, ' '), Buffer.from(first)])
    expect(await read([place('a', padded(8 * MEBIBYTE), { lines: true })])).toHaveLength(1)
    const [found] = await readAll([
      place('a', Buffer.concat([Buffer.from('!'), padded(8 * MEBIBYTE)]), { lines: true }),
    ])
    expect(found).toMatchObject({
      path: 'a:1',
      error: { code: 'ATTESTATIONS_TOO_LARGE', file: 'a:1', expected: `at most ${8 * MEBIBYTE} bytes` },
    })
    // What is blank as far as it is looked at has no attestation that could be read.
    expect(await read([place('a', Buffer.alloc(9 * MEBIBYTE, ' '), { lines: true })])).toEqual([])
  })

  test('can have 100,000 lines, and no more, even if all are empty', async () => {
    const lines = (count: number) => place('a', `${'\n'.repeat(count - 1)}${first}`, { lines: true })
    expect(await read([lines(100_000)])).toEqual([`a:100000 ${known(first)}`])
    expect(await read([place('a', '\n'.repeat(100_000), { lines: true })])).toEqual([])
    await expect(read([lines(100_001)])).rejects.toEqual(
      refusal('ATTESTATIONS_TOO_MANY', { file: 'a', expected: 'at most 100000 lines' }),
    )
  })
})

describe('a file of one attestation', () => {
  test('is read as a whole, under its own path', async () => {
    const formatted = JSON.stringify(JSON.parse(first), null, 2)
    expect(await read([place('a.sigstore.json', formatted)])).toEqual([`a.sigstore.json ${known(formatted)}`])
    expect(await read([place('a.sigstore.json', `${first}\n${second}`)])).toEqual(['a.sigstore.json JSON_INVALID'])
    expect(await read([place('a.sigstore.json', '')])).toEqual(['a.sigstore.json JSON_INVALID'])
  })

  test('cannot be longer than 8 MiB', async () => {
    const padded = (length: number) => Buffer.concat([Buffer.from(first), Buffer.alloc(length - first.length, ' ')])
    expect(await read([place('a', padded(8 * MEBIBYTE))])).toEqual([expect.not.stringContaining('ATTESTATIONS')])
    expect(await read([place('a', padded(8 * MEBIBYTE + 1))])).toEqual(['a ATTESTATIONS_TOO_LARGE'])
  })
})

describe('a place', () => {
  test('that may have bundles of models as well has only attestations', async () => {
    expect(await read([place('a', modelSignature, { mixed: true }), place('b', '{', { mixed: true })])).toEqual([])
    expect(await read([place('a', first, { mixed: true })])).toEqual([`a ${known(first)}`])
    const text = `${modelSignature}\n${first}\n!\n`
    expect(await read([place('a', text, { lines: true, mixed: true })])).toEqual([`a:2 ${known(first)}`])
  })

  test('of attestations only has whatever is there', async () => {
    expect(await read([place('a', modelSignature)])).toEqual([`a ${known(modelSignature)}`])
  })

  test('in the model is not read if the manifest names it', async () => {
    const isSigned = (name: string) => name === 'claims.jsonl'
    const inside = (name: string | undefined) => place('a', first, { name })
    expect(await read([inside('claims.jsonl')], { isSigned })).toEqual([])
    expect(await read([inside('other.jsonl'), inside(undefined)], { isSigned })).toHaveLength(2)
    expect(await read([inside(undefined)], { isSigned: () => true })).toHaveLength(1)
  })

  test('without a file is passed over', async () => {
    const missing = { path: 'a', read: () => Promise.resolve(undefined) }
    expect(await read([missing, failing('b', refused('BUNDLE_NOT_FOUND')), place('c', first)])).toEqual([
      `c ${known(first)}`,
    ])
  })

  test.each<ErrorCode>(['FILE_UNREADABLE', 'BUNDLE_TOO_LARGE', 'ATTESTATIONS_TOO_LARGE'])(
    'whose file cannot be read (%s) is an attestation with an error',
    async (code) => {
      expect(await read([failing('a', refused(code)), place('b', first)])).toEqual([`a ${code}`, `b ${known(first)}`])
    },
  )

  test.each<[ErrorCode, Error]>([
    ['HTTP_UNREACHABLE', refused('HTTP_UNREACHABLE')],
    ['SOURCE_LISTING', refused('SOURCE_LISTING')],
    ['SOURCE_FAILED', new Error('a fault of the source')],
  ])('whose source fails (%s) refuses them all', async (code, error) => {
    await expect(read([place('a', first), failing('b', error)])).rejects.toEqual(refusal(code))
  })

  test('whose source fails is named', async () => {
    await expect(read([failing('b', new Error('a fault'))])).rejects.toThrow(/file of attestations "b"/)
  })
})

describe('all places together', () => {
  test('have at most a thousand attestations, readable or not', async () => {
    const lines = (count: number) => place('many', '{}\n'.repeat(count), { lines: true })
    expect(await read([lines(999), place('last', first)])).toHaveLength(1_000)
    const tooMany = (file: string) => refusal('ATTESTATIONS_TOO_MANY', { file, expected: 'at most 1000' })
    await expect(read([lines(1_000), place('last', first)])).rejects.toEqual(tooMany('last'))
    await expect(read([lines(1_001)])).rejects.toEqual(tooMany('many'))
  })

  test('have no more if files are among them that cannot be read', async () => {
    const lines = place('many', '{}\n'.repeat(1_000), { lines: true })
    const unreadable = failing('unreadable', refused('FILE_UNREADABLE'))
    await expect(read([lines, unreadable, lines])).rejects.toEqual(
      refusal('ATTESTATIONS_TOO_MANY', { file: 'unreadable' }),
    )
  })

  test('have as many bytes as the source allows, whether it states sizes or not', async () => {
    const maxBytes = first.length + second.length
    const session = { limit: { maxBytes, option: 'maxBytes' } }
    const places = [place('a', first), place('b', second)]
    expect(await read(places, { session })).toHaveLength(2)
    const expected = [`a ${known(first)}`, 'b ATTESTATIONS_TOO_LARGE', `c ${known(second)}`]
    const longer = place('b', `${second} `)
    expect(await read([places[0]!, longer, place('c', second)], { session })).toEqual(expected)
    const stated: ClaimsCandidate = {
      path: 'b',
      read: (_, receive) => receive({ size: second.length + 1, chunks: failingChunks() }),
    }
    const found = await readAll([places[0]!, stated], { session })
    expect(found[1]).toMatchObject({
      error: { code: 'ATTESTATIONS_TOO_LARGE', file: 'b', expected: `at most ${second.length} bytes` },
    })
    const exact: ClaimsCandidate = {
      path: 'b',
      read: ({ maxBytes: room }, receive) => receive({ size: room, chunks: [Buffer.from(second)] }),
    }
    expect(await read([places[0]!, exact], { session })).toEqual([expected[0], `b ${known(second)}`])
  })

  test('have at most 64 MiB, whatever the source allows', async () => {
    let room: number | undefined
    const asked: ClaimsCandidate = {
      path: 'a',
      read: ({ maxBytes }) => Promise.resolve(void (room = maxBytes)),
    }
    await read([asked])
    expect(room).toBe(64 * MEBIBYTE)
    await read([asked], { session: { limit: { maxBytes: 1_000 * MEBIBYTE, option: 'maxBytes' } } })
    expect(room).toBe(64 * MEBIBYTE)
  })
})

/** Nobody may ask for content that is known to be too long. */
async function* failingChunks(): AsyncGenerator<Uint8Array> {
  await Promise.reject(new Error('read all the same'))
  yield Buffer.alloc(0)
}

describe('reading is abandoned', () => {
  test('before it begins', async () => {
    const signal = AbortSignal.abort()
    const lines = bundlesIn(Buffer.from(first), 'a', signal)
    await expect(lines.next()).rejects.toEqual(refusal('ABORTED'))
  })

  test('while the attestation of a file is parsed', async () => {
    const source = memorySource('store://model', new Map(), { session: { claims: () => [place('a', first)] } })
    const opened = await OpenedSource.open(source, { signal: undefined })
    const about = { files: await opened.model(), isSigned: () => false }
    await expect(readAttestationFiles(opened, about, AbortSignal.abort())).rejects.toEqual(refusal('ABORTED'))
    await opened.close()
  })

  test('between two lines', async () => {
    const controller = new AbortController()
    const lines = bundlesIn(Buffer.from(`${first}\n${second}`), 'a', controller.signal)
    expect(await lines.next()).toMatchObject({ done: false })
    controller.abort()
    await expect(lines.next()).rejects.toEqual(refusal('ABORTED'))
  })

  test('among empty lines', async () => {
    const controller = new AbortController()
    const lines = bundlesIn(Buffer.from(`${first}${'\n'.repeat(99_000)}`), 'a', controller.signal)
    await lines.next()
    controller.abort()
    await expect(lines.next()).rejects.toEqual(refusal('ABORTED'))
  })
})
