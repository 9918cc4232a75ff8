import { expect, test, vi } from 'vitest'
import { optionalPackage } from '../../source/optional-package.ts'
import { validateCycloneDx } from './cyclonedx-library.ts'
import { faultsIn } from './kind.ts'

vi.mock('../../source/optional-package.ts', () => ({ optionalPackage: vi.fn() }))

const fault = faultsIn('ATTESTATION_INPUT', 'Cannot make a card', undefined)
const validate = () => validateCycloneDx({ bomFormat: 'CycloneDX', specVersion: '1.7' }, fault)

class MissingOptionalDependencyError extends Error {}

function missing(what: string): Error {
  return Object.assign(new Error(`Cannot find module '${what}'`), { code: 'MODULE_NOT_FOUND' })
}

test('says what to install if the library is not installed', async () => {
  vi.mocked(optionalPackage).mockImplementation(() => {
    throw missing('@cyclonedx/cyclonedx-library')
  })
  await expect(validate()).rejects.toMatchObject({
    code: 'CYCLONEDX_UNAVAILABLE',
    message: expect.stringMatching(/are not installed.*npm install @cyclonedx\/cyclonedx-library@10 ajv@8/) as string,
  })
})

test('says what to install if the packages that it validates with are not installed', async () => {
  class JsonStrictValidator {
    validate = () => Promise.reject(new MissingOptionalDependencyError('No JSON validator available.'))
  }
  vi.mocked(optionalPackage).mockReturnValue({ Validation: { JsonStrictValidator, MissingOptionalDependencyError } })
  await expect(validate()).rejects.toMatchObject({
    code: 'CYCLONEDX_UNAVAILABLE',
    message: expect.stringMatching(/are not installed.*ajv-formats-draft2019@1/) as string,
  })
})

test('distinguishes a library that cannot be loaded', async () => {
  vi.mocked(optionalPackage).mockImplementation(() => {
    throw missing('somewhere-else')
  })
  await expect(validate()).rejects.toMatchObject({
    code: 'CYCLONEDX_UNAVAILABLE',
    message: expect.stringMatching(/cannot be loaded.*somewhere-else.*Install them again/) as string,
  })
})
