import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { verifyModel } from '../loading/operations/verify-model.ts'
import { keyPair } from '../testing/bundles.ts'
import { keySigner } from './methods/key.ts'
import { signModel } from './sign-model.ts'
import { digestModel } from './digest-model.ts'

const work = realpathSync(mkdtempSync(join(tmpdir(), 'modelseal-place-')))
const model = join(work, 'model')
const pair = keyPair()
const keys = { privateKey: join(work, 'key'), publicKey: join(work, 'pub') }
writeFileSync(keys.privateKey, pair.privateKey.export({ type: 'pkcs8', format: 'pem' }))
writeFileSync(keys.publicKey, pair.publicKey.key.export({ type: 'spki', format: 'pem' }))
afterAll(() => rmSync(work, { recursive: true }))

beforeEach(() => {
  rmSync(model, { recursive: true, force: true })
  mkdirSync(model)
  writeFileSync(join(model, 'weights'), 'w')
})

describe('the path of a signature', () => {
  test('is excluded from the model whatever links lead to it, even when signing again', async () => {
    symlinkSync(model, join(work, 'other-way'))
    const signature = join(work, 'other-way/model.sig')
    const signer = await keySigner({ privateKey: keys.privateKey })
    const first = await signModel(model, { signer, signature })
    const again = await signModel(model, { signer, signature })
    // Each signature with an elliptic curve is another one.
    expect(again).toEqual({ ...first, bundleDigest: again.bundleDigest })
    const verified = await verifyModel(model, { signature, verifier: { publicKey: keys.publicKey } })
    expect(verified.files).toEqual({ checked: 1, signed: 1 })
  })

  test('is refused if there is something other than a bundle', async () => {
    const signer = await keySigner({ privateKey: keys.privateKey })
    for (const signature of [keys.privateKey, join(model, 'weights'), model]) {
      await expect(signModel(model, { signer, signature })).rejects.toMatchObject({
        code: 'SIGNATURE_EXISTS',
        file: signature,
      })
    }
    expect(readFileSync(join(model, 'weights'), 'utf8')).toBe('w')
    writeFileSync(join(work, 'empty.sig'), '')
    expect(await signModel(model, { signer, signature: join(work, 'empty.sig') })).toMatchObject({ files: 1 })
  })

  test("of a second signer excludes the first signer's bundle, so that both sign the same content", async () => {
    const signer = await keySigner({ privateKey: keys.privateKey })
    const first = await signModel(model, { signer })
    const second = await signModel(model, { signer, signature: `${model}.second.sig` })
    expect(second.rootDigest).toBe(first.rootDigest)
    writeFileSync(join(model, 'model.sig'), 'a file of the model that has the name of a bundle')
    expect(await signModel(model, { signer, signature: `${model}.second.sig` })).toMatchObject({ files: 2 })
  })

  test('in a missing directory is refused before anything is hashed', async () => {
    const sign = vi.fn()
    const onProgress = vi.fn()
    const signature = join(work, 'missing/model.sig')
    await expect(signModel(model, { signer: { method: 'key', sign }, signature, onProgress })).rejects.toMatchObject({
      code: 'SIGNATURE_WRITE_FAILED',
      file: signature,
    })
    expect(sign).not.toHaveBeenCalled()
    expect(onProgress).not.toHaveBeenCalled()
  })
})

describe('an invalid path', () => {
  test.each([undefined, null, 7, '', 'a\0b', {}])('%j is refused', async (path) => {
    await expect(digestModel(path as string)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  })
})
