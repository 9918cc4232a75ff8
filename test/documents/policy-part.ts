import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Ajv } from 'ajv'
import { parse } from 'yaml'
import { ROOT } from '../support/documents.ts'

/** What is wrong with fields of a policy, or of its only rule, by the JSON Schema. `…` stands for a digest. */
export function validatePolicyPart(text: string): string[] {
  const schema = JSON.parse(readFileSync(join(ROOT, 'packages/core/policy.schema.json'), 'utf8')) as object
  const part = parse(text.replaceAll('sha256:…', `sha256:${'0'.repeat(64)}`)) as { require?: object }
  const { require, ...fields } = part
  const rule = { name: 'all', match: { path: '**' }, signers: [{ key: 'release' }], ...(require ? { require } : {}) }
  const policy = { version: 1, trustRoots: { release: { publicKey: 'release.pub' } }, rules: [rule], ...fields }
  const validator = new Ajv({ strict: false, allErrors: true, validateFormats: false })
  validator.validate(schema, policy)
  return (validator.errors ?? []).map(({ instancePath, message = '' }) => `${instancePath} ${message}`)
}
