import { readFileSync } from 'node:fs'
import { openVerifiedModel } from '@modelseal/core'
import { attestModel } from '@modelseal/core/attestation'
import { keySigner } from '@modelseal/core/signing'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { refusal, scratch } from '../../../core/src/testing/scratch.ts'
import { TestSite } from '../../../core/src/testing/site.ts'
import { SmallHub } from '../testing/small-hub.ts'
import { huggingFaceSource } from './hugging-face-source.ts'

const CONTENT = { 'config.json': '{}', 'onnx/model.onnx': 'graph' }
const REVIEW = 'https://example.org/review/v1'

describe('attestations in a repository of Hugging Face', () => {
  let site: TestSite
  let hub: SmallHub
  const signatures = { whole: '', folder: '', file: '' }
  const attestations = { whole: '', folder: '', file: '' }

  beforeAll(async () => {
    site = await TestSite.make()
    for (const key of ['release', 'lab']) await site.key(key)
    await site.model('vad', CONTENT)
    const signer = await keySigner({ privateKey: site.file('lab.key') })
    for (const [kind, model] of [
      ['whole', 'vad'],
      ['folder', 'vad/onnx'],
      ['file', 'vad/onnx/model.onnx'],
    ] as const) {
      const [signature, output] = [site.file(`${kind}.sig`), site.file(`${kind}.jsonl`)]
      await site.sign(model, 'release', `${kind}.sig`)
      await attestModel(site.file(model), { signer, type: REVIEW, predicate: { of: kind }, signature, output })
      signatures[kind] = readFileSync(signature, 'utf8')
      attestations[kind] = readFileSync(output, 'utf8')
    }
  })
  afterAll(() => site.remove())
  beforeEach(async () => {
    hub = await SmallHub.start()
  })
  afterEach(async () => {
    vi.unstubAllEnvs()
    await hub.close()
  })

  const commit = (more: Record<string, string>, branch = 'main') =>
    hub.commit(
      'org/vad',
      new Map(
        Object.entries({ ...CONTENT, ...more }).map(([name, text]): [string, Uint8Array] => [name, Buffer.from(text)]),
      ),
      { branch },
    )

  async function opened(
    url = 'hf://org/vad',
    require: object = { attestations: [{ type: REVIEW, signers: [{ key: 'lab' }] }] },
  ) {
    const policy = await site.policy({
      version: 1,
      trustRoots: { release: { publicKey: 'release.pub' }, lab: { publicKey: 'lab.pub' } },
      rules: [{ name: 'hub', match: { url: 'hf://org/*' }, signers: [{ key: 'release' }], require }],
    })
    const source = huggingFaceSource(url, { endpoint: hub.origin, token: false })
    const model = await openVerifiedModel(source, { policy })
    await model.close()
    if (model.decision !== 'accepted') throw new Error(model.decision)
    return model
  }

  test('are read at the commit of the model, and are no file of it', async () => {
    const old = commit({ 'model.sig': signatures.whole })
    commit({ 'model.sig': signatures.whole, 'claims.jsonl': attestations.whole })
    const model = await opened()
    expect(model.files).toEqual(['config.json', 'onnx/model.onnx'])
    expect(model.attestations(REVIEW)).toMatchObject([{ content: { of: 'whole' }, signer: { name: 'lab' } }])
    await expect(opened(`hf://org/vad@${old}`)).rejects.toEqual(refusal('ATTESTATION_MISSING'))
    expect((await opened(`hf://org/vad@${old}`, {})).verdict.decision).toBe('accepted')
  })

  test('are not read unless a rule requires them', async () => {
    commit({ 'model.sig': signatures.whole, 'claims.jsonl': attestations.whole })
    await opened('hf://org/vad', {})
    expect(hub.asked.filter((each) => each.includes('claims.jsonl'))).toEqual([])
  })

  test.each([
    ['a folder with its own signature', 'onnx', { 'onnx/model.sig': 'folder', 'onnx/claims.jsonl': 'folder' }],
    [
      'a file with its own signature',
      'onnx/model.onnx',
      { 'onnx/model.onnx.sig': 'file', 'onnx/model.onnx.claims.jsonl': 'file' },
    ],
    ['a file of a signed folder', 'onnx/model.onnx', { 'onnx/model.sig': 'folder', 'onnx/claims.jsonl': 'folder' }],
    ['a file of a signed repository', 'onnx/model.onnx', { 'model.sig': 'whole', 'claims.jsonl': 'whole' }],
  ] as const)('are found for %s', async (_, path, files) => {
    const added = Object.entries(files).map(([name, kind]) => [
      name,
      name.endsWith('.sig') ? signatures[kind] : attestations[kind],
    ])
    commit(Object.fromEntries(added) as Record<string, string>)
    const { verdict } = await opened(`hf://org/vad/${path}`)
    expect(verdict.attestations).toMatchObject([{ satisfies: [REVIEW] }])
  })

  test('about another model, or in another folder, are not believed', async () => {
    commit({ 'model.sig': signatures.whole, 'claims.jsonl': attestations.folder, 'onnx/model.sig': signatures.folder })
    await expect(opened()).rejects.toEqual(refusal('ATTESTATION_SUBJECT'))
    await expect(opened('hf://org/vad/onnx')).rejects.toEqual(refusal('ATTESTATION_MISSING'))
  })

  test('are in the cache afterwards, where an offline load finds them', async () => {
    vi.stubEnv('HF_HUB_CACHE', scratch())
    commit({ 'model.sig': signatures.whole, 'claims.jsonl': attestations.whole })
    await opened()
    vi.stubEnv('HF_HUB_OFFLINE', '1')
    const { verdict, files } = await opened()
    expect(files).toEqual(['config.json', 'onnx/model.onnx'])
    expect(verdict.attestations).toMatchObject([{ satisfies: [REVIEW] }])
  })
})
