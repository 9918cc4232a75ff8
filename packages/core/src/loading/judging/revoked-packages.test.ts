import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { checkPolicy } from '../../policy/checking/check.ts'
import type { SourceSession } from '../../source/model-source.ts'
import { memorySource } from '../../testing/memory-source.ts'
import { TestSite } from '../../testing/site.ts'
import { openVerifiedModel } from '../open-verified-model.ts'

const MODEL = 'store://models/vad'
const PACKAGE = `pkg:huggingface/acme/vad@${'a1'.repeat(20)}`

let site: TestSite
let content: Map<string, Buffer>

beforeAll(async () => {
  site = await TestSite.make()
  await site.key('a')
  content = await site.signedContent('model')
})
afterAll(() => site.remove())

function policy(entry: unknown, mode: 'enforce' | 'audit' | 'skip' = 'enforce') {
  return {
    version: 1,
    trustRoots: { a: { publicKey: 'a.pub' } },
    rules: [
      {
        name: 'r',
        match: { url: 'store://models/**' },
        mode,
        ...(mode === 'skip' ? { reason: 'a test' } : { signers: [{ key: 'a' }] }),
      },
    ],
    revoked: { packages: [entry] },
  }
}

async function judged(entry: unknown, mode?: 'enforce' | 'audit' | 'skip', session?: Partial<SourceSession>) {
  const path = await site.write('policy.json', JSON.stringify(policy(entry, mode)))
  const source = memorySource(MODEL, content, { session: { packageUrl: PACKAGE, ...session } })
  try {
    const { verdict } = await openVerifiedModel(source, { policy: path })
    return verdict
  } catch (error) {
    return error
  }
}

describe.each(['enforce', 'audit', 'skip'] as const)('a revoked package, in the mode %s', (mode) => {
  test.each([PACKAGE, 'pkg:huggingface/acme/vad', { purl: 'pkg:huggingface/Acme/VAD', reason: 'poisoned' }])(
    'is refused: %j',
    async (entry) => {
      expect(await judged(entry, mode)).toMatchObject({ code: 'MODEL_REVOKED' })
    },
  )

  test('is refused before its bundles are looked for', async () => {
    const bundles = () => {
      throw new Error('not to be asked')
    }
    expect(await judged(PACKAGE, mode, { bundles })).toMatchObject({ code: 'MODEL_REVOKED' })
  })

  test('does not concern another version', async () => {
    const verdict = await judged(`pkg:huggingface/acme/vad@${'b'.repeat(40)}`, mode)
    expect(verdict).toMatchObject({ model: { packageUrl: PACKAGE } })
    expect(verdict).not.toHaveProperty('code')
  })
})

test('a model without a package URL is not found by one', async () => {
  expect(await judged(PACKAGE, 'enforce', { packageUrl: undefined })).toMatchObject({ decision: 'accepted' })
})

test('a source that states something else is refused', async () => {
  expect(await judged(PACKAGE, 'enforce', { packageUrl: 'vad' })).toMatchObject({ code: 'SOURCE_FAILED' })
  expect(await judged(PACKAGE, 'enforce', { packageUrl: 7 as never })).toMatchObject({ code: 'SOURCE_FAILED' })
})

test('an invalid package URL is refused with its position', async () => {
  const path = await site.write('policy.json', JSON.stringify(policy('pkg:huggingface/acme/vad@main'), undefined, 1))
  const findings = await checkPolicy(path)
  expect(findings).toMatchObject([{ code: 'POLICY_INVALID', severity: 'error' }])
})
