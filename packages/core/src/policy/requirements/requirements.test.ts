import { describe, expect, test } from 'vitest'
import { ERROR_CODES } from '../../errors.ts'
import { compileDemands, requirementFields, REQUIREMENTS } from './requirements.ts'

describe('requirements', () => {
  test('have unique steps and fields', () => {
    const steps = REQUIREMENTS.map(({ step }) => step)
    expect(new Set(steps).size).toBe(steps.length)
    const fields = REQUIREMENTS.flatMap(({ schema }) => Object.keys(schema))
    expect(new Set(fields).size).toBe(fields.length)
    expect(Object.keys(requirementFields).sort()).toEqual(fields.sort())
  })

  test('are checked in this order, and refuse with these codes', () => {
    expect(REQUIREMENTS.map(({ step, codes }) => [step, ...codes])).toEqual([
      ['model-name', 'MODEL_NAME_REFUSED'],
      ['root-digest', 'ROOT_DIGEST_REFUSED'],
      ['key-validity', 'KEY_OUTSIDE_VALIDITY'],
      ['hash-algorithm', 'HASH_ALGORITHM_REFUSED'],
      ['transparency-log', 'LOG_REQUIRED'],
      ['timestamp', 'TIMESTAMP_REQUIRED'],
      ['signature-age', 'SIGNATURE_TOO_OLD', 'SIGNATURE_TIME_UNKNOWN'],
    ])
  })

  test('say why no signer can meet them, as the end of a sentence', () => {
    for (const { explain } of REQUIREMENTS) expect(explain).toMatch(/^[a-z].*[a-zA-Z]$/)
  })

  test('refuse with existing codes', () => {
    for (const { codes } of REQUIREMENTS) for (const code of codes) expect(ERROR_CODES).toHaveProperty(code)
  })

  test('have only optional fields', () => {
    for (const field of Object.values(requirementFields)) expect(field.check(undefined)).toEqual({ value: undefined })
  })

  test('of a rule without "require" are only those of trust roots', () => {
    expect(compileDemands({}).map(({ requirement }) => requirement.step)).toEqual(['key-validity'])
  })

  test('ignore a field that is false', () => {
    const steps = compileDemands({ transparencyLog: false, timestamp: false }).map(
      ({ requirement }) => requirement.step,
    )
    expect(steps).toEqual(['key-validity'])
  })

  test('combine two limits of the age into one', () => {
    const demands = compileDemands({ maxSignatureAge: '30d', signedAfter: '2026-01-01T00:00:00Z' })
    expect(demands.map(({ requirement }) => requirement.step)).toEqual(['key-validity', 'signature-age'])
  })
})
