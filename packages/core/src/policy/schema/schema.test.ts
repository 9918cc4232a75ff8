import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { policyJsonSchema } from './schema.ts'

test('is published as the JSON Schema that "node scripts/write-policy-schema.mjs" writes', async () => {
  const committed: unknown = JSON.parse(await readFile(new URL('../../../policy.schema.json', import.meta.url), 'utf8'))
  expect(committed).toEqual(JSON.parse(JSON.stringify(policyJsonSchema())))
})
