import { readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { loadPolicy } from '@modelseal/core'
import { verifyJournal } from '@modelseal/core/journal'
import { checkPolicy, startingPolicy, WARNING_CODES } from '@modelseal/core/policy'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { attestationFields } from '../packages/core/src/policy/attestations/schema.ts'
import { fileRequirementFields } from '../packages/core/src/policy/requirements/files.ts'
import { REQUIREMENTS } from '../packages/core/src/policy/requirements/requirements.ts'
import { authority, pemOf } from '../packages/core/src/testing/authority.ts'
import { TestSite } from '../packages/core/src/testing/site.ts'
import { rulesOf } from './support/models.ts'

const text = await readFile(new URL('../docs/reference/policy.md', import.meta.url), 'utf8')
const policies = [...text.matchAll(/^```yaml policy\n(.*?)^```$/gms)].map(([, policy = '']) => policy)
const KEYS = ['release', 'release-2025', 'release-next', 'research', 'security']

let site: TestSite

beforeAll(async () => {
  site = await TestSite.make()
  for (const key of KEYS) await site.key(key)
  for (const name of ['acme-root', 'tsa', 'root']) await site.write(`${name}.pem`, pemOf(await authority(name)))
  for (const model of ['models/vad', 'models/sandbox/try', 'models/production/big', 'elsewhere/vad'])
    await site.model(model)
  await site.sign('models/vad', 'release')
  await site.sign('models/production/big', 'research')
  await site.sign('models/production/big', 'security', 'models/production/big.second.sig')
})
afterAll(() => site.remove())

describe('the policy of the README', () => {
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')
  const policy = /^```yaml\n(version: 1\n.*?)^```$/ms.exec(readme)?.[1]

  test('accepts what its key signed, and no other model', async () => {
    expect((await checkPolicy(await site.policy(policy))).map(({ severity }) => severity)).not.toContain('error')
    expect(await site.judge('models/vad', policy)).toBe('accepted')
    expect(await site.judge('elsewhere/vad', policy)).toBe('refused POLICY_NO_MATCH')
    expect(await site.judge('models/production/big', policy)).toBe('refused SIGNER_NOT_TRUSTED')
  })
})

test('the policy of docs/how-to/journal.md records what it accepts', async () => {
  const page = readFileSync(new URL('../docs/how-to/journal.md', import.meta.url), 'utf8')
  const policy = /^```yaml file=policy\.yaml\n(version: 1\n.*?)^```$/ms.exec(page)?.[1]
  const path = await site.policy(policy)
  expect((await checkPolicy(path)).filter(({ severity }) => severity === 'error')).toEqual([])
  expect(await site.judge('models/vad', policy)).toBe('accepted')
  expect((await verifyJournal(site.file('journal'))).records).toBeGreaterThan(1)
})

describe('the policies of docs/reference/policy.md', () => {
  test('are found', () => expect(policies.length).toBe(14))

  test.each(policies.map((policy, index) => [index, policy] as const))('%i is valid', async (_, policy) => {
    const path = await site.policy(policy)
    expect(rulesOf(await loadPolicy(path)).length).toBeGreaterThan(0)
    expect((await checkPolicy(path)).filter(({ severity }) => severity === 'error')).toEqual([])
  })

  test.each([
    [0, 'models/vad', 'accepted'],
    [0, 'elsewhere/vad', 'refused POLICY_NO_MATCH'],
    [1, 'models/vad', 'accepted'],
    [2, 'models/vad', 'refused POLICY_NO_MATCH'],
    [3, 'models/production/big', 'accepted'],
    [3, 'models/vad', 'refused SIGNER_NOT_TRUSTED'],
    [4, 'models/vad', 'refused BUNDLE_NOT_FOUND'],
    [5, 'models/vad', 'refused POLICY_NO_MATCH'],
    [6, 'models/vad', 'accepted'],
    [6, 'models/production/big', 'refused SIGNER_NOT_TRUSTED'],
    [7, 'models/vad', 'refused ATTESTATION_MISSING'],
    [7, 'models/production/big', 'refused SIGNER_NOT_TRUSTED'],
    [8, 'models/vad', 'accepted'],
    [8, 'models/production/big', 'refused SIGNER_NOT_TRUSTED'],
    [9, 'models/vad', 'accepted'],
    [9, 'models/production/big', 'refused POLICY_NO_MATCH'],
    [10, 'models/sandbox/try', 'skipped'],
    [10, 'models/vad', 'accepted'],
    [10, 'models/production/big', 'tolerated SIGNER_NOT_TRUSTED'],
    [11, 'models/vad', 'accepted'],
    [12, 'models/vad', 'accepted'],
  ])('%i judges %s: %s', async (index, model, decision) => {
    expect(await site.judge(model, policies[index])).toBe(decision)
  })
})

describe('the table of requirements in docs/reference/policy.md', () => {
  const [, table = ''] = /^### What a rule may require\n\n((?:\|.*\n)+)/m.exec(text) ?? []
  const rows = new Map(
    [...table.matchAll(/^\| `(\w+)` \|.*\| ([^|]*)\|$/gm)].map(([, field, codes = '']) => [
      field,
      [...codes.matchAll(/`(\w+)`/g)].map(([, code]) => code),
    ]),
  )

  test.each(REQUIREMENTS.flatMap(({ schema, codes }) => Object.keys(schema).map((field) => [field, codes] as const)))(
    'lists %s with its codes',
    (field, codes) => expect(rows.get(field)).toEqual(codes),
  )

  test('has no requirements other than those and the requirements of files', () => {
    const schemas = [...REQUIREMENTS.map(({ schema }) => schema), attestationFields, fileRequirementFields]
    const known = schemas.flatMap(Object.keys)
    expect([...rows.keys()].sort()).toEqual(known.sort())
  })
})

test('the table of warnings in docs/reference/policy.md has all of them', () => {
  const [, table = ''] = /^## What `policy check` warns of\n(.*?)^## /ms.exec(text) ?? []
  const rows = [...table.matchAll(/^\| `(\w+)` \| (.+) \|$/gm)].map(([, code, meaning]) => [code, meaning])
  expect(Object.fromEntries(rows)).toEqual(WARNING_CODES)
})

describe('a starting policy', () => {
  test('for a key accepts what the key signed', async () => {
    expect(await site.judge('models/vad', startingPolicy({ kind: 'key', publicKey: 'release.pub' }))).toBe('accepted')
  })
  test('for a certificate is valid', async () => {
    const path = await site.policy(
      startingPolicy({ kind: 'certificate', root: 'root.pem', san: 'email:"quoted"@example.com' }),
    )
    expect((await checkPolicy(path)).map(({ severity }) => severity)).not.toContain('error')
  })
  test('requires attestations of the kinds that it is written for', async () => {
    const kinds = ['evaluation', 'model-card', 'data-card', 'provenance', 'verification-summary']
    const policy = startingPolicy({ kind: 'key', publicKey: 'release.pub' }, '**', kinds)
    expect(await site.judge('models/vad', policy)).toBe('refused ATTESTATION_MISSING')
    // With every comment of the requirement made active.
    const strict = policy
      .replace(/^( {10})# (?=(?:signers|maxAge|where):| {2}- )/gm, '$1')
      .replace(/signers: \[\{ key: [\w-]+ \}\]/g, 'signers: [{ key: release }]')
    expect(strict).not.toBe(policy)
    expect(await site.judge('models/vad', strict)).toBe('refused ATTESTATION_MISSING')
    expect(() => startingPolicy({ kind: 'key', publicKey: 'release.pub' }, '**', ['evaluations'])).toThrow(
      'Did you mean "evaluation"?',
    )
  })
  test('for a GitHub Actions workflow is valid', async () => {
    const github = {
      kind: 'github',
      repository: 'acme/models',
      workflow: 'release.yml',
      ref: 'refs/heads/main',
    } as const
    const findings = await checkPolicy(await site.policy(startingPolicy(github)))
    expect(findings.map(({ severity }) => severity)).not.toContain('error')
  })
})
