import { execFile } from 'node:child_process'
import { readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import * as onnx from '@modelseal/onnxruntime'
import * as tfjs from '@modelseal/tfjs'
import '@modelseal/hub'
import * as tensorflow from '@tensorflow/tfjs'
import * as ort from 'onnxruntime-node'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { refusal } from '../packages/core/src/testing/scratch.ts'
import { TestRegistry } from '../packages/hub/src/testing/oci-registry.ts'
import { SmallHub } from '../packages/hub/src/testing/small-hub.ts'
import { addingModel, floats } from './onnx-models.ts'
import { blazeFace, Workspace } from './signed-models.ts'

tensorflow.enableProdMode()

const workspace = new Workspace()
const policy = join(workspace.path, 'hubs.yaml')
const sources = '["hf://org/*", "oci://127.0.0.1:*/**"]'
writeFileSync(policy, readFileSync(workspace.policy, 'utf8').replace('path: "models/**"', `source: ${sources}`))
let hub: SmallHub
let adding: ReadonlyMap<string, Uint8Array>

beforeAll(async () => {
  hub = await SmallHub.start()
  vi.stubEnv('HF_ENDPOINT', hub.origin)
  vi.stubEnv('HF_TOKEN', 'hf_secret')
  const files = { 'config.json': '{}', 'onnx/model.onnx': addingModel('model.bin'), 'onnx/model.bin': floats(10, 20) }
  adding = await signed('adding', files)
  hub.commit('org/adding', adding)
  hub.commit('org/changed', new Map(adding).set('onnx/model.bin', floats(30, 40)))
  hub.commit('org/blazeface', await signed('blazeface', blazeFace()))
})
afterAll(async () => {
  vi.unstubAllEnvs()
  await hub.close()
  workspace[Symbol.dispose]()
})

async function inRegistry(): Promise<string> {
  const registry = await TestRegistry.start()
  registry.pushFiles(adding)
  return registry.url()
}

async function signed(name: string, files: Record<string, string | Uint8Array>): Promise<Map<string, Uint8Array>> {
  const directory = await workspace.sign(name, files)
  const names = readdirSync(directory, { recursive: true, encoding: 'utf8' })
  const own = names.filter((each) => statSync(join(directory, each)).isFile())
  return new Map(own.map((each) => [each, readFileSync(join(directory, each))]))
}

describe('an ONNX model', () => {
  const sum = async (session: ort.InferenceSession) => {
    const { y } = await session.run({ x: new ort.Tensor('float32', [1, 2], [2]) })
    return [...(y!.data as Float32Array)]
  }

  test.each(['memory', 'copy'] as const)('is loaded by its URL with its external data, from %s', async (isolation) => {
    const { createSession } = onnx.verified(ort, { policy, isolation })
    expect(await sum(await createSession('hf://org/adding/onnx/model.onnx'))).toEqual([11, 22])
    expect(await sum(await createSession('hf://org/adding'))).toEqual([11, 22])
    expect(await sum(await createSession(await inRegistry()))).toEqual([11, 22])
  })

  test('is loaded as an entry of a model, and the verdict says from where', async () => {
    const entry = 'onnx/model.onnx'
    for (const model of ['hf://org/adding', new URL('hf://org/adding'), await inRegistry()]) {
      const { session, verdict } = await onnx.loadVerifiedModel({ model, entry }, { policy })
      expect(await sum(session)).toEqual([11, 22])
      expect(verdict).toMatchObject({ decision: 'accepted', model: { revision: expect.any(String) as string } })
    }
  })

  test('is refused if anything of its repository was changed', async () => {
    await expect(onnx.loadVerifiedModel('hf://org/changed/onnx/model.onnx', { policy })).rejects.toEqual(
      refusal('FILE_MISMATCH', { file: 'onnx/model.bin' }),
    )
  })
})

test('a TensorFlow.js model is loaded by its URL with its weights', async () => {
  const { loadGraphModel } = tfjs.verified(tensorflow, { policy })
  for (const url of ['hf://org/blazeface/model.json', 'hf://org/blazeface']) {
    const model = await loadGraphModel(url)
    expect(model.inputs).toHaveLength(1)
    model.dispose()
  }
  const { format, verdict } = await tfjs.loadVerifiedModel(tensorflow, 'hf://org/blazeface/model.json', { policy })
  expect(format).toBe('graph-model')
  expect(verdict.model.url).toBe('hf://org/blazeface')
})

describe('under @modelseal/register', () => {
  const run = async (packages: readonly string[], urls: readonly string[]) => {
    const imports = packages.flatMap((name) => ['--import', name])
    const env = { ...process.env, MODELSEAL_POLICY: policy, NODE_OPTIONS: '' }
    const program = join(import.meta.dirname, 'register/hubs.mjs')
    const { stdout } = await promisify(execFile)(process.execPath, [...imports, program, ...urls], {
      cwd: import.meta.dirname,
      env,
    })
    return stdout.trim().split('\n')
  }
  const URLS = ['hf://org/adding/onnx/model.onnx', 'hf://org/changed/onnx/model.onnx', 'hf://org/blazeface/model.json']

  test('a program loads verified models by their URLs', async () => {
    const [onnx, changed, graph] = await run(['@modelseal/register', '@modelseal/hub'], URLS)
    expect([onnx, changed]).toEqual(['loaded x', 'FILE_MISMATCH'])
    expect(graph).toMatch(/^loaded input/)
  })

  test('a URL whose package was not imported is refused', async () => {
    expect(await run(['@modelseal/register'], URLS)).toEqual(URLS.map(() => 'SCHEME_UNKNOWN'))
  })
})
