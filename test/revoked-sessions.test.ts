import { execFile } from 'node:child_process'
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import { watchPolicy } from '@modelseal/core'
import { loadVerifiedModel as loadOnnx } from '@modelseal/onnxruntime'
import { loadVerifiedModel as loadTf } from '@modelseal/tfjs'
import { verified } from '@modelseal/transformers'
import * as transformers from '@huggingface/transformers'
import * as tf from '@tensorflow/tfjs'
import { Tensor } from 'onnxruntime-node'
import { addingModel } from './onnx-models.ts'
import { blazeFace, Workspace } from './signed-models.ts'
import { tinyModel } from './transformers-models.ts'

// What the runtimes created is released when its model is revoked, with the built packages and real runtimes.

const ADDING = { 'model.onnx': addingModel('w.bin'), 'w.bin': new Uint8Array(8) }

let site: Workspace

beforeEach(() => {
  site = new Workspace()
  onTestFinished(() => site[Symbol.dispose]())
})

/** Revokes the key of all models in the policy, which nobody reads again for a load. */
async function revokeFor(revoked: AbortSignal): Promise<void> {
  expect(revoked.aborted).toBe(false)
  writeFileSync(site.policy, `${readFileSync(site.policy, 'utf8')}\nrevoked:\n  keys: [{ file: ./release.pub }]\n`)
  await vi.waitFor(() => expect(revoked.aborted).toBe(true), { timeout: 10_000, interval: 50 })
}

const refused = expect.objectContaining({ name: 'ModelSealError', code: 'MODEL_REVOKED' })

test('a session of ONNX Runtime', { timeout: 30_000 }, async () => {
  const model = await site.sign('adding', ADDING)
  const policy = await watchPolicy(site.policy)
  const { session, revoked } = await loadOnnx(model, { policy, onRevoked: 'release' })
  const released = vi.spyOn(session, 'release')
  const feeds = Object.fromEntries(session.inputNames.map((name) => [name, new Tensor('float32', [1, 2], [2])]))
  const running = session.run(feeds)
  await revokeFor(revoked)
  expect(Object.keys(await running)).toEqual(session.outputNames)
  await vi.waitFor(() => expect(released).toHaveBeenCalledOnce(), { timeout: 20_000 })
  await expect(session.run(feeds)).rejects.toEqual(refused)
})

test('a session without "release" goes on', { timeout: 30_000 }, async () => {
  const model = await site.sign('adding', ADDING)
  const { session, revoked } = await loadOnnx(model, { policy: await watchPolicy(site.policy) })
  const feeds = Object.fromEntries(session.inputNames.map((name) => [name, new Tensor('float32', [1, 2], [2])]))
  await revokeFor(revoked)
  expect(Object.keys(await session.run(feeds))).toEqual(session.outputNames)
  await session.release()
})

test('a model of TensorFlow.js', { timeout: 60_000 }, async () => {
  const directory = await site.sign('blazeface', blazeFace())
  const policy = await watchPolicy(site.policy)
  const { model, revoked } = await loadTf(tf, directory, { policy, onRevoked: 'release' })
  const input = tf.zeros([1, 256, 256, 3])
  const before = tf.memory().numTensors
  const graph = model as tf.GraphModel
  tf.dispose(graph.execute(input))
  await revokeFor(revoked)
  await vi.waitFor(() => expect(tf.memory().numTensors).toBeLessThan(before), { timeout: 20_000 })
  expect(() => graph.execute(input)).toThrow(refused)
  expect(() => graph.predict(input)).toThrow(refused)
  await expect(graph.executeAsync(input)).rejects.toEqual(refused)
})

test(
  'a session in a program that @modelseal/register guards, by the policy of the program',
  { timeout: 30_000 },
  async () => {
    const model = await site.sign('adding', ADDING)
    const own = join(site.path, 'own-policy.yaml')
    copyFileSync(site.policy, own)
    const program = `
    import { appendFileSync } from 'node:fs'
    import { watchPolicy } from '@modelseal/core'
    import { loadVerifiedModel } from '@modelseal/onnxruntime'
    import { Tensor } from 'onnxruntime-node'
    const policy = await watchPolicy(${JSON.stringify(own)})
    const { session, revoked } = await loadVerifiedModel(${JSON.stringify(model)}, { policy, onRevoked: 'release' })
    const feeds = Object.fromEntries(session.inputNames.map((name) => [name, new Tensor('float32', [1, 2], [2])]))
    await session.run(feeds)
    appendFileSync(${JSON.stringify(own)}, '\\nrevoked:\\n  keys: [{ file: ./release.pub }]\\n')
    const ended = setTimeout(() => {}, 20_000)
    revoked.addEventListener('abort', async () => {
      clearTimeout(ended)
      console.log(await session.run(feeds).catch(({ code }) => code), revoked.reason.cause.code)
    })`
    const args = ['--import', '@modelseal/register', '--input-type=module', '--eval', program]
    const env = { ...process.env, MODELSEAL_POLICY: site.policy }
    const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: import.meta.dirname, env })
    expect(stdout).toBe('MODEL_REVOKED KEY_REVOKED\n')
  },
)

test('a pipeline and a model of Transformers.js', { timeout: 30_000 }, async () => {
  const directory = await site.sign('tiny', tinyModel())
  const { pipeline, AutoModel, AutoTokenizer } = verified(transformers, {
    policy: await watchPolicy(site.policy),
    onRevoked: 'release',
  })
  const embed = await pipeline('feature-extraction', directory)
  const model = await AutoModel.from_pretrained(directory)
  const tokenizer = await AutoTokenizer.from_pretrained(directory)
  const disposed = vi.spyOn(embed.model, 'dispose')
  expect((await embed('hello')).dims).toEqual([1, 3, 4])
  await model(tokenizer('hello'))
  const { revoked } = await loadOnnx(
    { model: directory, entry: 'onnx/model.onnx' },
    { policy: await watchPolicy(site.policy) },
  )
  await revokeFor(revoked)
  await vi.waitFor(() => expect(disposed).toHaveBeenCalledOnce(), { timeout: 10_000 })
  await expect(embed('hello')).rejects.toEqual(refused)
  await expect(model(tokenizer('hello'))).rejects.toEqual(refused)
})

test(
  'sessions that a program drops are collected, although their models are watched',
  { timeout: 60_000 },
  async () => {
    setFlagsFromString('--expose-gc')
    const gc = runInNewContext('gc') as () => void
    const model = await site.sign('adding', ADDING)
    const policy = await watchPolicy(site.policy)
    const dropped: WeakRef<object>[] = []
    const load = async (index: number) => {
      const onRevoked = (['release', undefined] as const)[index % 2]
      const { session, revoked } = await loadOnnx(model, { policy, onRevoked })
      const feeds = Object.fromEntries(session.inputNames.map((name) => [name, new Tensor('float32', [1, 2], [2])]))
      await session.run(feeds)
      dropped.push(new WeakRef(session), new WeakRef(revoked))
      return { session, revoked, feeds }
    }
    const kept = await load(0)
    dropped.length = 0
    for (let index = 0; index < 50; index++) await load(index)
    await vi.waitFor(
      () => {
        gc()
        expect(dropped.filter((reference) => reference.deref())).toHaveLength(0)
      },
      { timeout: 20_000, interval: 50 },
    )
    await revokeFor(kept.revoked)
    await expect(kept.session.run(kept.feeds)).rejects.toEqual(refused)
  },
)
