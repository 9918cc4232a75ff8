import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { ModelSealError } from '../../errors.ts'
import { signingLibrary } from '../../signing/methods/keyless.ts'
import { refusal, scratch } from '../../testing/scratch.ts'
import { TestSigstore } from '../../testing/sigstore.ts'
import { identityToken, SigstoreServer } from '../../testing/sigstore-server.ts'
import { sigstoreSigner, type SigstoreSignerOptions } from './sigstore-signer.ts'

vi.mock(import('../../signing/methods/keyless.ts'), { spy: true })

const CI = ['GITHUB_ACTIONS', 'GITLAB_CI', 'BUILDKITE', 'SIGSTORE_ID_TOKEN']
const BYTES = Buffer.from('statement')
const missing = refusal('TOKEN_MISSING', {
  expected: 'an OpenID Connect token with the audience "sigstore"',
  found: 'no token, and no CI system that issues one',
})

let trustRoot: { file: string }
let bareRoot: { file: string }

beforeEach(async () => {
  const config = await new SigstoreServer().trustConfig('http://localhost:1')
  const root = JSON.stringify(await new TestSigstore().root())
  const directory = scratch({ 'trust.json': config, 'root.json': root })
  trustRoot = { file: join(directory, 'trust.json') }
  bareRoot = { file: join(directory, 'root.json') }
  vi.stubEnv('MODELSEAL_CACHE', directory)
  for (const name of CI) vi.stubEnv(name, '')
})
afterEach(() => void vi.unstubAllEnvs())

/** Nobody is asked, neither before the model is hashed nor then. */
async function expectMissing(options: SigstoreSignerOptions) {
  const signer = await sigstoreSigner(options)
  await expect(signer.prepare?.()).rejects.toEqual(missing)
  await expect(signer.sign(BYTES, undefined, BYTES)).rejects.toEqual(missing)
}

describe('there is no token', () => {
  test('from a CI system that is not to be asked', async () => {
    vi.stubEnv('GITLAB_CI', 'true')
    vi.stubEnv('SIGSTORE_ID_TOKEN', identityToken())
    await expectMissing({ trustRoot, useAmbientCredentials: false })
    const signer = await sigstoreSigner({ trustRoot })
    expect(await signer.prepare?.()).toBeUndefined()
  })

  test('from a person at an instance where nobody can log in', async () => {
    await expectMissing({ trustRoot, interactive: { show: () => {} } })
  })

  test('from nobody, although people can log in at this instance', async () => {
    await expectMissing({ useAmbientCredentials: false })
    await expectMissing({})
  })
})

test('a bare root names no services', async () => {
  await expect(sigstoreSigner({ trustRoot: bareRoot })).rejects.toEqual(
    refusal('SIGNING_CONFIG_INVALID', {
      file: bareRoot.file,
      expected: 'a ClientTrustConfig, or a signing configuration beside the root in the TUF repository',
      found: 'a bare trusted root',
    }),
  )
})

test('that the library for signing is missing is said before anything is hashed', async () => {
  const error = new ModelSealError('SIGSTORE_UNAVAILABLE', 'A test.')
  vi.mocked(signingLibrary).mockImplementationOnce(() => {
    throw error
  })
  const signer = await sigstoreSigner({ trustRoot, identityToken: identityToken() })
  await expect(signer.prepare?.()).rejects.toBe(error)
})

test.each<[string, object]>([
  ['sigstoreSigner', { identityTokn: 'x' }],
  ['the option "interactive"', { interactive: { show: () => {}, ask: () => {} } }],
])('an option that is not known is refused, of %s', async (of, options) => {
  await expect(sigstoreSigner({ trustRoot, ...options })).rejects.toEqual(
    refusal('INVALID_ARGUMENT', { message: expect.stringContaining(`for ${of}`) as string }),
  )
})
