import { join } from 'node:path'
import { expect, test } from 'vitest'
import { keyPair } from '../testing/bundles.ts'
import { scratch } from '../testing/scratch.ts'
import { keySigner } from './methods/key.ts'
import { signModel } from './sign-model.ts'

const POINTER = 'version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 12345\n'
const pem = keyPair().privateKey.export({ type: 'pkcs8', format: 'pem' })

async function warnings(files: Record<string, string>, model = 'm') {
  const directory = scratch({ key: pem, ...files })
  const signer = await keySigner({ privateKey: join(directory, 'key') })
  return (await signModel(join(directory, model), { signer, signature: join(directory, 'model.sig') })).warnings
}

test('signing warns about Git LFS pointers by name', async () => {
  expect(
    await warnings({ 'm/a/weights.bin': POINTER, 'm/config.json': '{}', 'm/docs.md': `About:\n${POINTER}` }),
  ).toEqual([
    {
      code: 'GIT_LFS_POINTER',
      files: ['a/weights.bin'],
      message:
        '"a/weights.bin" is a Git LFS pointer, so the file that it points to was not signed. Run "git lfs pull", and sign again.',
    },
  ])
  expect(await warnings({ 'm.onnx': POINTER }, 'm.onnx')).toMatchObject([{ files: ['m.onnx'] }])
})

test('signing warns about unfinished downloads', async () => {
  expect(await warnings({ 'm/x.safetensors.incomplete': 'x', 'm/x.bin': 'x', 'm/parts.md': '' })).toEqual([
    expect.objectContaining({ code: 'PARTIAL_DOWNLOAD', files: ['x.safetensors.incomplete'] }),
  ])
})

test('signing lists only the first few names', async () => {
  const files = Object.fromEntries(Array.from({ length: 7 }, (_, index) => [`m/${index}`, POINTER]))
  const [warning] = (await warnings(files)) ?? []
  expect(warning?.files).toHaveLength(7)
  expect(warning?.message).toContain('"4" and 2 more are Git LFS pointers')
})

test('signing finds weights that are pointers among many small files', async () => {
  const small = Object.fromEntries(Array.from({ length: 300 }, (_, index) => [`m/${index}.json`, '{}']))
  expect(await warnings({ ...small, 'm/z.safetensors': POINTER })).toMatchObject([{ files: ['z.safetensors'] }])
})

test('signing warns about nothing else', async () => {
  const longer = POINTER + 'x'.repeat(1024)
  expect(await warnings({ 'm/weights.bin': longer, 'm/empty': '', 'm/text': 'version https://other.example' })).toBe(
    undefined,
  )
})
