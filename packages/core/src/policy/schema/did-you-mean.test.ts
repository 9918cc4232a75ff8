import { describe, expect, test } from 'vitest'
import { parsePolicy } from '../reading/parse-policy.ts'
import { fieldHint } from './hints.ts'
import { fieldsAt } from './known-fields.ts'
import { policySchema } from './schema.ts'
import type { ValuePath } from '../reading/policy-text.ts'

/** With a letter missing from its middle. */
function misspelt(word: string): string {
  const middle = Math.ceil(word.length / 2)
  return word.slice(0, middle) + word.slice(middle + 1)
}

test('suggests the right spelling of every field of a policy', () => {
  let count = 0
  const visit = (path: ValuePath) => {
    const fields = fieldsAt(policySchema, path)
    for (const field of fields) {
      count++
      const hint = fieldHint(misspelt(field), policySchema, { path, present: [] })
      expect(hint, `${path.join('.')}.${field}`).toBe(` Did you mean "${field}"?`)
    }
    // A list has an entry, and trust roots have names.
    for (const step of [...fields, 0, ...(path.at(-1) === 'trustRoots' ? ['release'] : [])])
      if (
        path.length < 10 &&
        fieldsAt(policySchema, [...path, step]).length + fieldsAt(policySchema, [...path, step, 0]).length > 0
      )
        visit([...path, step])
    if (path.length === 0) visit(['trustRoots'])
  }
  visit([])
  expect(count).toBeGreaterThan(100)
})

describe('suggests the right spelling of a value:', () => {
  const rule = (fields: object) => ({
    version: 1,
    rules: [{ name: 'r', match: { path: 'm' }, signers: [{ key: 'k' }], ...fields }],
  })
  const require = (fields: object) => rule({ require: fields })
  const feed = (fields: object) => ({ version: 1, advisories: [{ file: 'f', signers: [{ key: 'k' }], ...fields }] })
  const journal = (fields: object) => ({ version: 1, journal: { directory: 'j', ...fields } })
  const attestation = (fields: object) => require({ attestations: [{ type: 'model-card', ...fields }] })

  test.each([
    [rule({ mode: 'enfroce' }), 'enforce'],
    [require({ files: 'loadd' }), 'loaded'],
    [require({ isolation: ['in-plac'] }), 'in-place'],
    [require({ receipts: 'alow' }), 'allow'],
    [require({ hashAlgorithms: ['sha25'] }), 'sha256'],
    [feed({ ifStale: 'wran' }), 'warn'],
    [journal({ durability: 'intervl' }), 'interval'],
    [journal({ paths: 'ful' }), 'full'],
    [attestation({ type: 'evaluaton' }), 'evaluation'],
    [attestation({ where: [{ field: 'licnce', equals: 'mit' }] }), 'licence'],
    [rule({ match: { path: 'm', format: 'onxn' } }), 'onnx'],
    [rule({ match: { memory: 'ayn' }, mode: 'skip', reason: 'r', signers: undefined }), 'any'],
    [{ version: 1, trustRoots: { s: { sigstore: 'public-god' } } }, 'public-good'],
  ])('%j', async (policy, meant) => {
    const { problems } = await parsePolicy(Buffer.from(JSON.stringify(policy)), '/policy.json')
    expect(problems[0]?.message).toContain(`Did you mean "${meant}"?`)
  })
})
