import { join } from 'node:path'
import { afterEach, expect, test, vi } from 'vitest'
import { refusal, scratch } from '../../testing/scratch.ts'
import { pkcs11KeySigner } from './pkcs11.ts'

// The module is looked for before anything of the package is used; not every machine can build the package.
vi.mock('../../source/optional-package.ts', () => ({ optionalPackage: () => ({}) }))

const uri = 'pkcs11:token=t;object=o?module-name=none'
const start = process.cwd()
afterEach(() => process.chdir(start))

test('looks for a module below the working directory at the call', async () => {
  const [here, elsewhere] = [scratch(), scratch({ 'modules/libnone.so': 'planted' })]
  process.chdir(here)
  const signing = pkcs11KeySigner({ uri, modulePaths: ['modules'] })
  process.chdir(elsewhere)
  const expected = expect.stringContaining(join(here, 'modules')) as string
  await expect(signing).rejects.toEqual(refusal('PKCS11_MODULE', { expected }))
})

test('takes the directories of modules as they are at the call', async () => {
  const modulePaths = [scratch()]
  const signing = pkcs11KeySigner({ uri, modulePaths })
  modulePaths.push(scratch({ 'libnone.so': 'planted' }))
  await expect(signing).rejects.toEqual(refusal('PKCS11_MODULE'))
})

test('takes no module from Object.prototype', async () => {
  const root = Object.prototype as Record<string, unknown>
  root.modulePath = join(scratch({ 'planted.so': 'planted' }), 'planted.so')
  try {
    await expect(pkcs11KeySigner({ uri, modulePaths: [scratch()] })).rejects.toMatchObject({
      message: expect.stringContaining('There is no PKCS#11 module "none"') as string,
    })
  } finally {
    Reflect.deleteProperty(root, 'modulePath')
  }
})
