import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { findModule } from './module.ts'

let root: string

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'modules-'))
  for (const name of ['first', 'second']) await mkdir(join(root, name))
  for (const name of ['first/README', 'first/libsofthsm2.la', 'second/libsofthsm2.so', 'second/opensc-pkcs11.so'])
    await writeFile(join(root, name), '')
})

afterAll(() => rm(root, { recursive: true }))

const find = (uri: { modulePath?: string; moduleName?: string }) =>
  findModule({ labels: {}, ...uri }, [join(root, 'missing'), join(root, 'first'), join(root, 'second')])

test.each(['softhsm2', 'libsofthsm2', 'libsofthsm2.so', 'SoftHSM2'])(
  'finds a module by the name %s',
  async (moduleName) => {
    expect(await find({ moduleName })).toBe(join(root, 'second/libsofthsm2.so'))
  },
)

test('does not accept a partial name, or a file that is not a library, as a module', async () => {
  for (const moduleName of ['softhsm', 'pkcs11', 'hsm2', 'README', '.so', 'lib']) {
    await expect(find({ moduleName })).rejects.toMatchObject({ code: 'PKCS11_MODULE' })
  }
})

test('uses the file in module-path, or searches in it for the name if it is a directory', async () => {
  const modulePath = join(root, 'second/opensc-pkcs11.so')
  expect(await find({ modulePath, moduleName: 'softhsm2' })).toBe(modulePath)
  expect(await find({ modulePath: join(root, 'second'), moduleName: 'opensc-pkcs11' })).toBe(modulePath)
  await expect(find({ modulePath: join(root, 'first'), moduleName: 'opensc-pkcs11' })).rejects.toMatchObject({
    code: 'PKCS11_MODULE',
  })
})

test('refuses a URI that names no module, and a module that is missing or a device', async () => {
  await expect(find({})).rejects.toMatchObject({ code: 'PKCS11_URI_INVALID' })
  await expect(find({ modulePath: join(root, 'second') })).rejects.toMatchObject({ code: 'PKCS11_URI_INVALID' })
  await expect(find({ modulePath: join(root, 'third.so') })).rejects.toMatchObject({ code: 'PKCS11_MODULE' })
  await expect(find({ modulePath: '/dev/null' })).rejects.toMatchObject({ code: 'PKCS11_MODULE' })
})
