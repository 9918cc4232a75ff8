import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { signModel } from '@modelseal/core/signing'
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { scratch, refusal } from '../../../core/src/testing/scratch.ts'
import { serving } from '../../../core/src/testing/serving.ts'
import '../../../hub/src/index.ts'
import { SmallHub } from '../../../hub/src/testing/small-hub.ts'
import '../../../s3/src/index.ts'
import { SmallS3 } from '../../../s3/src/testing/small-s3.ts'
import { all, signerAndKey } from '../testing/models.ts'
import { planCatalogue } from './plan-catalogue.ts'
import { signCatalogue, type SignCatalogueOptions } from './sign-catalogue.ts'
import { verifyCatalogue, type VerifyCatalogueOptions } from './verify-catalogue.ts'

beforeEach(() => {
  vi.stubEnv('MODELSEAL_CACHE', join(scratch(), 'cache'))
  return () => vi.unstubAllEnvs()
})

const statementOf = (bundle: Uint8Array) =>
  (JSON.parse(Buffer.from(bundle).toString()) as { dsseEnvelope: { payload: string } }).dsseEnvelope.payload

async function signed(catalogue: string, options: SignCatalogueOptions) {
  const run = await signCatalogue(catalogue, options)
  const outcomes = (await all(run)).sort((one, two) => (one.model < two.model ? -1 : 1))
  return { outcomes, counts: run.counts }
}

async function decisions(catalogue: string, publicKey: string, options: VerifyCatalogueOptions = {}) {
  const rule = { name: 'all', match: { url: ['**'] }, signers: [{ key: 'a' }] }
  const policy = { version: 1, trustRoots: { a: { publicKey: 'a.pub' } }, rules: [rule] }
  const files = { 'policy.json': JSON.stringify(policy), 'a.pub': readFileSync(publicKey) }
  const run = await verifyCatalogue(catalogue, { policy: join(scratch(files), 'policy.json'), ...options })
  const outcomes = await all(run)
  const ofEach = outcomes.map((each) => [each.model, 'verdict' in each ? each.verdict.decision : each.error.code])
  return Object.fromEntries(ofEach) as Record<string, string>
}

function listOf(...lines: string[]): string {
  return join(scratch({ list: lines.join('\n') }), 'list')
}

describe('a catalogue in a bucket', () => {
  let store: SmallS3
  beforeEach(async () => {
    store = await SmallS3.start({
      'zoo/a/config.json': '{"name":"a"}',
      'zoo/a/weights.bin': 'weights of a',
      'zoo/b/weights.bin': 'weights of b',
      'zoo/README.md': '# Zoo',
      'one.onnx': 'a single file',
    })
    onTestFinished(() => store.close())
    const environment = {
      AWS_ENDPOINT_URL_S3: store.origin,
      AWS_ACCESS_KEY_ID: 'id',
      AWS_SECRET_ACCESS_KEY: 'secret',
      AWS_CONFIG_FILE: '/dev/null/none',
      AWS_SHARED_CREDENTIALS_FILE: '/dev/null/none',
      AWS_PROFILE: undefined,
    }
    for (const [name, value] of Object.entries(environment)) vi.stubEnv(name, value)
  })

  test('is signed where it is, and verified', async () => {
    const results = scratch()
    const { signer, publicKey } = await signerAndKey()
    const plans = await all(planCatalogue('s3://models/zoo/'))
    expect(plans).toMatchObject([
      { model: 's3://models/zoo/a', files: 2, bytes: 24 },
      { model: 's3://models/zoo/b', files: 1, bytes: 12 },
    ])
    const { outcomes, counts } = await signed('s3://models/zoo/', { signer, results })
    expect(outcomes).toMatchObject([
      { model: 's3://models/zoo/a', signed: { signature: 's3://models/zoo/a/model.sig', files: 2 } },
      { model: 's3://models/zoo/b', signed: { signature: 's3://models/zoo/b/model.sig', files: 1 } },
    ])
    expect(counts).toMatchObject({ jobs: 2 })
    expect(await all(planCatalogue('s3://models/zoo/'))).toEqual(plans)
    const alone = join(scratch(), 'alone.sig')
    await signModel('s3://models/zoo/a', { signer, signature: alone, ignorePaths: ['model.sig'] })
    expect(statementOf(store.objects.get('zoo/a/model.sig') ?? Buffer.of())).toBe(statementOf(readFileSync(alone)))
    expect(await decisions('s3://models/zoo', publicKey, { results })).toEqual({
      's3://models/zoo/a': 'accepted',
      's3://models/zoo/b': 'accepted',
    })
  })

  test('is continued: models that have this signature are left alone, and changed ones are signed again', async () => {
    const results = scratch()
    const { signer, publicKey } = await signerAndKey()
    await signed('s3://models/zoo/', { signer, results })
    const before = store.objects.get('zoo/a/model.sig')
    store.objects.set('zoo/b/weights.bin', Buffer.from('other weights'))
    const { outcomes } = await signed('s3://models/zoo/', { signer, results })
    expect(outcomes).toMatchObject([
      { model: 's3://models/zoo/a', unchanged: { signature: 's3://models/zoo/a/model.sig' } },
      { model: 's3://models/zoo/b', signed: {} },
    ])
    expect(store.objects.get('zoo/a/model.sig')).toBe(before)
    store.objects.set('zoo/a/weights.bin', Buffer.from('weights of c'))
    expect(await decisions('s3://models/zoo', publicKey, { results })).toEqual({
      's3://models/zoo/a': 'refused',
      's3://models/zoo/b': 'accepted',
    })
  })

  test('keeps the bundle of another model, and what is not a bundle', async () => {
    const { signer } = await signerAndKey()
    await signed('s3://models/zoo/', { signer, results: scratch() })
    store.objects.set('zoo/b/model.sig', store.objects.get('zoo/a/model.sig') ?? Buffer.of())
    store.objects.set('zoo/a/model.sig', Buffer.from('weights with an odd name'))
    const { outcomes } = await signed('s3://models/zoo/', { signer, results: scratch(), overwrite: 'same-model' })
    const errors = ['a', 'b'].map((name) => {
      const file = `s3://models/zoo/${name}/model.sig`
      const message = expect.stringContaining(`Cannot write the signature to "${file}"`) as string
      return refusal('SIGNATURE_EXISTS', { file, message })
    })
    expect(outcomes.map((each) => 'error' in each && each.error)).toEqual(errors)
  })

  test('is refused below a prefix without models', async () => {
    const { signer } = await signerAndKey()
    for (const url of ['s3://models/none/', 's3://models/zoo/a/'])
      await expect(signed(url, { signer, results: scratch() })).rejects.toEqual(refusal('CATALOGUE_INVALID'))
  })

  test('may be lines of a file, and single objects', async () => {
    const catalogue = listOf('s3://models/zoo/a', 's3://models/one.onnx', 's3://models/none')
    const { signer, publicKey } = await signerAndKey()
    const { outcomes } = await signed(catalogue, { signer })
    const codes = Object.fromEntries(
      outcomes.map((each) => [each.model, 'error' in each ? each.error.code : 'signed' in each]),
    )
    expect(codes).toEqual({
      's3://models/zoo/a': true,
      's3://models/one.onnx': true,
      's3://models/none': 'MODEL_NOT_FOUND',
    })
    expect(store.objects.has('one.onnx.sig')).toBe(true)
    expect(await decisions(catalogue, publicKey)).toMatchObject({
      's3://models/zoo/a': 'accepted',
      's3://models/one.onnx': 'accepted',
    })
  })

  test('leaves nothing on this machine', async () => {
    const { signer } = await signerAndKey()
    const [results, temporary] = [scratch(), scratch()]
    vi.stubEnv('TMPDIR', temporary)
    await signed('s3://models/zoo/', { signer, results })
    expect(readdirSync(temporary)).toEqual([])
  })
})

describe('models that cannot be written to', () => {
  async function places() {
    const hub = await SmallHub.start()
    onTestFinished(() => hub.close())
    hub.commit('acme/vad', new Map(Object.entries({ 'config.json': '{}', 'w.bin': 'weights' }).map(bytes)))
    vi.stubEnv('HF_ENDPOINT', hub.origin)
    const web = await serving((_, response) => response.end('a single file'))
    return { catalogue: listOf('hf://acme/vad', `${web}/one.onnx`), web }
  }
  const bytes = ([name, text]: [string, string]): [string, Uint8Array] => [name, Buffer.from(text)]

  test('have their bundles in a directory', async () => {
    const { catalogue, web } = await places()
    const { signer, publicKey } = await signerAndKey()
    const bundles = scratch()
    expect(await all(planCatalogue(catalogue))).toMatchObject([
      { model: 'hf://acme/vad', files: 2, bytes: 9 },
      { model: `${web}/one.onnx`, onlyHere: true },
    ])
    const { outcomes, counts } = await signed(catalogue, { signer, bundles })
    expect(outcomes.map((each) => 'signed' in each && each.signed.files).sort()).toEqual([1, 2])
    expect(counts).toMatchObject({ jobs: 1 })
    expect(readdirSync(bundles)).toHaveLength(2)
    const accepted = { 'hf://acme/vad': 'accepted', [`${web}/one.onnx`]: 'accepted' }
    expect(await decisions(catalogue, publicKey, { bundles })).toEqual(accepted)
    expect((await signed(catalogue, { signer, bundles })).outcomes).toMatchObject([
      { unchanged: {} },
      { unchanged: {} },
    ])
    writeFileSync(join(bundles, readdirSync(bundles)[0] ?? ''), '{}')
    expect(Object.values(await decisions(catalogue, publicKey, { bundles })).sort()).toEqual(['accepted', 'refused'])
  })

  test('are refused without one', async () => {
    const { catalogue } = await places()
    const { signer } = await signerAndKey()
    await expect(signed(catalogue, { signer })).rejects.toEqual(refusal('INVALID_ARGUMENT'))
  })
})
