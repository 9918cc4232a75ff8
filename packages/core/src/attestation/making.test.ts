import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { ModelSealError } from '../errors.ts'
import { refusal, scratch } from '../testing/scratch.ts'
import { cannotMake, checkInputSize, isJson, readAttestationFile, readAttestationInput } from './input.ts'
import { attestationKinds, makeAttestation } from './making.ts'
import { predicateTypeOf } from './predicate-type.ts'
import { MAX_STATEMENT_BYTES } from './statement.ts'
import { isTypeName, isUri, unknownType } from './type-name.ts'

const REVIEW = 'https://example.org/review/v1'
const NAMES = ['evaluation', 'model-card', 'data-card', 'provenance', 'verification-summary']
const source = (text: string | Buffer) => ({ bytes: Buffer.from(text), file: 'a.json', name: 'vad' })

describe('an attestation', () => {
  test('is made from a file of its kind', async () => {
    const file = { results: [{ metric: 'accuracy', value: 1 }], evaluatedOn: '2026-11-01T00:00:00Z' }
    expect(await makeAttestation('evaluation', source(JSON.stringify(file)))).toMatchObject({ result: 'PASSED' })
    await expect(makeAttestation('evaluation', source('{}'))).rejects.toEqual(
      refusal('ATTESTATION_INPUT', { file: 'a.json' }),
    )
  })

  test('of another type has the content of the file', async () => {
    expect(await makeAttestation(REVIEW, source('{"approved":true}'))).toEqual({ approved: true })
  })

  test.each(['[]', 'null', '1', '"text"', 'true'])('of another type is not made of %s', async (text) => {
    await expect(makeAttestation(REVIEW, source(text))).rejects.toEqual(
      refusal('ATTESTATION_INPUT', {
        file: 'a.json',
        expected: 'a JSON object',
        message: expect.stringContaining(`the type "${REVIEW}" from "a.json"`) as string,
      }),
    )
  })

  test('is not made of what is no JSON, is too large, or has no known type', async () => {
    await expect(makeAttestation(REVIEW, source('{'))).rejects.toEqual(refusal('JSON_INVALID', { file: 'a.json' }))
    const large = Buffer.alloc(MAX_STATEMENT_BYTES + 1, ' ')
    await expect(makeAttestation(REVIEW, source(large))).rejects.toEqual(
      refusal('ATTESTATION_INPUT', { file: 'a.json' }),
    )
    await expect(makeAttestation('evaluatoin', source('{}'))).rejects.toEqual(refusal('INVALID_ARGUMENT'))
  })

  test('is of one of these kinds, or of another type', () => {
    expect(attestationKinds()).toEqual(NAMES)
  })
})

describe('a file that an attestation is made from', () => {
  test('is read whole', async () => {
    const directory = scratch({ 'a.json': '{}' })
    await mkdir(join(directory, 'folder'))
    const file = join(directory, 'a.json')
    expect(await readAttestationFile(file)).toEqual({ bytes: Buffer.from('{}'), file })
    await expect(readAttestationFile(join(directory, 'none'))).rejects.toEqual(
      refusal('FILE_NOT_FOUND', {
        message: expect.stringContaining('input file') as string,
        hint: expect.stringContaining('make the attestation from') as string,
      }),
    )
    await expect(readAttestationFile(join(directory, 'folder'))).rejects.toEqual(refusal('FILE_SPECIAL'))
  })

  test('is refused if it is too large', async () => {
    const directory = scratch({ most: Buffer.alloc(MAX_STATEMENT_BYTES), more: Buffer.alloc(MAX_STATEMENT_BYTES + 1) })
    expect((await readAttestationFile(join(directory, 'most'))).bytes).toHaveLength(MAX_STATEMENT_BYTES)
    await expect(readAttestationFile(join(directory, 'more'))).rejects.toEqual(refusal('ATTESTATION_INPUT'))
    expect(() => checkInputSize(Buffer.alloc(MAX_STATEMENT_BYTES))).not.toThrow()
    for (const check of [checkInputSize, readAttestationInput])
      expect(() => check(Buffer.alloc(MAX_STATEMENT_BYTES + 1), 'a.json')).toThrow(
        refusal('ATTESTATION_INPUT', {
          file: 'a.json',
          expected: `at most ${MAX_STATEMENT_BYTES} bytes`,
          found: `${MAX_STATEMENT_BYTES + 1} bytes`,
          message: expect.stringMatching(/^Cannot make an attestation from "a.json": .*too large/) as string,
        }),
      )
  })

  test('is refused if a number in it has too many digits', () => {
    expect(() => readAttestationInput(Buffer.from('{"a":0.9200000000000000001}'), 'a.json')).toThrow(
      refusal('ATTESTATION_INPUT', {
        file: 'a.json',
        expected: 'numbers of at most 15 significant digits',
        found: '"0.9200000000000000001"',
        message: expect.stringMatching(/^Cannot make an attestation from "a.json": .*too many digits/) as string,
      }),
    )
  })

  test('is refused if it has too many values', () => {
    const text = JSON.stringify(Array(100_000).fill(0))
    expect(() => readAttestationInput(Buffer.from(text))).toThrow(refusal('JSON_TOO_COMPLEX'))
  })

  test('is named in a refusal if it has a name', () => {
    const refused = (file?: string) => {
      try {
        return readAttestationInput(Buffer.from('{'), file)
      } catch (error) {
        return (error as ModelSealError).message
      }
    }
    expect(refused('a.json')).toContain('input file "a.json"')
    expect(refused()).toContain('input file: ')
    expect([cannotMake('x', undefined), cannotMake('x', 'a')]).toEqual(['Cannot make x', 'Cannot make x from "a"'])
  })
})

test.each([
  ['{}', true],
  [' \n\t{', true],
  ['[{}]', false],
  ['---\na: {}', false],
  ['!{', false],
  [' ', false],
  ['', false],
])('a file may be an object of JSON: %j %j', (text, isOne) => {
  expect(isJson(Buffer.from(text))).toBe(isOne)
})

describe('the type of an attestation', () => {
  test('is the first type of a kind, or a URI', () => {
    expect(predicateTypeOf('provenance')).toBe('https://slsa.dev/provenance/v1')
    expect(predicateTypeOf('model-card')).toBe('https://cyclonedx.org/bom')
    expect(predicateTypeOf(REVIEW)).toBe(REVIEW)
    expect(() => predicateTypeOf('evaluatoin')).toThrow(
      refusal('INVALID_ARGUMENT', {
        message: expect.stringContaining('Cannot attest the model: "evaluatoin"') as string,
        expected: `${NAMES.join(', ')}, or the URI of a predicate type`,
        hint: 'Did you mean "evaluation"?',
      }),
    )
  })

  test('has a hint only if another was probably meant', () => {
    expect(unknownType('Cannot', 'zzzzzzzzzzzz').hint).toBeUndefined()
  })

  test.each(['urn:a', 'https://a.example/b', 'A+b.c-1:x', 'z:1'])('may be the URI %s', (text) => {
    expect([isUri(text), isTypeName(text)]).toEqual([true, true])
  })

  test.each(['', 'a', 'a:', ':a', '1a:b', 'a b:c', 'a:b c', ' a:b', 'a:b ', 'a:\n', '\na:b'])(
    'may not be %j',
    (text) => {
      expect([isUri(text), isTypeName(text)]).toEqual([false, false])
    },
  )

  test('may be the name of a kind', () => {
    expect(NAMES.map(isTypeName)).toEqual(NAMES.map(() => true))
    expect(NAMES.map(isUri)).toEqual(NAMES.map(() => false))
  })
})
