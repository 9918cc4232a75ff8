import { existsSync, lstatSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { keyPair } from '../testing/bundles.ts'
import { refusal, scratch } from '../testing/scratch.ts'
import { keySigner } from './methods/key.ts'
import { signModel, type SignOptions } from './sign-model.ts'

const pem = keyPair().privateKey.export({ type: 'pkcs8', format: 'pem' })

/** Models that are all signed into the same path. */
function place(files: Record<string, string> = {}) {
  const directory = scratch({ key: pem, 'a/weights': 'A', 'a/config.json': '{}', ...files })
  const signature = join(directory, 'model.sig')
  const sign = async (model: string, options: Partial<SignOptions> = {}) =>
    signModel(join(directory, model), {
      signer: await keySigner({ privateKey: join(directory, 'key') }),
      signature,
      overwrite: 'same-model',
      ...options,
    })
  return { directory, signature, sign }
}

test.each([
  ['with other names, before anything is hashed', { 'b/other': 'B' }, 0],
  ['with the same names, before it is signed', { 'b/weights': 'B', 'b/config.json': '{"b":1}' }, 1],
])('the bundle of another model is not replaced, %s', async (_, files, hashings) => {
  const { signature, sign } = place(files)
  await sign('a')
  const before = readFileSync(signature)
  const onProgress = vi.fn()
  const signer = { method: 'key', sign: vi.fn() } as const
  await expect(sign('b', { onProgress, signer })).rejects.toEqual(
    refusal('SIGNATURE_EXISTS', { file: signature, expected: 'a signature of "b"', found: 'one of "a"' }),
  )
  expect(signer.sign).not.toHaveBeenCalled()
  expect(Math.min(onProgress.mock.calls.length, 1)).toBe(hashings)
  expect(readFileSync(signature)).toEqual(before)
  await sign('b', { overwrite: 'always' })
  expect(readFileSync(signature)).not.toEqual(before)
})

test.each([
  ['of the same name', 'elsewhere/a', { 'elsewhere/a/weights': 'new' }, {}],
  ['that was renamed', 'b', { 'b/weights': 'A', 'b/more': 'x' }, {}],
  ['in which a file was renamed as well', 'b', { 'b/model.bin': 'A', 'b/weights': 'x' }, {}],
  ['that is hashed differently', 'b', { 'b/weights': 'A' }, { hashType: 'blake2b' }],
] satisfies [string, string, Record<string, string>, Partial<SignOptions>][])(
  'the bundle of a model %s is replaced',
  async (_, model, files, options) => {
    const { signature, sign } = place(files)
    await sign('a')
    const before = readFileSync(signature)
    await sign(model, options)
    expect(readFileSync(signature)).not.toEqual(before)
  },
)

test('a missing file, an empty file and a link are replaced, and the target of the link stays', async () => {
  const { directory, signature, sign } = place({ 'b/other': 'B' })
  await sign('a', { signature: join(directory, 'kept.sig') })
  symlinkSync('kept.sig', signature)
  const kept = readFileSync(join(directory, 'kept.sig'))
  await sign('b')
  expect(lstatSync(signature).isSymbolicLink()).toBe(false)
  expect(readFileSync(join(directory, 'kept.sig'))).toEqual(kept)
  writeFileSync(signature, '')
  await sign('b')
  expect(existsSync(signature)).toBe(true)
})

test('a file that is not the signature of a model is not replaced', async () => {
  const { signature, sign } = place()
  await sign('a')
  const bundle = JSON.parse(readFileSync(signature, 'utf8')) as { dsseEnvelope: { payload: string } }
  bundle.dsseEnvelope.payload = Buffer.from('{"_type":"other"}').toString('base64')
  writeFileSync(signature, JSON.stringify(bundle))
  await expect(sign('a')).rejects.toEqual(refusal('SIGNATURE_EXISTS'))
  writeFileSync(signature, 'notes of mine')
  await expect(sign('a', { overwrite: 'always' })).rejects.toEqual(refusal('SIGNATURE_EXISTS'))
})

test('a bundle that another program puts there during signing is not replaced', async () => {
  const { directory, signature, sign } = place({ 'b/other': 'B' })
  await sign('b', { signature: join(directory, 'b.sig') })
  const own = await keySigner({ privateKey: join(directory, 'key') })
  const slow = {
    ...own,
    sign: (encoded: Uint8Array) => {
      writeFileSync(signature, readFileSync(join(directory, 'b.sig')))
      return own.sign(encoded)
    },
  }
  await expect(sign('a', { signer: slow })).rejects.toEqual(refusal('SIGNATURE_EXISTS'))
})

test.each([
  [{ overwrite: 'never' as 'always' }, 'INVALID_ARGUMENT'],
  [{ timestampAuthority: 'not a URL' }, 'INVALID_ARGUMENT'],
] as const)('%j is refused before anything is hashed', async (options, code) => {
  const onProgress = vi.fn()
  await expect(place().sign('a', { ...options, onProgress })).rejects.toEqual(refusal(code))
  expect(onProgress).not.toHaveBeenCalled()
})

test('says whose bundle was replaced, if that was another signer', async () => {
  const { directory, sign } = place()
  expect((await sign('a')).replaced).toBe(undefined)
  const first = await sign('a')
  expect(first.replaced).toBe(undefined)
  const other = keyPair().privateKey.export({ type: 'pkcs8', format: 'pem' })
  writeFileSync(join(directory, 'other'), other)
  const signer = await keySigner({ privateKey: join(directory, 'other') })
  const { description, fingerprint } = first.signer ?? {}
  expect((await sign('a', { signer })).replaced).toEqual({ description, fingerprint })
  expect((await sign('a', { signer })).replaced).toBe(undefined)
})
