import { describe, expect, test } from 'vitest'
import { MAX_ATTESTATIONS, MAX_CLAIMS_BYTES } from '../../source/claims-name.ts'
import type { Receive, SourceBody } from '../../source/model-source.ts'
import { refusal } from '../../testing/scratch.ts'
import { publishableBeside, readClaims, withClaims } from './claims-file.ts'
import type { Publication } from './publication.ts'
import type { PublishedAttestation } from './published-attestations.ts'

const published = (...lines: (string | Buffer)[]) =>
  lines.map((line) => ({ bytes: Buffer.from(line), path: 'm.claims.jsonl:1' }) as unknown as PublishedAttestation)

describe('attestations are added to a file', () => {
  test.each([
    [undefined, '1\n2\n'],
    ['', '1\n2\n'],
    ['0\n', '0\n1\n2\n'],
    ['0', '0\n1\n2\n'],
    ['\n0\n\n', '\n0\n\n1\n2\n'],
    ['0\n2\n', '0\n2\n1\n'],
    [' 2 \r\n', ' 2 \r\n1\n'],
    ['1\n2', undefined],
  ])('of which everything is kept: %j', (there, merged) => {
    const found = withClaims(there === undefined ? undefined : Buffer.from(there), published('1', '2'))
    expect(found?.toString()).toBe(merged)
  })

  test('byte for byte', () => {
    const line = Buffer.from([0x7b, 0xff, 0xc3, 0x7d])
    expect(withClaims(line, published(line))).toBeUndefined()
    const other = Buffer.from([0x7b, 0xfe, 0xc3, 0x7d])
    expect(withClaims(line, published(other))).toEqual(
      Buffer.concat([line, Buffer.from('\n'), other, Buffer.from('\n')]),
    )
  })

  test('that a load would not find too long', () => {
    const there = (lines: number) => Buffer.from('x\n\n'.repeat(lines))
    expect(withClaims(there(MAX_ATTESTATIONS - 2), published('1', '2'))).toBeDefined()
    const expected = `at most ${MAX_ATTESTATIONS}`
    expect(() => withClaims(there(MAX_ATTESTATIONS - 1), published('1', '2'))).toThrow(
      expect.objectContaining({
        code: 'ATTESTATIONS_TOO_MANY',
        expected,
        found: String(MAX_ATTESTATIONS + 1),
      }) as Error,
    )
  })

  test('that a load would not find too large', () => {
    // With the line feed at its end, and the one between the two lines.
    const there = Buffer.alloc(MAX_CLAIMS_BYTES - 3, 'x')
    expect(withClaims(there, published('1'))).toHaveLength(MAX_CLAIMS_BYTES)
    expect(() => withClaims(there, published('12'))).toThrow(
      expect.objectContaining({
        code: 'ATTESTATIONS_TOO_LARGE',
        file: 'claims.jsonl',
        expected: `at most ${MAX_CLAIMS_BYTES} bytes`,
      }) as Error,
    )
  })
})

describe('the file of attestations of a place', () => {
  const of = (chunks: SourceBody['chunks']) => (receive: Receive) => receive({ chunks }).then(() => {})

  test('is empty if there is none', async () => {
    expect(await readClaims('p', () => Promise.resolve())).toEqual(Buffer.alloc(0))
  })

  test('is copied, piece by piece, from memory that the source uses again', async () => {
    const memory = Buffer.from('1\n')
    const chunks = async function* () {
      yield memory
      memory.write('2')
      yield await Promise.resolve(memory)
    }
    expect(String(await readClaims('p', of(chunks())))).toBe('1\n2\n')
  })

  test('is refused as soon as it is too large', async () => {
    const piece = Buffer.alloc(MAX_CLAIMS_BYTES / 4)
    const four = [piece, piece, piece, piece]
    expect(await readClaims('p', of(four))).toHaveLength(MAX_CLAIMS_BYTES)
    const endless = function* () {
      yield* four
      yield Buffer.alloc(1)
      expect.fail('read on')
    }
    await expect(readClaims('place', of(endless()))).rejects.toEqual(
      refusal('ATTESTATIONS_TOO_LARGE', { file: 'place', expected: `at most ${MAX_CLAIMS_BYTES} bytes` }),
    )
  })
})

test('attestations have no place beside a signed file with the name of theirs', () => {
  const files = new Map([['weights.bin', {}]])
  const leftOut = [{ path: 'x', reason: 'It is about another model.' }]
  const publication = { manifest: { files }, attestations: published('1'), leftOut } as unknown as Publication
  expect(publishableBeside(publication)).toBe(publication)
  files.set('claims.jsonl', {})
  const reason = 'The signed model has a file named "claims.jsonl", which belongs to the model.'
  expect(publishableBeside(publication)).toEqual({
    manifest: publication.manifest,
    attestations: [],
    leftOut: [...leftOut, { path: 'm.claims.jsonl:1', reason }],
  })
})
