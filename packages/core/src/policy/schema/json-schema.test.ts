import { readFileSync } from 'node:fs'
import { Ajv } from 'ajv'
import formats from 'ajv-formats'
import { describe, expect, test } from 'vitest'
import { parsePolicy } from '../reading/parse-policy.ts'
import { startingPolicy } from '../starting-policy.ts'
import { policyJsonSchema } from './schema.ts'

const ajv = new Ajv({ strict: false })
formats.default(ajv)
const accepts = ajv.compile(policyJsonSchema())

/** The policies that the tests of this folder and those beside it read; `refused` is what the refusal says. */
const POLICIES = readFileSync(new URL('../../testing/policies.jsonl', import.meta.url), 'utf8')
  .trimEnd()
  .split('\n')
  .map((line) => JSON.parse(line) as { refused?: string; policy: unknown })
const REFUSED = POLICIES.filter(({ refused }) => refused !== undefined)
const ACCEPTED = POLICIES.filter(({ refused }) => refused === undefined)

async function problemsOf(policy: unknown): Promise<readonly unknown[]> {
  return (await parsePolicy(Buffer.from(JSON.stringify(policy)), '/policy.json')).problems
}

/** What JSON Schema has no words for: it compares no two values, and knows neither the alternatives of a glob nor RE2. */
const NOT_EXPRESSED = {
  'a period that ends before it begins': /: expected a time after .*, the beginning of the period/,
  'a regular expression that RE2 does not have': /: the regular expression is not valid/,
  'an empty component in an alternative of a glob': /: the glob is not valid: it has an empty component.*\{/,
  'an alternative of a glob without a name, in the mode skip': /^"rules\.0\.match": expected a path, url or source/,
  'a misspelt name of a format': /: unknown format; a name one typo away from a known format/,
}

describe('the JSON Schema', () => {
  test('refuses every policy that modelseal refuses, except for what it cannot express', async () => {
    expect(REFUSED.length).toBeGreaterThan(140)
    const passed: string[] = []
    for (const { refused = '', policy } of REFUSED) {
      expect(await problemsOf(policy), refused).not.toEqual([])
      if (accepts(policy)) passed.push(refused)
    }
    const reasonFor = (refused: string) =>
      Object.entries(NOT_EXPRESSED).find(([, message]) => message.test(refused))?.[0]
    expect(passed.filter((refused) => reasonFor(refused) === undefined)).toEqual([])
    expect(new Set(passed.map(reasonFor))).toEqual(new Set(Object.keys(NOT_EXPRESSED)))
    expect(passed).toHaveLength(12)
  })

  test('accepts every policy that modelseal accepts', async () => {
    expect(ACCEPTED.length).toBeGreaterThan(50)
    for (const { policy } of ACCEPTED) {
      expect(await problemsOf(policy), JSON.stringify(policy)).toEqual([])
      expect(accepts(policy), `${JSON.stringify(policy)} ${ajv.errorsText(accepts.errors)}`).toBe(true)
    }
  })

  test('accepts every starting policy', async () => {
    const { parse } = await import('yaml')
    const kinds = ['evaluation', 'model-card', 'data-card', 'provenance', 'verification-summary']
    for (const signer of [
      { kind: 'key', publicKey: 'release.pub' },
      { kind: 'certificate', root: 'root.pem', san: 'email:release@models.example' },
      { kind: 'github', repository: 'org/models', workflow: 'release.yml', ref: 'refs/heads/main' },
    ] as const) {
      for (const models of ['**', 'hf://org/*', 'https://models.example/**'])
        expect(accepts(parse(startingPolicy(signer, models, kinds))), ajv.errorsText(accepts.errors)).toBe(true)
    }
  })

  test('describes every field', () => {
    const missing: string[] = []
    visit(policyJsonSchema() as Json, [], (path, { description }) => {
      if (typeof description !== 'string' || !/^[^a-z].*\.$|^(all|never): /.test(description))
        missing.push(path.join('.'))
    })
    expect(missing).toEqual([])
  })

  test('has an identity that no address is needed for, and a dialect that editors know', () => {
    expect(policyJsonSchema()).toMatchObject({
      $id: 'urn:modelseal:trust-policy:1',
      $schema: 'http://json-schema.org/draft-07/schema#',
    })
    expect(JSON.stringify(policyJsonSchema())).not.toMatch(/"(dependentRequired|dependentSchemas|prefixItems|\$defs)"/)
  })
})

type Json = Readonly<Record<string, unknown>>

/** Visits each schema of a field, wherever it is defined; not those that only restrict one. */
function visit(schema: Json, path: readonly string[], onField: (path: readonly string[], field: Json) => void): void {
  for (const [name, field] of Object.entries((schema['properties'] ?? {}) as Record<string, Json>)) {
    onField([...path, name], field)
    visit(field, [...path, name], onField)
  }
  for (const key of ['items', 'additionalProperties'])
    if (typeof schema[key] === 'object') visit(schema[key] as Json, [...path, '*'], onField)
  if (schema['type'] !== undefined) return
  for (const one of (schema['anyOf'] ?? []) as Json[]) visit(one, path, onField)
}
