import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { readPin } from './pin.ts'

let directory: string

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'pin-'))
})

afterAll(() => rm(directory, { recursive: true }))

test.each(['', '\n', '\r\n'])('reads the PIN without the trailing line break %j', async (ending) => {
  const file = join(directory, 'pin')
  await writeFile(file, ` Zürich 1${ending}`)
  expect(await readPin({ file })).toBe(' Zürich 1')
})

test('uses the PIN of a URI as it is', async () => {
  expect(await readPin({ value: '12\n' })).toBe('12\n')
})

test.each([
  ['is empty', 'PKCS11_PIN', ''],
  ['is only a line break', 'PKCS11_PIN', '\n'],
  ['has a second line', 'PKCS11_PIN', '5417\nmore\n'],
  ['has an empty second line', 'PKCS11_PIN', '5417\n\n'],
  ['is not text', 'PKCS11_PIN', '5417\xff'],
  ['contains a zero byte', 'PKCS11_PIN', '5417\0'],
  ['is too large for a PIN', 'FILE_TOO_LARGE', '5417'.repeat(1024)],
])('refuses a file that %s, and does not reveal its content', async (_, code, content) => {
  const file = join(directory, 'unusable')
  await writeFile(file, Buffer.from(content, 'latin1'))
  const error = await readPin({ file }).catch((thrown: unknown) => thrown)
  expect(error).toMatchObject({ code })
  expect(String(error) + JSON.stringify(error)).not.toContain('5417')
})

test('refuses a file that is missing, and a directory', async () => {
  await expect(readPin({ file: join(directory, 'missing') })).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' })
  await expect(readPin({ file: directory })).rejects.toMatchObject({ code: 'FILE_SPECIAL' })
})
