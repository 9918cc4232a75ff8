import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import fc from 'fast-check'
import { TestSite } from '../../testing/site.ts'
import { attackRuns } from '../../testing/runs.ts'

let site: TestSite
const keys: Record<string, string> = {}
const roots: Record<string, string> = {}
const MODELS = ['one', 'two', 'three', 'unsigned']

beforeAll(async () => {
  site = await TestSite.make()
  for (const name of ['a', 'b', 'c']) keys[name] = await site.key(name)
  for (const [index, model] of MODELS.entries()) {
    await site.model(model, { 'weights.bin': `weights of ${model}` })
    for (const key of ['a', 'b', 'c'].slice(0, index === 3 ? 0 : index + 1))
      roots[model] = await site.sign(model, key, `${model}.${key}.sig`)
  }
})
afterAll(() => site.remove())

interface Written {
  signers: string[]
  threshold: number
  mode: 'enforce' | 'audit' | 'skip'
  revoked: { keys: unknown[]; rootDigests: unknown[] }
}

function policyOf({ signers, threshold, mode, revoked }: Written) {
  const rule = mode === 'skip' ? { reason: 'tested' } : { signers: signers.map((key) => ({ key })), threshold }
  return {
    version: 1,
    trustRoots: { a: { publicKey: 'a.pub' }, b: { publicKey: 'b.pub' }, c: { publicKey: ['c.pub', 'a.pub'] } },
    rules: [{ name: 'rule', match: { path: MODELS }, mode, ...rule }],
    revoked,
  }
}

const window = fc.constantFrom({}, { from: '2020-01-01T00:00:00Z' }, { until: '2020-01-01T00:00:00Z' })
const keyRevocation = fc.tuple(fc.constantFrom('a', 'b', 'c'), window)
const modelRevocation = fc.tuple(fc.constantFrom('one', 'two', 'three'), window)
const written = fc.record({
  signers: fc.uniqueArray(fc.constantFrom('a', 'b', 'c'), { minLength: 1 }),
  threshold: fc.integer({ min: 1, max: 3 }),
  mode: fc.constantFrom('enforce', 'audit', 'skip'),
  keys: fc.array(keyRevocation, { maxLength: 2 }),
  models: fc.array(modelRevocation, { maxLength: 1 }),
  model: fc.constantFrom(...MODELS),
})

type Generated = typeof written extends fc.Arbitrary<infer T> ? T : never

function build({ signers, threshold, mode, keys: revokedKeys, models }: Generated): Written {
  return {
    signers,
    threshold,
    mode: mode,
    revoked: {
      keys: revokedKeys.map(([name, when]) => ({ fingerprint: keys[name], ...when })),
      rootDigests: models.map(([name, when]) => ({ digest: roots[name], ...when })),
    },
  }
}

const isRefused = (decision: string) => decision.startsWith('refused')
const judge = (model: string, policy: Written) => site.judge(model, policyOf(policy))

describe('whatever a policy says,', () => {
  test('adding a revocation never turns a refusal into an acceptance', async () => {
    await fc.assert(
      fc.asyncProperty(written, fc.oneof(keyRevocation, modelRevocation), async (generated, [name, when]) => {
        const before = build(generated)
        const { revoked } = before
        const more =
          name in keys
            ? { ...revoked, keys: [...revoked.keys, { fingerprint: keys[name], ...when }] }
            : { ...revoked, rootDigests: [...revoked.rootDigests, { digest: roots[name], ...when }] }
        const [first, second] = [
          await judge(generated.model, before),
          await judge(generated.model, { ...before, revoked: more }),
        ]
        if (isRefused(first)) expect(second).toMatch(/^refused/)
      }),
      { numRuns: attackRuns(40) },
    )
  })

  test('removing a signer never turns a refusal into an acceptance', async () => {
    await fc.assert(
      fc.asyncProperty(written, fc.nat(), async (generated, index) => {
        const before = build(generated)
        fc.pre(before.mode !== 'skip')
        const signers = before.signers.filter((_, position) => position !== index % before.signers.length)
        const judged = async (policy: Written) =>
          policy.signers.length === 0 ? 'refused' : judge(generated.model, policy).catch(() => 'refused')
        const [first, second] = [await judged(before), await judged({ ...before, signers })]
        if (isRefused(first)) expect(second).toMatch(/^refused/)
        // Nor does it in the mode audit: a tolerated model never becomes accepted.
        if (first.startsWith('tolerated')) expect(second).not.toBe('accepted')
      }),
      { numRuns: attackRuns(40) },
    )
  })
})
