import { join } from 'node:path'
import { afterEach, expect, test, vi } from 'vitest'
import { refusal, scratch } from '../../testing/scratch.ts'
import { pkcs11KeySigner } from './pkcs11.ts'

// The module is searched before the package is loaded, because not every machine can build the package.
vi.mock('../../source/optional-package.ts', () => ({ optionalPackage: () => ({}) }))

const uri = 'pkcs11:token=t;object=o?module-name=none'
const start = process.cwd()
afterEach(() => process.chdir(start))

test('searches for a module below the working directory at the time of the call', async () => {
  const [here, elsewhere] = [scratch(), scratch({ 'modules/libnone.so': 'planted' })]
  process.chdir(here)
  const signing = pkcs11KeySigner({ uri, modulePaths: ['modules'] })
  process.chdir(elsewhere)
  const expected = expect.stringContaining(join(here, 'modules')) as string
  await expect(signing).rejects.toEqual(refusal('PKCS11_MODULE', { expected }))
})

test('copies the module directories at the time of the call', async () => {
  const modulePaths = [scratch()]
  const signing = pkcs11KeySigner({ uri, modulePaths })
  modulePaths.push(scratch({ 'libnone.so': 'planted' }))
  await expect(signing).rejects.toEqual(refusal('PKCS11_MODULE'))
})

test('uses no module from Object.prototype', async () => {
  const root = Object.prototype as Record<string, unknown>
  root.modulePath = join(scratch({ 'planted.so': 'planted' }), 'planted.so')
  try {
    await expect(pkcs11KeySigner({ uri, modulePaths: [scratch()] })).rejects.toMatchObject({
      message: expect.stringContaining('Cannot find the PKCS#11 module "none"') as string,
    })
  } finally {
    Reflect.deleteProperty(root, 'modulePath')
  }
})
