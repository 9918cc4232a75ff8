import { readFileSync, readdirSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as transformers from '@huggingface/transformers'
import { verdictOf, verified } from '@modelseal/transformers'
import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { SmallHub } from '../packages/hub/src/testing/small-hub.ts'
import { refusal } from '../packages/core/src/testing/scratch.ts'
import { Workspace } from './signed-models.ts'
import { embeddingOfHello, tinyModel } from './transformers-models.ts'

const ID = 'Xenova/tiny'
const { env } = transformers
const settings = { ...env }
const workspace = new Workspace()
const fetched = vi.fn(() => Promise.reject(new Error('there is no network')))
let hub: SmallHub

beforeEach(async () => {
  hub = await SmallHub.start()
  vi.stubEnv('HF_ENDPOINT', hub.origin)
  vi.stubEnv('HF_TOKEN', 'hf_secret')
  fetched.mockClear()
  Object.assign(env, settings, { fetch: fetched, logLevel: transformers.LogLevel.NONE })
})
afterEach(async () => {
  vi.unstubAllEnvs()
  await hub.close()
  expect(fetched).not.toHaveBeenCalled()
})
afterAll(() => workspace[Symbol.dispose]())

function policy(name: string, more = ''): string {
  const path = join(workspace.path, `${name}.yaml`)
  const rule = `{ name: hub, match: { source: "hf://Xenova/*" }, signers: [{ key: release }]${more} }`
  const local = `{ name: local, match: { path: "models/**" }, signers: [{ key: release }] }`
  writeFileSync(path, `version: 1\ntrustRoots: { release: { publicKey: ./release.pub } }\nrules: [${rule}, ${local}]\n`)
  return path
}

/** The files of a signed model with a second variant of the weights. */
async function signed(mark: number): Promise<Map<string, Uint8Array>> {
  const files = { ...tinyModel({ mark }), 'onnx/model_quantized.onnx': Buffer.alloc(100_000, 1) }
  const directory = await workspace.sign(`of-hub-${mark}-${performance.now()}`, files)
  const names = readdirSync(directory, { recursive: true, encoding: 'utf8' })
  return new Map(
    names
      .filter((name) => statSync(join(directory, name)).isFile())
      .map((name) => [name, readFileSync(join(directory, name))]),
  )
}

async function hello(embed: (text: string) => Promise<{ tolist(): unknown }>): Promise<unknown> {
  return ((await embed('hello')).tolist() as unknown[])[0]
}

const read = () => hub.asked.flatMap((each) => /\/resolve\/\w{40}\/(.*)$/.exec(each)?.[1] ?? []).sort()

describe('a model that is named by its id on Hugging Face', () => {
  const { pipeline, AutoTokenizer } = verified(transformers, { policy: policy('all'), hub: true })

  test('is verified and loaded as users of Transformers.js write it', async () => {
    const commit = hub.commit(ID, await signed(7))
    const reports: { name?: string; model?: string }[] = []
    const progress_callback = (info: (typeof reports)[number]) => reports.push(info)
    const embed = await pipeline('feature-extraction', ID, { progress_callback })
    expect(await hello(embed)).toEqual(embeddingOfHello(7))
    const verdict = verdictOf(embed)
    expect(verdict).toMatchObject({
      decision: 'accepted',
      rule: 'hub',
      model: { url: `hf://${ID}`, revision: commit, requested: 'main' },
    })
    // The rule checks all files, and the verdict says what that costs.
    const { reason } = verdict!.checks.find(({ check }) => check === 'files')!
    expect(reason).toContain('100000 bytes in 1 of them were fetched only to be checked.')
    const small = verified(transformers, { policy: policy('all'), hub: true, maxBytes: 50_000 })
    const hint = expect.stringContaining('"require: { files: loaded }"') as string
    await expect(small.pipeline('feature-extraction', ID)).rejects.toEqual(refusal('FILE_TOO_LARGE', { hint }))
    for (const { name, model } of reports) expect(name ?? model).toBe(ID)
    const tokenizer = await AutoTokenizer.from_pretrained(ID)
    expect(verdictOf(tokenizer)?.decision).toBe('accepted')
  })

  test('is fetched only as far as it is loaded, where the rule says so', async () => {
    hub.commit(ID, await signed(8))
    const loaders = verified(transformers, { policy: policy('loaded', ', require: { files: loaded }'), hub: true })
    expect(await hello(await loaders.pipeline('feature-extraction', ID))).toEqual(embeddingOfHello(8))
    const configuration = ['config.json', 'model.sig']
    const tokenizer = ['tokenizer.json', 'tokenizer_config.json']
    expect(read()).toEqual([...configuration, 'onnx/model.onnx', 'onnx/model.onnx_data', ...tokenizer])
    hub.asked.length = 0
    await loaders.AutoConfig.from_pretrained(ID)
    expect(read()).toEqual([...configuration, ...tokenizer])
  })

  test('is read at the requested revision', async () => {
    const commit = hub.commit(ID, await signed(1), { branch: 'v1' })
    hub.commit(ID, await signed(2))
    for (const revision of ['v1', commit]) {
      const embed = await pipeline('feature-extraction', ID, { revision })
      expect(await hello(embed)).toEqual(embeddingOfHello(1))
      expect(verdictOf(embed)?.model).toMatchObject({ revision: commit, requested: revision })
    }
    const pinned = verified(transformers, { policy: policy('pinned', ', require: { pinned: true }'), hub: true })
    await expect(pinned.pipeline('feature-extraction', ID)).rejects.toEqual(refusal('REVISION_NOT_PINNED'))
    await pinned.pipeline('feature-extraction', ID, { revision: commit })
  })

  test('is refused if the hub changed it, and before Transformers.js sees a byte', async () => {
    const files = await signed(3)
    hub.commit(ID, files.set('config.json', Buffer.from('{"model_type":"gpt2"}')))
    await expect(pipeline('feature-extraction', ID)).rejects.toEqual(refusal('FILE_MISMATCH', { file: 'config.json' }))
    await expect(pipeline('feature-extraction', 'Other/tiny')).rejects.toEqual(refusal('POLICY_NO_MATCH'))
    await expect(pipeline('feature-extraction', 'Xenova/none')).rejects.toEqual(refusal('MODEL_NOT_FOUND'))
  })

  test('is a directory in env.localModelPath if there is one', async () => {
    hub.commit(ID, await signed(4))
    const directory = await workspace.sign('Xenova-tiny', tinyModel({ mark: 5 }))
    env.localModelPath = join(workspace.path, 'models')
    const local = join(env.localModelPath, ID)
    await workspace.sign('Xenova/none', tinyModel())
    renameSync(directory, local)
    const embed = await pipeline('feature-extraction', ID)
    expect(await hello(embed)).toEqual(embeddingOfHello(5))
    expect(verdictOf(embed)?.model).toMatchObject({ path: local })
    expect(hub.asked).toEqual([])
    // As it is said to be, or not at all: nothing is loaded from the hub in its place.
    writeFileSync(join(local, 'config.json'), '{}')
    await expect(pipeline('feature-extraction', ID)).rejects.toEqual(refusal('FILE_MISMATCH'))
    env.allowLocalModels = false
    expect(await hello(await pipeline('feature-extraction', ID))).toEqual(embeddingOfHello(4))
  })

  test('is read from env.remoteHost without a token, which is for the hub of HF_ENDPOINT', async () => {
    const other = await SmallHub.start()
    other.commit(ID, await signed(6))
    env.remoteHost = `${other.origin}/`
    expect(await hello(await pipeline('feature-extraction', ID))).toEqual(embeddingOfHello(6))
    await other.close()
    expect(other.tokens.map(({ authorization }) => authorization).filter(Boolean)).toEqual([])
    expect(hub.asked).toEqual([])
    Object.assign(env, settings, { fetch: fetched })
    hub.commit(ID, await signed(6), { tokens: ['hf_secret'] })
    await pipeline('feature-extraction', ID)
    expect(hub.tokens.filter(({ to }) => to === 'hub').map(({ authorization }) => authorization)).toContain(
      'Bearer hf_secret',
    )
  })

  test('makes no request with local_files_only, and none that env forbids', async () => {
    hub.commit(ID, await signed(9))
    vi.stubEnv('HF_HUB_CACHE', join(workspace.path, 'no-cache'))
    await expect(pipeline('feature-extraction', ID, { local_files_only: true })).rejects.toEqual(
      refusal('MODEL_NOT_FOUND'),
    )
    env.allowRemoteModels = false
    await expect(pipeline('feature-extraction', ID)).rejects.toEqual(refusal('MODEL_NOT_FOUND'))
    expect(hub.asked).toEqual([])
  })
})

test('without the option, the error says how to load a model by its id', async () => {
  const { pipeline } = verified(transformers, { policy: policy('paths') })
  await expect(pipeline('feature-extraction', ID)).rejects.toEqual(
    refusal('POLICY_NO_MATCH', { hint: expect.stringContaining('verified(transformers, { hub: true })') as string }),
  )
  await expect(async () => verified(transformers, { hub: 'yes' as never })).rejects.toEqual(refusal('INVALID_ARGUMENT'))
})
