import { readFileSync, renameSync, writeFileSync, existsSync, mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { openVerifiedModel } from '@modelseal/core'
import * as onnx from '@modelseal/onnxruntime'
import { presignedUrl } from '@modelseal/s3'
import * as tfjs from '@modelseal/tfjs'
import * as tensorflow from '@tensorflow/tfjs'
import * as ort from 'onnxruntime-node'
import { describe, expect, test } from 'vitest'
import { refusal } from '../../packages/core/src/testing/scratch.ts'
import { contentsOf, modelseal, signedModel, type SignedModel } from '../hubs/models.ts'
import { temporary } from '../hubs/programs.ts'
import { addingModel, floats } from '../onnx-models.ts'
import { blazeFace, Workspace } from '../signed-models.ts'
import { gatewayOfSuite } from './gateway-of-suite.ts'

// Against versitygw, an object store with the API of S3 that keeps objects in files.

tensorflow.enableProdMode()

const store = gatewayOfSuite()

function policyOf({ publicKey }: SignedModel, match: object = { source: 's3://models/**' }): string {
  const file = join(dirname(publicKey), 'policy.yaml')
  const rule = { name: 'all', match, signers: [{ key: 'release' }] }
  writeFileSync(
    file,
    JSON.stringify({ version: 1, trustRoots: { release: { publicKey: 'release.pub' } }, rules: [rule] }),
  )
  return file
}

async function pushed(prefix: string): Promise<SignedModel> {
  const model = await signedModel()
  const target = `s3://models/${prefix}`
  const { code, stderr } = await modelseal(['push', model.path, target, '--public-key', model.publicKey])
  expect({ code, stderr }).toMatchObject({ code: 0 })
  return model
}

describe('the command line', () => {
  test('pushes a model, and pulls the same', async () => {
    const model = await pushed('push/1.0')
    const target = join(temporary(), 'vad')
    const args = ['pull', 's3://models/push/1.0', target, '--policy', policyOf(model)]
    expect(await modelseal(args)).toMatchObject({ code: 0 })
    expect(contentsOf(target)).toEqual(contentsOf(model.path))
  })

  test('verifies, inspects and signs a model where it is', async () => {
    const model = await pushed('there')
    const url = 's3://models/there'
    const verify = (signature: string) =>
      modelseal(['verify', 'key', url, '--public-key', model.publicKey, '--signature', signature])
    expect(await verify(`${url}/model.sig`)).toMatchObject({ code: 0 })
    expect(await modelseal(['verify', url, '--policy', policyOf(model)])).toMatchObject({ code: 0 })
    const inspected = await modelseal(['inspect', url, '--json'])
    expect(JSON.parse(inspected.stdout)).toMatchObject({
      result: { model: url, bundles: [{ path: `${url}/model.sig` }] },
    })
    const signature = join(temporary(), 'again.sig')
    const signed = await modelseal(['sign', 'key', url, '--private-key', model.privateKey, '--signature', signature])
    expect(signed).toMatchObject({ code: 0 })
    expect(await verify(signature)).toMatchObject({ code: 0 })
  })

  test('refuses a model with other bytes, and writes nothing', async () => {
    const model = await pushed('tampered')
    writeFileSync(join(store().bucket, 'tampered/config.json'), '[]')
    const target = join(temporary(), 'vad')
    const { code, stderr } = await modelseal(['pull', 's3://models/tampered', target, '--policy', policyOf(model)])
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining('FILE_MISMATCH') as string })
    expect(existsSync(target)).toBe(false)
  })

  test('says what is wrong with the keys', async () => {
    const model = await signedModel()
    const args = ['pull', 's3://models/there', join(temporary(), 'x'), '--policy', policyOf(model)]
    const { code, stderr } = await modelseal(args, { AWS_SECRET_ACCESS_KEY: 'wrong' })
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining('SignatureDoesNotMatch') as string })
    const none = await modelseal(['inspect', 's3://no-such-bucket/x'])
    expect(none).toMatchObject({ code: 1, stderr: expect.stringContaining('MODEL_NOT_FOUND') as string })
  })
})

describe('a load', () => {
  test('reads a file in parts, by the listed version', async () => {
    const workspace = new Workspace()
    const weights = Buffer.alloc(40 * 1024 * 1024, 'weights')
    const directory = await workspace.sign('large', { 'weights.bin': weights, "odd name +&%'ü.txt": 'x' })
    for (const name of ['weights.bin', "odd name +&%'ü.txt", 'model.sig'])
      put(`large/${name}`, readFileSync(join(directory, name)))
    const model = await openVerifiedModel('s3://models/large', { policy: workspacePolicy(workspace) })
    expect(model.files).toContain("odd name +&%'ü.txt")
    expect(Buffer.compare(Buffer.from(await model.read('weights.bin')), weights)).toBe(0)
    await model.close()
    workspace[Symbol.dispose]()
  })

  test('refuses an object that is replaced between listing and reading', async () => {
    const model = await pushed('race')
    const opened = await openVerifiedModel('s3://models/race', {
      policy: policyOf(model),
      onProgress: () => put('race/onnx/größe 1.bin', Buffer.alloc(700_000, 'x')),
    }).catch((error: unknown) => error)
    // Whoever comes first: the load has what was signed, or is refused.
    if (opened instanceof Error) expect(opened).toEqual(refusal('FILE_CHANGED'))
    put('race/onnx/größe 1.bin', Buffer.alloc(700_000, 'x'))
    await expect(openVerifiedModel('s3://models/race', { policy: policyOf(model) })).rejects.toEqual(
      refusal('FILE_MISMATCH'),
    )
  })

  test('without credentials uses presigned addresses', async () => {
    const model = await pushed('presigned')
    const url = `${store().endpoint}/models/presigned/`
    const policy = policyOf(model, { url: `${store().endpoint}/**` })
    const urlFor = (name: string) =>
      presignedUrl(`s3://models/presigned/${name.split('/').map(encodeURIComponent).join('/')}`)
    const opened = await openVerifiedModel(url, {
      policy,
      signature: await presignedUrl('s3://models/presigned/model.sig'),
      http: { urlFor },
    })
    expect(opened.files).toHaveLength(4)
    await opened.close()
    await expect(presignedUrl('s3://models/x', { expiresIn: 0 })).rejects.toEqual(refusal('INVALID_ARGUMENT'))
  })
})

describe('the adapters load', () => {
  test('an ONNX model with its external data, and a TensorFlow.js model with its weights', async () => {
    const workspace = new Workspace()
    const files = { 'model.onnx': addingModel('model.bin'), 'model.bin': floats(10, 20) }
    for (const [name, content] of [['adding', files] as const, ['blazeface', blazeFace()] as const]) {
      const directory = await workspace.sign(name, content)
      for (const file of [...Object.keys(content), 'model.sig'])
        put(`${name}/${file}`, readFileSync(join(directory, file)))
    }
    const policy = workspacePolicy(workspace)
    const session = await onnx.verified(ort, { policy }).createSession('s3://models/adding/model.onnx')
    const { y } = await session.run({ x: new ort.Tensor('float32', [1, 2], [2]) })
    expect([...(y?.data as Float32Array)]).toEqual([11, 22])
    const model = await tfjs.verified(tensorflow, { policy }).loadGraphModel('s3://models/blazeface/model.json')
    expect(model.inputs).toHaveLength(1)
    model.dispose()
    workspace[Symbol.dispose]()
  })
})

function put(key: string, content: Uint8Array): void {
  const path = join(store().bucket, key)
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(`${path}.new`, content)
  renameSync(`${path}.new`, path)
}

function workspacePolicy(workspace: Workspace): string {
  const policy = join(workspace.path, 's3.yaml')
  writeFileSync(policy, readFileSync(workspace.policy, 'utf8').replace('path: "models/**"', 'source: "s3://models/**"'))
  return policy
}
