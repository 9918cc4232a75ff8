import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { policyJsonSchema } from './schema.ts'

test('matches the published JSON Schema, written by "node scripts/write-policy-schema.mjs"', async () => {
  const committed: unknown = JSON.parse(await readFile(new URL('../../../policy.schema.json', import.meta.url), 'utf8'))
  expect(committed).toEqual(JSON.parse(JSON.stringify(policyJsonSchema())))
})
