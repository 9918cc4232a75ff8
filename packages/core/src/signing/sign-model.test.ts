import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { readBundle } from '../bundle/read-bundle.ts'
import { statementSteps } from '../bundle/statement.ts'
import { atOnce } from '../source/turns.ts'
import type { Manifest } from '../manifest/manifest.ts'
import { keyPair, rootOf, sha256 } from '../testing/bundles.ts'
import { refusal, scratch } from '../testing/scratch.ts'
import { keySigner } from './methods/key.ts'
import { signModel } from './sign-model.ts'
import { digestModel } from './digest-model.ts'
import type { Signer } from './signer.ts'

const pair = keyPair()
const { fingerprint } = pair.publicKey

async function signer(): Promise<Signer> {
  const pem = pair.privateKey.export({ type: 'pkcs8', format: 'pem' })
  return keySigner({ privateKey: join(scratch({ key: pem }), 'key') })
}

async function manifestIn(signature: string): Promise<Manifest> {
  return atOnce(statementSteps((await readBundle(signature)).envelope.payload)).manifest
}

test('signs a directory into model.sig, which it excludes, and records the default ignores', async () => {
  const directory = scratch({
    'm/b': 'B',
    'm/a/c': 'C',
    'm/.git/HEAD': 'x',
    'm/.gitignore': 'x',
    'm/a/.git/HEAD': 'nested',
  })
  const model = join(directory, 'm')
  for (let round = 0; round < 2; round++) {
    const signed = await signModel(model, { signer: await signer() })
    const digests = [sha256('nested'), sha256('C'), sha256('B')]
    expect(signed).toEqual({
      signature: join(model, 'model.sig'),
      bundleDigest: sha256(readFileSync(join(model, 'model.sig'), 'utf8')),
      rootDigest: rootOf(digests),
      files: 3,
      bytes: 8,
      signer: { method: 'key', description: `key sha256:${fingerprint}`, fingerprint },
    })
    const manifest = await manifestIn(signed.signature)
    expect(manifest.modelName).toBe('m')
    expect([...manifest.files.keys()]).toEqual(['a/.git/HEAD', 'a/c', 'b'])
    expect(manifest.serialization).toEqual({
      method: 'files',
      hashType: 'sha256',
      allowSymlinks: false,
      ignorePaths: ['.git', '.gitattributes', '.github', '.gitignore', 'model.sig'],
    })
  }
})

test('signs a single file under its own name, with nothing ignored', async () => {
  const directory = scratch({ 'vad.onnx': 'V', other: 'x' })
  const { signature, ...signed } = await signModel(join(directory, 'vad.onnx'), { signer: await signer() })
  expect(signed).toMatchObject({ rootDigest: rootOf([sha256('V')]), files: 1, bytes: 1 })
  expect(signature).toBe(join(directory, 'vad.onnx.sig'))
  const manifest = await manifestIn(signature)
  expect([...manifest.files.keys()]).toEqual(['vad.onnx'])
  expect(manifest.serialization).toEqual({ method: 'files', hashType: 'sha256', allowSymlinks: false })
})

test('includes Git files on request', async () => {
  const model = scratch({ a: 'A', '.gitignore': 'x' })
  const { signature } = await signModel(model, { signer: await signer(), ignoreGitPaths: false })
  const manifest = await manifestIn(signature)
  expect([...manifest.files.keys()]).toEqual(['.gitignore', 'a'])
  expect(manifest.serialization.ignorePaths).toEqual(['model.sig'])
})

test('computes the digest that a signature would cover without writing anything', async () => {
  const model = scratch({ a: 'A', 'b/c': 'C' })
  expect(await digestModel(model)).toEqual({ rootDigest: rootOf([sha256('A'), sha256('C')]), files: 2, bytes: 2 })
  expect(readdirSync(model).sort()).toEqual(['a', 'b'])
})

describe('nothing is written when', () => {
  test('the model contains a link, or does not exist', async () => {
    const directory = scratch({ 'm/a': 'A' })
    symlinkSync('a', join(directory, 'm', 'link'))
    const signature = join(directory, 'out.sig')
    for (const [model, code] of [
      ['m', 'SYMLINK_REFUSED'],
      ['none', 'MODEL_NOT_FOUND'],
    ] as const) {
      const signing = signModel(join(directory, model), { signer: await signer(), signature })
      await expect(signing).rejects.toEqual(refusal(code))
      expect(existsSync(signature)).toBe(false)
    }
  })

  test('no file is left to sign', async () => {
    const directory = scratch({ 'm/a': 'A' })
    mkdirSync(join(directory, 'empty'))
    for (const [model, ignorePaths] of [
      ['empty', []],
      ['m', ['a']],
    ] as const) {
      const signing = signModel(join(directory, model), { signer: await signer(), ignorePaths })
      await expect(signing).rejects.toEqual(refusal('MODEL_EMPTY'))
      expect(existsSync(join(directory, model, 'model.sig'))).toBe(false)
    }
  })

  test('it is aborted', async () => {
    const model = scratch({ a: 'A' })
    const signing = signModel(model, { signer: await signer(), signal: AbortSignal.abort() })
    await expect(signing).rejects.toEqual(refusal('ABORTED'))
    expect(readdirSync(model)).toEqual(['a'])
  })
})

test('replaces a link at the path of the signature, and never writes through it', async () => {
  const directory = scratch({ 'm/a': 'A', precious: 'untouched' })
  symlinkSync(join(directory, 'precious'), join(directory, 'm', 'model.sig'))
  await signModel(join(directory, 'm'), { signer: await signer() })
  expect(readFileSync(join(directory, 'precious'), 'utf8')).toBe('untouched')
  expect(lstatSync(join(directory, 'm', 'model.sig')).isFile()).toBe(true)
})

test('never writes the bundle over the model that it signs', async () => {
  const model = join(scratch({ 'vad.onnx': 'V' }), 'vad.onnx')
  await expect(signModel(model, { signer: await signer(), signature: model })).rejects.toEqual(
    refusal('INVALID_ARGUMENT'),
  )
  expect(readFileSync(model, 'utf8')).toBe('V')
  const directory = scratch({ 'm/a': 'A' })
  const own = signModel(join(directory, 'm'), { signer: await signer(), signature: join(directory, 'm') })
  await expect(own).rejects.toEqual(refusal('SIGNATURE_EXISTS'))
})

test('leaves out what hf download keeps about its work, without recording it, and nothing else', async () => {
  const directory = scratch({
    'm/w.bin': 'W',
    'm/.cache/huggingface/.gitignore': '*',
    'm/.cache/huggingface/download/w.bin.metadata': 'x',
    'm/.cache/huggingface/download/model.safetensors': 'could be loaded',
    'm/sub/.cache/huggingface/download/w.bin.lock': 'elsewhere',
  })
  const signed = await signModel(join(directory, 'm'), { signer: await signer() })
  expect(signed.leftOut).toBe(2)
  const manifest = await manifestIn(signed.signature)
  expect([...manifest.files.keys()]).toEqual([
    '.cache/huggingface/download/model.safetensors',
    'sub/.cache/huggingface/download/w.bin.lock',
    'w.bin',
  ])
  expect(manifest.serialization.ignorePaths?.join()).not.toContain('.cache')
})
