import { describe, expect, test } from 'vitest'
import type { ErrorCode } from '../errors.ts'
import { atOnce } from '../source/turns.ts'
import { encoded, rootOf, sha256, type LooseJson } from '../testing/bundles.ts'
import { field, refusal } from '../testing/scratch.ts'
import { statementSteps } from './statement.ts'

function parsed(change: (statement: LooseJson) => void = () => {}) {
  const statement: LooseJson = {
    _type: 'https://in-toto.io/Statement/v1',
    subject: ['a.bin', 'b/c'].map((name) => ({ name, digest: { sha256: sha256(name) } })),
    predicateType: 'https://model_signing/Digests/v0.1',
    predicate: { unused: true },
  }
  change(statement)
  return atOnce(statementSteps(encoded(statement)))
}

test('reads the files of a statement of release 0.2.0', () => {
  const { version, manifest } = parsed()
  expect(version).toBe('0.1')
  expect(manifest.statedName).toBeUndefined()
  expect(manifest.serialization).toEqual({ method: 'files', hashType: 'sha256', allowSymlinks: false })
  expect(manifest.resources).toEqual(['a.bin', 'b/c'].map((name) => ({ name, digest: sha256(name) })))
  expect(manifest.rootDigest).toBe(rootOf(['a.bin', 'b/c'].map(sha256)))
})

test.each(['sha256', 'file-sha256', undefined])('accepts the annotation that the hash is %s', (algorithm) => {
  const { manifest } = parsed((s) => (s.subject[0].annotations = { actual_hash_algorithm: algorithm }))
  expect(manifest.files.size).toBe(2)
})

describe('refuses an old statement that', () => {
  test.each<[string, ErrorCode, (statement: LooseJson) => void, object]>([
    [
      'has the digest of another hash',
      'RESOURCE_DIGEST',
      (s) => (s.subject[1].annotations = { actual_hash_algorithm: 'file-sha256-1000000' }),
      {
        file: 'b/c',
        expected: 'sha256 over whole files',
        found: '"file-sha256-1000000"',
        message: expect.stringContaining('the digest of "b/c" has a hash type') as string,
      },
    ],
    [
      'has annotations that are a list',
      'STATEMENT_MALFORMED',
      (s) => (s.subject[0].annotations = []),
      field('subject[0].annotations', 'an object', 'an array of length 0'),
    ],
    [
      'has a hash that is a number',
      'STATEMENT_MALFORMED',
      (s) => (s.subject[0].annotations = { actual_hash_algorithm: 256 }),
      field('subject[0].annotations.actual_hash_algorithm', 'a non-empty string', '256'),
    ],
    [
      'has a subject without a name',
      'STATEMENT_MALFORMED',
      (s) => delete s.subject[1].name,
      field('subject[1].name', 'a non-empty string', 'nothing'),
    ],
    [
      'has a subject without a digest',
      'STATEMENT_MALFORMED',
      (s) => delete s.subject[0].digest,
      field('subject[0].digest', 'an object', 'nothing'),
    ],
    [
      'has a digest of another algorithm',
      'STATEMENT_MALFORMED',
      (s) => (s.subject[0].digest.sha512 = 'ab'),
      field('subject[0].digest.sha512', 'no such field', '"sha512"'),
    ],
    [
      'has no digest in its digests',
      'STATEMENT_MALFORMED',
      (s) => (s.subject[0].digest = {}),
      field('subject[0].digest.sha256', 'a non-empty string', 'nothing'),
    ],
    ['names no files', 'RESOURCES_EMPTY', (s) => (s.subject = []), {}],
    ['is not sorted', 'RESOURCE_ORDER', (s) => s.subject.reverse(), { file: 'a.bin' }],
  ])('%s', (_, code, change, details) => {
    expect(() => parsed(change)).toThrow(refusal(code, details))
  })
})
