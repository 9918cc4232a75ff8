import { appendFileSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { openVerifiedModel } from '@modelseal/core'
import { attestModel } from '@modelseal/core/attestation'
import { keySigner, signModel } from '@modelseal/core/signing'
import type { ModelSource } from '@modelseal/core/source'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { refusal } from '../../../core/src/testing/scratch.ts'
import { huggingFaceSource } from '../huggingface/hugging-face-source.ts'
import { ociSource } from '../oci/oci-source.ts'
import { TestRegistry } from '../testing/oci-registry.ts'
import { signedDirectory, type SignedDirectory } from '../testing/signed-model.ts'
import { SmallHub } from '../testing/small-hub.ts'
import { pushModel } from './push-model.ts'

// Attestations are published with their model, and found where they were published.

const REVIEW = 'https://example.org/review/v1'

async function attest({ model, privateKey }: SignedDirectory, note: string, output = `${model}.claims.jsonl`) {
  const signer = await keySigner({ privateKey })
  const signature = join(model, 'model.sig')
  return attestModel(model, { signer, type: REVIEW, predicate: { note }, output, signature })
}

/** What a rule that requires the attestations believes. */
async function notesOf(source: ModelSource, { publicKey }: SignedDirectory): Promise<unknown[]> {
  const policy = join(dirname(publicKey), 'policy.yaml')
  const require = { attestations: [{ type: REVIEW }] }
  const rule = { name: 'all', match: { url: ['hf://**', 'oci://**'] }, signers: [{ key: 'release' }], require }
  writeFileSync(
    policy,
    JSON.stringify({ version: 1, trustRoots: { release: { publicKey: 'release.pub' } }, rules: [rule] }),
  )
  const model = await openVerifiedModel(source, { policy })
  await model.close()
  if (model.decision !== 'accepted') throw new Error(model.decision)
  expect(model.files).not.toContain('claims.jsonl')
  return model.attestations(REVIEW).map(({ content }) => (content as { note: string }).note)
}

describe('attestations are pushed to Hugging Face:', () => {
  let hub: SmallHub
  beforeEach(async () => {
    vi.stubEnv('HF_HUB_DISABLE_XET', '1')
    hub = await SmallHub.start()
    commit({})
  })
  afterEach(async () => {
    vi.unstubAllEnvs()
    await hub.close()
  })

  const commit = (files: Record<string, string>) =>
    hub.commit('org/vad', new Map(Object.entries(files).map(([name, text]) => [name, Buffer.from(text)])))
  const push = ({ model, publicKey }: SignedDirectory, huggingFace: object = {}) =>
    pushModel(model, 'hf://org/vad', {
      signedBy: { verifier: { publicKey } },
      huggingFace: { endpoint: hub.origin, token: 'hf_secret', ...huggingFace },
    })
  const source = () => huggingFaceSource('hf://org/vad', { endpoint: hub.origin, token: false, cache: false })
  function served(name: string): string | undefined {
    const { commits, references } = hub.repositories.get('org/vad') ?? {}
    const content = commits?.get(references?.get('main') ?? '')?.get(name)
    return content && String(Buffer.from(content))
  }

  test('those beside the model and in it, in the commit of the model', async () => {
    const signed = await signedDirectory()
    const { digest } = await attest(signed, 'beside')
    await attest(signed, 'inside', join(signed.model, 'claims.jsonl'))
    const pushed = await push(signed)
    expect(hub.repositories.get('org/vad')?.commits.size).toBe(2)
    expect(pushed.attestations).toMatchObject([{ type: REVIEW }, { type: REVIEW, digest }])
    expect(pushed).toMatchObject({ leftOut: [], uploaded: { length: 4 } })
    expect(await notesOf(source(), signed)).toEqual(['inside', 'beside'])
  })

  test('and none that is there is lost', async () => {
    const signed = await signedDirectory()
    await attest(signed, 'first')
    const [line] = readFileSync(`${signed.model}.claims.jsonl`, 'utf8').split('\n')
    // Of an older model, without the end of a line.
    commit({ 'claims.jsonl': `${line}\n{"of":"another"}` })
    await attest(signed, 'second')
    await push(signed)
    expect(served('claims.jsonl')?.split('\n').slice(0, 2)).toEqual([line, '{"of":"another"}'])
    expect(await notesOf(source(), signed)).toEqual(['first', 'second'])
    const before = served('claims.jsonl')
    await push(signed)
    expect(served('claims.jsonl')).toBe(before)
    await push(signed, { delete: true })
    expect(served('claims.jsonl')).toBe(before)
  })

  test('but not those about another model, and not what is unreadable', async () => {
    const [signed, other] = [await signedDirectory(), await signedDirectory({ 'weights.bin': 'other' })]
    await attest(signed, 'own')
    await attest(other, 'foreign', `${signed.model}.claims.jsonl`)
    appendFileSync(`${signed.model}.claims.jsonl`, 'junk\n')
    const { attestations, leftOut } = await push(signed)
    expect(attestations).toHaveLength(1)
    expect(leftOut).toMatchObject([
      { path: `${signed.model}.claims.jsonl:2`, reason: 'It is about another model.' },
      { path: `${signed.model}.claims.jsonl:3`, reason: expect.stringContaining('JSON') as string },
    ])
    expect(await notesOf(source(), signed)).toEqual(['own'])
  })

  test('a signed file with their name is content, and stays what it is', async () => {
    const signed = await signedDirectory({ 'claims.jsonl': '{"claim":1}\n' })
    await attest(signed, 'beside')
    const { attestations, leftOut } = await push(signed)
    expect(attestations).toEqual([])
    expect(leftOut).toMatchObject([{ reason: expect.stringContaining('belongs to the model') as string }])
    expect(served('claims.jsonl')).toBe('{"claim":1}\n')
  })

  test('a hub that serves others has not published them', async () => {
    const signed = await signedDirectory()
    await attest(signed, 'own')
    hub.committing = (files) => new Map([...files].filter(([name]) => name !== 'claims.jsonl'))
    await expect(push(signed)).rejects.toEqual(
      refusal('PUSH_UNPROVEN', { cause: refusal('ATTESTATION_MISSING') as Error }),
    )
  })

  test('more than loads read refuse the push before anything changes', async () => {
    const signed = await signedDirectory()
    await attest(signed, 'own')
    commit({ 'claims.jsonl': '{}\n'.repeat(1_000) })
    await expect(push(signed)).rejects.toEqual(refusal('ATTESTATIONS_TOO_MANY'))
    expect(served('model.sig')).toBeUndefined()
  })
})

describe.each([true, false])('attestations are pushed to a registry (referrers API: %s):', (referrersApi) => {
  const push = ({ model, publicKey }: SignedDirectory, registry: TestRegistry) =>
    pushModel(model, registry.url(), { signedBy: { verifier: { publicKey } } })

  test('one referrer each, beside what is there', async () => {
    const registry = await TestRegistry.start({ referrersApi })
    const signed = await signedDirectory()
    await attest(signed, 'first')
    const first = await push(signed, registry)
    expect(first.attestations).toHaveLength(1)
    expect(await notesOf(ociSource(registry.url()), signed)).toEqual(['first'])
    // Pretty-printed, and added later.
    await attest(signed, 'second', join(dirname(signed.model), 'second.jsonl'))
    const second = JSON.parse(readFileSync(join(dirname(signed.model), 'second.jsonl'), 'utf8')) as object
    writeFileSync(`${signed.model}.second.sigstore.json`, JSON.stringify(second, undefined, 2))
    renameSync(`${signed.model}.claims.jsonl`, join(dirname(signed.model), 'elsewhere.jsonl'))
    const again = await push(signed, registry)
    expect(again.revision).toBe(first.revision)
    expect((await notesOf(ociSource(registry.url()), signed)).sort()).toEqual(['first', 'second'])
    const size = registry.manifests.size
    await push(signed, registry)
    expect(registry.manifests.size).toBe(size)
  })

  test('more than loads open refuse the push before anything is attached', async () => {
    const registry = await TestRegistry.start({ referrersApi })
    const signed = await signedDirectory()
    const { revision } = await push(signed, registry)
    for (let count = 0; count < 899; count++) registry.attach(Buffer.from(`of another ${count}`), revision)
    await attest(signed, 'one too many')
    await expect(push(signed, registry)).rejects.toEqual(refusal('PUSH_REFUSED'))
    const { publicKey } = signed
    renameSync(`${signed.model}.claims.jsonl`, join(dirname(publicKey), 'elsewhere.jsonl'))
    expect((await push(signed, registry)).revision).toBe(revision)
  })
})

test('a model that is signed again keeps no attestations of the old one', async () => {
  const registry = await TestRegistry.start()
  const signed = await signedDirectory()
  await attest(signed, 'old')
  writeFileSync(join(signed.model, 'config.json'), '{"changed":true}')
  await signModel(signed.model, { signer: await keySigner({ privateKey: signed.privateKey }) })
  const { attestations, leftOut } = await pushModel(signed.model, registry.url(), {
    signedBy: { verifier: { publicKey: signed.publicKey } },
  })
  expect({ attestations, leftOut }).toMatchObject({ attestations: [], leftOut: { length: 1 } })
})
