import { beforeEach, describe, expect, test, vi } from 'vitest'
import { optionalPackage } from '../../source/optional-package.ts'
import { refusal } from '../../testing/scratch.ts'
import { validateCycloneDx } from './cyclonedx-library.ts'
import { faultsIn } from './kind.ts'

vi.mock('../../source/optional-package.ts', () => ({ optionalPackage: vi.fn() }))

const INSTALL = 'npm install @cyclonedx/cyclonedx-library@10 ajv@8 ajv-formats@3 ajv-formats-draft2019@1'
const CANNOT = 'Cannot make a card: the optional packages that validate CycloneDX documents'
const DOCUMENT = { bomFormat: 'CycloneDX', specVersion: '1.7' }
const fault = faultsIn('ATTESTATION_INPUT', 'Cannot make a card', 'bom.json')
const validate = (document: unknown = DOCUMENT) => validateCycloneDx(document, fault)

class MissingOptionalDependencyError extends Error {}

/** What the library answers. Its validators are kept. */
const answer = vi.fn<(text: string) => Promise<unknown>>()
const versions: unknown[] = []
class JsonStrictValidator {
  validate = answer
  constructor(version: unknown) {
    versions.push(version)
  }
}

function failing(message: string, code: string): Error {
  return Object.assign(new Error(message), { code })
}

beforeEach(() => {
  answer.mockReset()
  vi.mocked(optionalPackage)
    .mockReset()
    .mockReturnValue({ Validation: { JsonStrictValidator, MissingOptionalDependencyError } })
})

describe('the library of CycloneDX is missing', () => {
  const unavailable = (cause: unknown) =>
    refusal('CYCLONEDX_UNAVAILABLE', {
      message: expect.stringContaining(`${CANNOT} are not installed.`) as string,
      found: undefined,
      hint: expect.stringContaining(`"${INSTALL}"`) as string,
      cause,
    })

  test('if it is not installed', async () => {
    const cause = failing("Cannot find module '@cyclonedx/cyclonedx-library'", 'MODULE_NOT_FOUND')
    vi.mocked(optionalPackage).mockImplementation(() => {
      throw cause
    })
    await expect(validate()).rejects.toEqual(unavailable(cause))
    expect(vi.mocked(optionalPackage).mock.calls).toEqual([['@cyclonedx/cyclonedx-library']])
  })

  test('if the packages that it validates with are not installed', async () => {
    const cause = new MissingOptionalDependencyError('No JSON validator available.')
    answer.mockRejectedValue(cause)
    await expect(validate()).rejects.toEqual(unavailable(cause))
  })
})

describe('the library of CycloneDX cannot be loaded', () => {
  test.each([
    ['another module is missing', failing("Cannot find module 'somewhere-else'", 'MODULE_NOT_FOUND')],
    ['it fails', failing("Cannot open '@cyclonedx/cyclonedx-library'", 'EACCES')],
  ])('if %s', async (_, cause) => {
    vi.mocked(optionalPackage).mockImplementation(() => {
      throw cause
    })
    await expect(validate()).rejects.toEqual(
      refusal('CYCLONEDX_UNAVAILABLE', {
        message: expect.stringContaining(`${CANNOT} are installed, but cannot be loaded.`) as string,
        found: `"${cause.message}"`,
        hint: `Install them again: "${INSTALL}".`,
        cause,
      }),
    )
  })

  test('if Node.js denies it', async () => {
    vi.mocked(optionalPackage).mockImplementation(() => {
      throw failing('No addons', 'ERR_DLOPEN_DISABLED')
    })
    await expect(validate()).rejects.toEqual(
      refusal('CYCLONEDX_UNAVAILABLE', { hint: expect.stringMatching(/^Start Node.js without --no-addons/) as string }),
    )
  })
})

describe('a document', () => {
  test.each<[string, unknown]>([
    ['"1.5"', { specVersion: '1.5' }],
    ['nothing', {}],
    ['nothing', 'x'],
  ])('of the version %s is refused', async (found, document) => {
    await expect(validate(document)).rejects.toEqual(
      refusal('ATTESTATION_INPUT', {
        file: 'bom.json',
        expected: '"1.6" or "1.7"',
        found,
        message: expect.stringContaining('its field "specVersion"') as string,
      }),
    )
    expect(optionalPackage).not.toHaveBeenCalled()
  })

  test.each([null, undefined, []])('is accepted if the library answers %j', async (errors) => {
    answer.mockResolvedValue(errors)
    await validate()
    expect(answer.mock.calls).toEqual([[JSON.stringify(DOCUMENT)]])
    await validate({ ...DOCUMENT, specVersion: '1.6' })
    expect(versions).toEqual(['1.7', '1.6'])
  })

  test.each<[path: string, found: string, errors: object[]]>([
    ['a.0', 'must be text', [{ instancePath: '/a/0', message: 'must be text', params: {} }]],
    ['a', 'another value', [{ instancePath: '/a', params: { additionalProperty: 1 } }]],
    ['a.x', 'no', [{ instancePath: '/a', message: 'no', params: { additionalProperty: 'x' } }]],
    ['y', 'no', [{ instancePath: '', message: 'no', params: { unevaluatedProperty: 'y' } }]],
    // The deepest error is that of the alternative that was meant.
    [
      'a.b.c',
      'deepest',
      [
        { instancePath: '/components', message: 'first', params: {} },
        { instancePath: '/a/b/c', message: 'deepest', params: {} },
        { instancePath: '/metadata/component', message: 'last', params: {} },
      ],
    ],
  ])('is refused for the field %s: %s', async (path, found, errors) => {
    answer.mockResolvedValue(errors)
    await expect(validate()).rejects.toEqual(
      refusal('ATTESTATION_INPUT', {
        file: 'bom.json',
        expected: 'a document that conforms to CycloneDX 1.7',
        found: `"${found}"`,
        message: expect.stringContaining(`its field "${path}" is invalid`) as string,
      }),
    )
  })

  test('is not refused for a failure that is not its fault', async () => {
    const broken = new Error('broken')
    answer.mockRejectedValue(broken)
    await expect(validate()).rejects.toBe(broken)
  })
})
