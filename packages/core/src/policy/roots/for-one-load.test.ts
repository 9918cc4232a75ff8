import { rmSync } from 'node:fs'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { TestSigstore } from '../../testing/sigstore.ts'
import { TestSite } from '../../testing/site.ts'
import { refusal } from '../../testing/scratch.ts'
import { signModel } from '../../signing/sign-model.ts'
import { checkPolicy } from '../checking/check.ts'
import { loadPolicy, policyForLoad } from '../load-policy.ts'
import { watchPolicy } from '../watching/watch-policy.ts'

let site: TestSite
let policy: string

beforeEach(async () => {
  site = await TestSite.make()
  await site.key('a')
  await site.signedModel('model')
  await site.write('sigstore.json', JSON.stringify(await new TestSigstore().root()))
  policy = await site.policy(TEXT)
})
afterEach(() => site.remove())

const TEXT = `version: 1
trustRoots:
  keys: { publicKey: a.pub }
  ours: { sigstore: { file: sigstore.json } }
rules:
  - name: r
    match: { path: model }
    signers:
      - key: keys
      - sigstore: { root: ours, issuer: https://issuer.example, identity: a@b.example }
`

async function trustOf(name: string) {
  const root = (await policyForLoad(policy)).roots.get(name)
  if (root?.kind !== 'sigstore' || !root.trust) throw new Error('no Sigstore root')
  return root.trust()
}

test('a trusted root is parsed when a bundle needs it, and then kept', async () => {
  const { roots } = await policyForLoad(policy)
  const root = roots.get('ours')
  const trust = root?.kind === 'sigstore' ? root.trust : undefined
  const [first, second] = await Promise.all([trust?.(), trust?.()])
  expect(first?.info).toMatchObject({ source: 'file', name: site.file('sigstore.json') })
  expect(second).toBe(first)
})

test('the content of a trusted root is that of the time when the policy was read', async () => {
  const { roots } = await policyForLoad(policy)
  rmSync(site.file('sigstore.json'))
  const root = roots.get('ours')
  expect(root?.kind === 'sigstore' && (await root.trust?.())?.material.tlogs).toHaveLength(1)
})

test('a trusted root that is not valid refuses only the bundles that need it', async () => {
  await site.write('sigstore.json', '{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}')
  expect(await site.judge('model', TEXT)).toBe('accepted')
  const signer = new TestSigstore().signer()
  await signModel(site.file('model'), { signer, signature: site.file('model.sig') })
  expect(await site.judge('model', TEXT)).toBe('refused TRUST_ROOT_INVALID')
  const fault = refusal('TRUST_ROOT_INVALID', { file: policy, line: 4, column: 29 })
  await expect(trustOf('ours')).rejects.toEqual(fault)
  await expect(trustOf('ours')).rejects.toEqual(fault)
})

test('whoever loads, watches or checks a policy learns of a trusted root that is not valid', async () => {
  await site.write('sigstore.json', '{}')
  await expect(loadPolicy(policy)).rejects.toEqual(refusal('TRUST_ROOT_INVALID'))
  await expect(watchPolicy(policy)).rejects.toEqual(refusal('TRUST_ROOT_INVALID'))
  expect(await checkPolicy(policy)).toMatchObject([{ severity: 'error', code: 'TRUST_ROOT_INVALID', line: 4 }])
})

test('a trusted root that cannot be read refuses the policy', async () => {
  rmSync(site.file('sigstore.json'))
  expect(await site.judge('model', TEXT)).toBe('refused FILE_NOT_FOUND')
})

test('a value on Object.prototype does not keep loadPolicy() from parsing a trusted root', async () => {
  await site.write('sigstore.json', '{}')
  Object.defineProperty(Object.prototype, 'forOneLoad', { configurable: true, value: true })
  try {
    await expect(loadPolicy(policy)).rejects.toEqual(refusal('TRUST_ROOT_INVALID'))
  } finally {
    Reflect.deleteProperty(Object.prototype, 'forOneLoad')
  }
})
