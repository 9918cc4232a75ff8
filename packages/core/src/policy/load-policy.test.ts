import { join } from 'node:path'
import { expect, test } from 'vitest'
import { keyPair } from '../testing/bundles.ts'
import { refusal, scratch } from '../testing/scratch.ts'
import { loadCompiledPolicy, loadPolicy, loadValidPolicy, policyForLoad } from './load-policy.ts'
import { isPolicy } from './policy.ts'

const KEY = keyPair().publicKey.key.export({ type: 'spki', format: 'pem' }).toString()

function policyWith(more: object = {}, rules: object[] = []): string {
  const text = {
    version: 1,
    trustRoots: { a: { publicKey: 'a.pub' }, ...more },
    rules: [{ name: 'r', match: { path: 'm' }, signers: [{ key: 'a' }] }, ...rules],
  }
  return join(scratch({ 'p.json': JSON.stringify(text), 'a.pub': KEY, 'bad.json': '{}' }), 'p.json')
}

test('a valid policy is read', async () => {
  const path = policyWith()
  for (const policy of [await loadPolicy(path), await loadValidPolicy(path), await policyForLoad(path)]) {
    expect(isPolicy(policy)).toBe(true)
    expect(policy.path).toBe(path)
  }
})

test('the first problem of a policy refuses it', async () => {
  const path = policyWith({ b: { publicKey: 'missing.pub' } }, [{ name: 'r', match: { path: 'm' }, signers: [] }])
  const unknown = policyWith({ b: { publicKey: 'missing.pub' } })
  for (const load of [loadPolicy, loadValidPolicy, policyForLoad]) {
    await expect(load(path)).rejects.toEqual(refusal('POLICY_INVALID'))
    await expect(load(unknown)).rejects.toEqual(refusal('FILE_NOT_FOUND'))
  }
  const { problems } = await loadCompiledPolicy(unknown)
  expect(problems).toMatchObject([{ code: 'FILE_NOT_FOUND' }])
})

test('a faulty trusted root of Sigstore refuses a policy, but not one load that does not need it', async () => {
  const path = policyWith({ s: { sigstore: { file: 'bad.json' } } })
  await expect(loadValidPolicy(path)).rejects.toEqual(refusal('TRUST_ROOT_INVALID'))
  expect((await policyForLoad(path)).rules).toHaveLength(1)
})

test('loads at once that read an invalid policy are all refused', async () => {
  const path = policyWith({ b: { publicKey: 'missing.pub' } })
  const outcomes = await Promise.allSettled([policyForLoad(path), policyForLoad(path), policyForLoad(path)])
  expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected'])
  await expect(policyForLoad(`${path}.none`)).rejects.toEqual(refusal('POLICY_NOT_FOUND'))
})

test('the digests of a policy for one load are not known', async () => {
  const path = policyWith()
  expect((await loadValidPolicy(path)).digests).toBeDefined()
  expect((await policyForLoad(path)).digests).toBeUndefined()
})
