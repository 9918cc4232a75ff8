import { describe, expect, test } from 'vitest'
import { sha256 } from '../testing/bundles.ts'
import { refusal } from '../testing/scratch.ts'
import { atOnce } from '../source/turns.ts'
import {
  attestationDigest,
  attestationSteps,
  haveModel,
  inexactNumberSteps,
  MAX_STATEMENT_BYTES,
  subjectDigests,
} from './statement.ts'

const ROOT = 'a'.repeat(64)
const GOOD = {
  _type: 'https://in-toto.io/Statement/v1',
  subject: [{ name: 'vad', digest: { sha256: ROOT } }],
  predicateType: 'https://example.org/review/v1',
  predicate: { approved: true },
}
const read = (value: object, file?: string) => atOnce(attestationSteps(Buffer.from(JSON.stringify(value)), file))

describe('a statement is refused, with what was expected and found,', () => {
  test.each<[string, object, object, path: string]>([
    ['its predicate', { predicate: [] }, { expected: 'an object', found: 'an array of length 0' }, 'predicate'],
    ['its predicate type', { predicateType: [] }, { found: 'an array of length 0' }, 'predicateType'],
    ['a name', { subject: [{ name: 1, digest: { sha256: ROOT } }] }, { expected: 'a string' }, 'subject[0].name'],
    ['a digest', { subject: [{ digest: { sha1: 1 } }] }, { expected: 'a non-empty string' }, 'subject[0].digest.sha1'],
    ['its subjects', { subject: [] }, { expected: '1 to 1000 subjects' }, 'subject'],
    [
      'too many subjects',
      { subject: Array(1_001).fill(GOOD.subject[0]) },
      { expected: '1 to 1000 subjects' },
      'subject',
    ],
    ['a long type', { predicateType: 'x'.repeat(2_049) }, { expected: 'at most 2048 characters' }, 'predicateType'],
    ['a field', { extra: 1 }, { expected: 'no such field' }, 'extra'],
  ])('for %s', (_, change, details, path) => {
    const message = expect.stringContaining(`"${path}"`) as string
    expect(() => read({ ...GOOD, ...change }, 'f')).toThrow(
      refusal('STATEMENT_MALFORMED', { file: 'f', message, ...details }),
    )
  })

  test('for its own type', () => {
    for (const _type of ['https://in-toto.io/Statement/v0.2', 'https://in-toto.io/Statement/v1/'])
      expect(() => read({ ...GOOD, _type }, 'f')).toThrow(
        refusal('STATEMENT_TYPE', { file: 'f', expected: 'https://in-toto.io/Statement/v1', found: `"${_type}"` }),
      )
  })

  test('for its size', () => {
    const most = Buffer.alloc(MAX_STATEMENT_BYTES, ' ')
    most.write(JSON.stringify(GOOD))
    expect(atOnce(attestationSteps(most)).predicateType).toBe(GOOD.predicateType)
    expect(() => atOnce(attestationSteps(Buffer.concat([most, Buffer.from(' ')]), 'f'))).toThrow(
      refusal('JSON_TOO_COMPLEX', {
        file: 'f',
        expected: `at most ${MAX_STATEMENT_BYTES} bytes`,
        found: `${MAX_STATEMENT_BYTES + 1} bytes`,
      }),
    )
  })

  test('by its file', () => {
    expect(() => atOnce(attestationSteps(Buffer.from('{'), 'f'))).toThrow(
      refusal('JSON_INVALID', {
        file: 'f',
        message: expect.stringContaining('statement of the attestation') as string,
      }),
    )
  })
})

test('a statement may have as many subjects, and as long a type, as there is room for', () => {
  const statement = read({ ...GOOD, subject: Array(1_000).fill(GOOD.subject[0]), predicateType: 'x'.repeat(2_048) })
  expect(statement.subjects).toHaveLength(1_000)
  expect(statement.predicateType).toHaveLength(2_048)
  expect(statement).not.toHaveProperty('inexactNumber')
})

test('a subject need not have a name', () => {
  for (const name of [undefined, null, ''])
    expect(read({ ...GOOD, subject: [{ name, digest: { sha256: ROOT } }] }).subjects).toEqual([
      { digest: { sha256: ROOT } },
    ])
})

describe('the models that a statement is about', () => {
  const digests = (...given: object[]) =>
    subjectDigests(read({ ...GOOD, subject: given.map((digest) => ({ digest })) }))

  test('have a root digest, and an identity if it names one', () => {
    expect(digests({ sha256: ROOT }, { sha1: 'x' }, { sha256: 'b', modelIdentity: 'i' })).toEqual([
      { sha256: ROOT },
      { sha256: 'b', modelIdentity: 'i' },
    ])
    expect(Object.keys(digests({ sha256: ROOT })[0]!)).toEqual(['sha256'])
  })

  test('do not come from prototypes', () => {
    const subjects = [{ digest: Object.create({ sha256: ROOT, modelIdentity: 'i' }) as Record<string, string> }]
    expect(subjectDigests({ ...read(GOOD), subjects })).toEqual([])
    const digest = Object.assign(Object.create({ modelIdentity: 'i' }) as Record<string, string>, { sha256: ROOT })
    expect(subjectDigests({ ...read(GOOD), subjects: [{ digest }] })).toEqual([{ sha256: ROOT }])
    expect(subjectDigests({ ...read(GOOD), subjects: [{ digest: { sha256: undefined as never } }] })).toEqual([])
  })

  test('are the model if both digests are', () => {
    const model = { rootDigest: ROOT, identity: 'i' }
    const have = (...models: { sha256: string; modelIdentity?: string }[]) => haveModel(models, model)
    expect(have({ sha256: ROOT })).toBe(true)
    expect(have({ sha256: ROOT, modelIdentity: 'i' })).toBe(true)
    expect(have({ sha256: ROOT, modelIdentity: 'j' })).toBe(false)
    expect(have({ sha256: 'b', modelIdentity: 'i' })).toBe(false)
    expect(have({ sha256: 'b' }, { sha256: ROOT })).toBe(true)
    expect(have()).toBe(false)
  })
})

describe('a number that is not what a program reads', () => {
  const inexact = (text: string) => atOnce(inexactNumberSteps(Buffer.from(text)))

  test.each([
    ['{"a":0.1234567890123456789}', '"0.1234567890123456789"'],
    ['[1,-9007199254740993]', '"-9007199254740993"'],
    ['[1e-400]', '"1e-400"'],
    ['[1E400,2]', '"1E400"'],
    ['9007199254740993', '"9007199254740993"'],
    [`[${' '.repeat(70_000)}9007199254740993]`, '"9007199254740993"'],
    [`["${'x'.repeat(70_000)}",9007199254740993]`, '"9007199254740993"'],
    [`[1e${'9'.repeat(5)}]`, '"1e99999"'],
  ])('is found in %s', (text, number) => {
    expect(inexact(text)).toBe(number)
  })

  test.each([
    '{"9007199254740993":"0.1234567890123456789"}',
    '["\\"9007199254740993\\\\"]',
    '[0.5,-1,1e3,12345678901234,9007199254740992]',
    // The rest of a number is not a number of its own.
    '[0.9007199254740993]',
    '[]',
    '',
    '-',
  ])('is not found in %s', (text) => {
    expect(inexact(text)).toBeUndefined()
  })

  test('is looked for in the bytes that are given, and in steps', () => {
    const text = Buffer.from('9007199254740993 1')
    expect(atOnce(inexactNumberSteps(text.subarray(16)))).toBeUndefined()
    const steps = inexactNumberSteps(Buffer.alloc(100_000, ' '))
    let count = 0
    while (steps.next().done !== true) count++
    expect(count).toBe(6)
  })
})

test('the digest of an attestation is that of its statement', () => {
  expect(attestationDigest(Buffer.from('x'))).toBe(sha256('x'))
})
