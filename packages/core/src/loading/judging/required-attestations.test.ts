import { createPrivateKey, createPublicKey } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { keySigner } from '../../signing/methods/key.ts'
import { bundleOver, encoded, statementOver } from '../../testing/bundles.ts'
import { TestSite } from '../../testing/site.ts'
import { publicKeyOf } from '../../x509/public-key.ts'
import { openVerifiedModel } from '../open-verified-model.ts'
import { attestModel } from '../operations/attest-model.ts'
import { judgeModel } from '../operations/judge-model.ts'

const REVIEW = 'https://example.org/review/v1'

let site: TestSite
let name: string
let count = 0

beforeAll(async () => {
  site = await TestSite.make()
  for (const key of ['a', 'lab']) await site.key(key)
})
afterAll(() => site.remove())
beforeEach(async () => {
  name = `m${++count}`
  await site.signedModel(name)
})

async function reviewed(by: string, output?: string): Promise<void> {
  const signer = await keySigner({ privateKey: site.file(`${by}.key`) })
  const place = output === undefined ? {} : { output: site.file(output) }
  await attestModel(site.file(name), { signer, type: REVIEW, predicate: { approved: true }, ...place })
}

function policy(more: object = {}): Promise<string> {
  const attestations = [{ type: REVIEW, signers: [{ key: 'lab' }] }]
  return site.policy({
    version: 1,
    trustRoots: { a: { publicKey: 'a.pub' }, lab: { publicKey: 'lab.pub' } },
    rules: [{ name: 'all', match: { path: '**' }, signers: [{ key: 'a' }], require: { attestations } }],
    ...more,
  })
}

describe('a rule that requires an attestation', () => {
  test('refuses a model without it, and says so in the verdict', async () => {
    const verdict = await judgeModel(site.file(name), { policy: await policy() })
    expect(verdict.error).toMatchObject({
      code: 'ATTESTATION_MISSING',
      hint: expect.stringContaining('"all"') as string,
    })
    expect(verdict.checks.at(-1)).toMatchObject({ check: 'attestations', outcome: 'failed' })
    expect(verdict.attestations).toEqual([])
  })

  test('refuses one by somebody else', async () => {
    await reviewed('a')
    const verdict = await judgeModel(site.file(name), { policy: await policy() })
    expect(verdict).toMatchObject({
      error: { code: 'SIGNER_NOT_TRUSTED' },
      attestations: [{ reason: { code: 'SIGNER_NOT_TRUSTED' } }],
    })
  })

  test('accepts the model with it, and passes it on', async () => {
    await reviewed('lab')
    await using model = await openVerifiedModel(site.file(name), { policy: await policy() })
    expect(model).toMatchObject({ decision: 'accepted', verdict: { attestations: [{ satisfies: [REVIEW] }] } })
    expect(model.verdict.checks.map(({ check }) => check)).toContain('attestations')
    if (model.decision === 'accepted')
      expect(model.attestations(REVIEW)).toMatchObject([{ content: { approved: true } }])
  })

  test('does not take that of another model for it', async () => {
    const attested = name
    await reviewed('lab')
    await site.signedModel('other', { 'config.json': '{ }' })
    await site.write('other.claims.jsonl', await readFile(site.file(`${attested}.claims.jsonl`)))
    const { error } = await judgeModel(site.file('other'), { policy: await policy() })
    expect(error?.code).toBe('ATTESTATION_SUBJECT')
  })

  test('does not look for it in a file that is content of the model', async () => {
    await reviewed('lab', `${name}/claims.jsonl`)
    expect((await judgeModel(site.file(name), { policy: await policy() })).decision).toBe('accepted')
    const claims = await readFile(site.file(name, 'claims.jsonl'), 'utf8')
    const contents = { 'claims.jsonl': claims, 'config.json': '{}', 'weights.bin': 'weights' }
    const privateKey = createPrivateKey(await readFile(site.file('a.key')))
    const pair = { privateKey, publicKey: publicKeyOf(createPublicKey(privateKey)) }
    await site.write(`${name}.sig`, bundleOver(encoded(statementOver(contents)), pair))
    const { error } = await judgeModel(site.file(name), { policy: await policy() })
    expect(error?.code).toBe('ATTESTATION_MISSING')
  })

  test('judges by the revocations of the policy', async () => {
    await reviewed('lab')
    const revoked = { keys: [{ file: 'lab.pub' }] }
    const { error } = await judgeModel(site.file(name), { policy: await policy({ revoked }) })
    expect(error?.code).toBe('ATTESTATION_REVOKED')
  })
})
