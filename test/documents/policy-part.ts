import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import type { Ajv } from 'ajv'
import { parse } from 'yaml'
import { ROOT } from '../support/documents.ts'

const core = createRequire(join(ROOT, 'packages/core/package.json'))
const { Ajv: Validator } = core('ajv') as { Ajv: typeof Ajv }

/** What is wrong with fields of a policy, or of its only rule, by the JSON Schema. `…` stands for a digest. */
export function validatePolicyPart(text: string): string[] {
  const schema = JSON.parse(readFileSync(join(ROOT, 'packages/core/policy.schema.json'), 'utf8')) as object
  const part = parse(text.replaceAll('sha256:…', `sha256:${'0'.repeat(64)}`)) as { require?: object }
  const { require, ...fields } = part
  const rule = { name: 'all', match: { path: '**' }, signers: [{ key: 'release' }], ...(require ? { require } : {}) }
  const policy = { version: 1, trustRoots: { release: { publicKey: 'release.pub' } }, rules: [rule], ...fields }
  const validator = new Validator({ strict: false, allErrors: true, validateFormats: false })
  validator.validate(schema, policy)
  return (validator.errors ?? []).map(({ instancePath, message = '' }) => `${instancePath} ${message}`)
}
