import { readFileSync } from 'node:fs'
import { openVerifiedModel } from '@modelseal/core'
import { attestModel } from '@modelseal/core/attestation'
import { keySigner } from '@modelseal/core/signing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { refusal } from '../../../core/src/testing/scratch.ts'
import { TestSite } from '../../../core/src/testing/site.ts'
import { TestRegistry, TITLE, type Layer } from '../testing/oci-registry.ts'
import { ociSource } from './oci-source.ts'

const WEIGHTS = Buffer.from('weights')
const REVIEW = 'https://example.org/review/v1'

let site: TestSite
let signature: Buffer
/** By who made it. */
const attestations = new Map<string, Buffer>()

beforeAll(async () => {
  site = await TestSite.make()
  for (const key of ['release', 'lab', 'stranger']) await site.key(key)
  await site.model('model', { 'weights.bin': String(WEIGHTS) })
  await site.sign('model', 'release', 'model.sig')
  signature = readFileSync(site.file('model.sig'))
  for (const key of ['release', 'lab', 'stranger']) {
    const signer = await keySigner({ privateKey: site.file(`${key}.key`) })
    const output = site.file(`${key}.jsonl`)
    await attestModel(site.file('model'), { signer, type: REVIEW, predicate: { by: key }, output })
    attestations.set(key, readFileSync(output))
  }
})
afterAll(() => site.remove())

const attested = (key: string) => attestations.get(key) ?? Buffer.of()
const titled = (name: string, content: Uint8Array): Layer => ({ content, annotations: { [TITLE]: name } })

/** A rule that requires a review by the laboratory, unless `require` says otherwise. */
async function opened(registry: TestRegistry, rule: object = {}) {
  const policy = await site.policy({
    version: 1,
    trustRoots: { release: { publicKey: 'release.pub' }, lab: { publicKey: 'lab.pub' } },
    rules: [
      {
        name: 'any',
        match: { url: 'oci://**' },
        signers: [{ key: 'release' }],
        require: { attestations: [{ type: REVIEW, signers: [{ key: 'lab' }] }] },
        ...rule,
      },
    ],
  })
  const model = await openVerifiedModel(ociSource(registry.url()), { policy })
  await model.close()
  return model
}

describe.each([true, false])('attestations that are attached to a model (referrers API: %s)', (referrersApi) => {
  async function registryWith(...keys: string[]): Promise<{ registry: TestRegistry; subject: string }> {
    const registry = await TestRegistry.start({ referrersApi })
    const subject = registry.push([titled('weights.bin', WEIGHTS)], { tag: '1.0' })
    for (const key of keys) registry.attach(attested(key), subject)
    registry.attach(signature, subject)
    return { registry, subject }
  }

  test('are no signatures of the model, and change nothing unless a rule requires them', async () => {
    const { registry } = await registryWith('stranger', 'lab')
    const { verdict, files } = await opened(registry, { require: {} })
    expect(verdict.decision).toBe('accepted')
    expect(verdict.attestations).toBeUndefined()
    expect(verdict.bundles).toMatchObject([{ counted: true }])
    expect(files).toEqual(['weights.bin'])
    // Not even if a rule selects a model by the name in its bundle.
    const named = { match: { name: 'model' }, require: {} }
    expect((await opened(registry, named)).verdict.decision).toBe('accepted')
  })

  test('are believed by their signatures, and each is fetched once', async () => {
    const { registry } = await registryWith('stranger', 'lab')
    const { verdict } = await opened(registry)
    expect(verdict.attestations).toMatchObject([
      { type: REVIEW, reason: { code: 'SIGNER_NOT_TRUSTED' } },
      { type: REVIEW, signer: { name: 'lab' }, satisfies: [REVIEW] },
    ])
    expect(verdict.bundles).toHaveLength(1)
    const fetched = registry.asked.filter((path) => /\/(?:blobs|manifests)\/sha256:/.test(path))
    expect(new Set(fetched).size).toBe(fetched.length)
    expect(registry.asked.filter((path) => path.includes('/referrers/')).length).toBeLessThan(2)
  })

  test('are missing, or about another model', async () => {
    const { registry, subject } = await registryWith('stranger')
    await expect(opened(registry)).rejects.toEqual(refusal('SIGNER_NOT_TRUSTED'))
    const other = registry.push([titled('weights.bin', Buffer.from('other'))], { tag: '2.0' })
    registry.attach(attested('lab'), other)
    await expect(opened(registry)).rejects.toEqual(refusal('SIGNER_NOT_TRUSTED'))
    registry.attach(attested('lab'), subject)
    expect((await opened(registry)).verdict.decision).toBe('accepted')
  })

  test('cannot take the place of a signature', async () => {
    const registry = await TestRegistry.start({ referrersApi })
    const subject = registry.push([titled('weights.bin', WEIGHTS)], { tag: '1.0' })
    registry.attach(attested('release'), subject)
    await expect(opened(registry, { require: {} })).rejects.toEqual(refusal('BUNDLE_NOT_FOUND'))
  })

  test('do not crowd out a signature', async () => {
    const { registry } = await registryWith(...Array.from({ length: 3 }, () => 'stranger'))
    const bundle = JSON.parse(attested('stranger').toString()) as object
    const subject = registry.tags.get('1.0') ?? ''
    // Each has another digest. The signature was attached before, or is listed last.
    for (let count = 0; count < 40; count++)
      registry.attach(Buffer.from(' '.repeat(count) + JSON.stringify(bundle)), subject)
    const { verdict } = await opened(registry, { require: {} })
    expect(verdict.bundles).toHaveLength(1)
  })
})

test('attestations lie in a layer named claims.jsonl, which is no file of the model', async () => {
  const registry = await TestRegistry.start()
  const lines = Buffer.concat([Buffer.from('junk\n'), attested('lab')])
  const layers = [titled('weights.bin', WEIGHTS), titled('claims.jsonl', lines), titled('model.sig', signature)]
  registry.push(layers, { tag: '1.0' })
  const { verdict, files } = await opened(registry)
  expect(files).toEqual(['weights.bin'])
  expect(verdict.attestations).toMatchObject([
    { path: `${registry.url()}/claims.jsonl:1`, reason: { code: 'JSON_INVALID' } },
    { path: `${registry.url()}/claims.jsonl:2`, satisfies: [REVIEW] },
  ])
})
