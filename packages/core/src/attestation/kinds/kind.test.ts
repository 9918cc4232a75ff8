import { describe, expect, test, vi } from 'vitest'
import * as s from '../../schema/define.ts'
import { refusal } from '../../testing/scratch.ts'
import { defineKind, faultsIn, readBy } from './kind.ts'
import { kindNamed, kindOfStatement, makePredicate, readPredicate } from './kinds.ts'
import { kindsOfType, namedKind } from './named-kinds.ts'
import {
  boundedList,
  boundedName,
  boundedRecord,
  boundedUri,
  defined,
  digestsOf,
  isSha256,
  resourceSchema,
  sha256Schema,
  unique,
} from './values.ts'

const SHA = 'a'.repeat(64)
const schema = s.strictObject({ list: s.array(s.strictObject({ name: s.string(), of: s.int().optional() })) })
const fault = faultsIn('ATTESTATION_MALFORMED', 'Cannot read it', 'f')

describe('a predicate that does not have the form of its kind is refused', () => {
  test.each<[string, unknown, object]>([
    ['text', { list: [{ name: 'a', of: 'x' }] }, { message: /"list\[0\]\.of" is invalid/, found: '"x"' }],
    ['a number', { list: [{ name: 1 }] }, { message: /"list\[0\]\.name" is invalid/, found: '1' }],
    ['true', { list: [{ name: true }] }, { message: /"list\[0\]\.name" is invalid/, found: 'true' }],
    ['an array', { list: [{ name: [] }] }, { message: /"list\[0\]\.name" is invalid/, found: 'an array' }],
    ['nothing', { list: [{}] }, { message: /"list\[0\]\.name" is invalid/, found: 'nothing' }],
    ['null', null, { message: /its content is invalid/, found: 'null' }],
    ['an item', { list: [1] }, { message: /"list\[0\]" is invalid/, found: '1' }],
    [
      'an unknown field',
      { list: [{ nam: 'a' }] },
      { message: /"list\[0\]\.nam" is not a known field/, hint: undefined },
    ],
    ['a field', { lists: [] }, { message: /"lists" is not a known field/, expected: undefined }],
  ])('for %s', (_, predicate, { message, ...details }: { message?: RegExp }) => {
    expect(() => readBy(schema, predicate, fault)).toThrow(
      refusal('ATTESTATION_MALFORMED', { file: 'f', message: expect.stringMatching(message!) as string, ...details }),
    )
  })

  test('with what was expected, and advice for whoever wrote it', () => {
    expect(() => readBy(schema, { list: 1 }, fault)).toThrow(
      refusal('ATTESTATION_MALFORMED', { expected: expect.not.stringMatching(/^expected/) as string }),
    )
    expect(() => readBy(schema, { lists: [] }, faultsIn('ATTESTATION_INPUT', 'Cannot make it', undefined))).toThrow(
      refusal('ATTESTATION_INPUT', { file: undefined, hint: expect.stringContaining('remove the field') as string }),
    )
  })
})

describe('a value that has alternatives', () => {
  const of = s.union([s.string(), s.strictObject({ a: s.int() }), s.array(s.int()).min(3)])
  const alike = s.union([s.strictObject({ a: s.int() }), s.strictObject({ b: s.int() })])
  const lists = s.union([s.array(s.int()), s.array(s.string())])
  const unlike = s.union([s.string().regex(/^a$/, 'text as expected here'), s.string().regex(/^c$/, 'expected c')])
  const types = s.union([s.string(), s.string().regex(/^a$/, 'another expected text'), s.boolean()])

  test.each<[s.Schema<unknown>, unknown, path: string, expected: string]>([
    [of, 1, 'of', 'text, or fields with values, or a list'],
    // That which has the type of one of them is one of these.
    [of, { a: 'x' }, 'of.a', 'a number'],
    [of, {}, 'of.a', 'a number'],
    [of, ['x', 1, 2], 'of[0]', 'a number'],
    [of, ['x'], 'of', 'text, or fields with values, or a number'],
    [of, [1], 'of', 'at least 3 entries'],
    [alike, {}, 'of', 'a number'],
    [alike, { a: 'x' }, 'of', 'a number, or known fields only'],
    [alike, 1, 'of', 'fields with values'],
    [lists, [true], 'of', 'a number, or text'],
    [types, 1, 'of', 'text, or true or false'],
    [unlike, 'b', 'of', 'text as expected here, or c'],
  ])('is refused by what is expected: %o %j', (alternatives, value, path, expected) => {
    expect(() => readBy(s.strictObject({ of: alternatives }), { of: value }, fault)).toThrow(
      refusal('ATTESTATION_MALFORMED', { expected, message: expect.stringContaining(`its field "${path}"`) as string }),
    )
  })

  test.each([{ b: 1 }, { a: 1, b: 2 }])('is refused for an unknown field: %j', (value) => {
    expect(() => readBy(s.strictObject({ of }), { of: value }, fault)).toThrow('"of.b" is not a known field')
  })

  test.each(['x', { a: 1 }, [1, 2, 3]])('may be any of them: %j', (value) => {
    expect(readBy(s.strictObject({ of }), { of: value }, fault)).toEqual({ of: value })
  })
})

test('an error states what is expected in the words of the schema', () => {
  const text = s.strictObject({ of: s.string().regex(/^a$/, 'not what is expected here') })
  expect(() => readBy(text, { of: 'x' }, fault)).toThrow(
    refusal('ATTESTATION_MALFORMED', { expected: 'not what is expected here' }),
  )
})

describe('a kind', () => {
  test('is found by its name and by the type of a statement', () => {
    const statement = (predicateType: string, predicate: object) =>
      ({ predicateType, predicate, subjects: [] }) as never
    expect(kindNamed('evaluation')?.name).toBe('evaluation')
    expect(kindOfStatement(statement('https://slsa.dev/provenance/v1', {}))?.name).toBe('provenance')
    expect(kindOfStatement(statement('https://cyclonedx.org/bom', {}))).toBeUndefined()
    expect(kindOfStatement(statement('https://slsa.dev/provenance/v2', {}))).toBeUndefined()
  })

  test('is meant by its name, and by a type that no other kind has', () => {
    expect(kindsOfType('https://cyclonedx.org/bom/v1.7').map(({ name }) => name)).toEqual(['model-card', 'data-card'])
    expect(namedKind('https://cyclonedx.org/bom')).toBeUndefined()
    expect(namedKind('data-card')?.name).toBe('data-card')
    expect(namedKind('https://slsa.dev/provenance/v1')?.name).toBe('provenance')
    expect(namedKind('https://example.org/x')).toBeUndefined()
  })

  test('reads a predicate with the kind and the file in the refusal', () => {
    expect(() => readPredicate(kindNamed('provenance')!, { predicate: {} } as never, 'f')).toThrow(
      refusal('ATTESTATION_MALFORMED', {
        file: 'f',
        message: expect.stringContaining('Cannot read a provenance statement: ') as string,
      }),
    )
  })

  test.each([
    ['evaluation', { result: 'FAILED', configuration: [] }, true],
    ['evaluation', { result: 'WARNED', configuration: [] }, false],
    ['evaluation', { result: 'PASSED', configuration: [] }, false],
  ])('knows whether the model failed: %s %j', (name, predicate, hasFailed) => {
    const kind = kindNamed(name)!
    expect(kind.hasFailed?.(readPredicate(kind, { predicate } as never))).toBe(hasFailed)
  })

  test.each([
    ['PASSED', false],
    ['FAILED', true],
  ])('knows whether a verifier refused the model: %s', (verificationResult, hasFailed) => {
    const kind = kindNamed('verification-summary')!
    const policy = { uri: 'x' }
    const predicate = { verifier: { id: 'x' }, resourceUri: 'x', policy, verificationResult, verifiedLevels: [] }
    expect(kind.hasFailed?.(readPredicate(kind, { predicate } as never))).toBe(hasFailed)
  })

  test('is not made of a time in the future, or of something else', async () => {
    vi.useFakeTimers({ toFake: ['Date'], now: Date.parse('2026-11-01T00:00:00Z') })
    const kind = (statedAt?: string, isOne = true) =>
      defineKind({
        name: 'x',
        what: 'an x',
        types: ['x:y'],
        isOne: () => isOne,
        read: (predicate) => predicate,
        make: () => ({ a: 1 }),
        statedAt: () => statedAt,
        fields: {},
      })
    const source = { bytes: Buffer.alloc(0), file: 'f', name: 'n' }
    try {
      for (const time of [undefined, '2026-11-01T00:00:00Z', '2026-10-01T00:00:00Z'])
        expect(await makePredicate(kind(time), source)).toEqual({ a: 1 })
      await expect(makePredicate(kind('2026-11-01T00:00:01Z'), source)).rejects.toEqual(
        refusal('ATTESTATION_INPUT', {
          file: 'f',
          expected: 'a time that is not in the future',
          found: '"2026-11-01T00:00:01Z"',
          message: expect.stringContaining('Cannot make an x from "f": its content is invalid.') as string,
        }),
      )
      await expect(makePredicate(kind(undefined, false), source)).rejects.toEqual(
        refusal('ATTESTATION_INPUT', {
          expected: 'an x',
          found: '"a document about something else"',
          message: expect.stringContaining('Cannot make an x from "f": its content is invalid.') as string,
        }),
      )
    } finally {
      vi.useRealTimers()
    }
  })
})

describe('values', () => {
  const accepts = (of: s.Schema<unknown>, value: unknown) => 'value' in of.check(value)

  test('have bounds', () => {
    const bounds = (of: s.Schema<unknown>, value: (length: number) => unknown, most: number) =>
      [0, 1, most, most + 1].map((length) => accepts(of, value(length)))
    const text = (length: number) => 'x'.repeat(length)
    expect(bounds(boundedName, text, 1_000)).toEqual([false, true, true, false])
    expect(bounds(boundedUri, text, 8_192)).toEqual([false, true, true, false])
    expect(bounds(boundedList(s.string()), (length) => Array(length).fill('x'), 1_000)).toEqual([
      true,
      true,
      true,
      false,
    ])
    const record = (length: number) => Object.fromEntries(Array.from({ length }, (_, index) => [`n${index}`, 'x']))
    expect(bounds(boundedRecord(s.string()), record, 1_000)).toEqual([true, true, true, false])
    expect(accepts(boundedRecord(s.string()), { [text(1_001)]: 'x' })).toBe(false)
  })

  test.each([SHA, '0123456789abcdef'.repeat(4)])('may be the digest %s', (text) => {
    expect([isSha256(text), accepts(sha256Schema, text)]).toEqual([true, true])
  })

  test.each([`${SHA}a`, SHA.slice(1), SHA.toUpperCase(), `x${SHA}`, `${SHA}\n`, '', 1, [SHA], undefined])(
    'may not be the digest %j',
    (value) => {
      expect([isSha256(value), accepts(sha256Schema, value)]).toEqual([false, false])
    },
  )

  test('that are not digests are refused, with the form of a digest', () => {
    expect(() => readBy(sha256Schema, 'x', fault)).toThrow(
      refusal('ATTESTATION_MALFORMED', { expected: 'a SHA-256 digest of 64 lowercase hex digits', found: '"x"' }),
    )
  })

  test('of a resource are text', () => {
    const resource = { name: 'n', uri: 'u', digest: { sha256: SHA }, downloadLocation: 'd', mediaType: 'm' }
    expect(resourceSchema.check({ ...resource, annotations: { a: 1 }, content: 'x' })).toEqual({
      value: { ...resource, annotations: { a: 1 } },
    })
    for (const name of Object.keys(resource)) expect(accepts(resourceSchema, { [name]: 1 })).toBe(false)
    for (const name of ['name', 'uri', 'downloadLocation', 'mediaType'])
      expect(accepts(resourceSchema, { [name]: '' })).toBe(false)
  })

  test('are listed once, without those that are missing', () => {
    expect(unique(['a', undefined, 'b', 'a'])).toEqual(['a', 'b'])
    expect(digestsOf(['a', undefined, 'a'])).toEqual(['sha256:a'])
    expect(Object.entries(defined({ a: 1, b: undefined, c: null }))).toEqual([
      ['a', 1],
      ['c', null],
    ])
  })
})
