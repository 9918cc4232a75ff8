import { describe, expect, test } from 'vitest'
import { ERROR_CODES } from '../../errors.ts'
import { compileDemands, requirementFields, REQUIREMENTS } from './requirements.ts'

describe('requirements', () => {
  test('each has a step of its own, and fields that no other one has', () => {
    const steps = REQUIREMENTS.map(({ step }) => step)
    expect(new Set(steps).size).toBe(steps.length)
    const fields = REQUIREMENTS.flatMap(({ schema }) => Object.keys(schema))
    expect(new Set(fields).size).toBe(fields.length)
    expect(Object.keys(requirementFields).sort()).toEqual(fields.sort())
  })

  test('each refuses with codes that exist', () => {
    for (const { codes } of REQUIREMENTS) for (const code of codes) expect(ERROR_CODES).toHaveProperty(code)
  })

  test('every field may be left out', () => {
    for (const field of Object.values(requirementFields)) expect(field.safeParse(undefined).success).toBe(true)
  })

  test('a rule that asks for nothing has only the requirement that trust roots make', () => {
    expect(compileDemands({}).map(({ requirement }) => requirement.step)).toEqual(['key-validity'])
  })

  test('a field that is false asks for nothing', () => {
    const steps = compileDemands({ transparencyLog: false, timestamp: false }).map(
      ({ requirement }) => requirement.step,
    )
    expect(steps).toEqual(['key-validity'])
  })

  test('two limits of the age are one requirement', () => {
    const demands = compileDemands({ maxSignatureAge: '30d', signedAfter: '2026-01-01T00:00:00Z' })
    expect(demands.map(({ requirement }) => requirement.step)).toEqual(['key-validity', 'signature-age'])
  })
})
