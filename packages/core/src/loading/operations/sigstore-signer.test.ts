import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { ModelSealError, type ErrorCode } from '../../errors.ts'
import { signModel } from '../../signing/sign-model.ts'
import { refusal, scratch } from '../../testing/scratch.ts'
import { serving } from '../../testing/serving.ts'
import { IDENTITY, ISSUER } from '../../testing/sigstore.ts'
import { identityToken, SigstoreServer, type Answer, type ServerOptions } from '../../testing/sigstore-server.ts'
import { TestTuf } from '../../testing/tuf.ts'
import { updateTrustRoot } from '../../verification/sigstore/update-trust-root.ts'
import { attestModel } from './attest-model.ts'
import { sigstoreSigner, type SigstoreSignerOptions } from './sigstore-signer.ts'
import { verifyModel } from './verify-model.ts'

afterEach(() => vi.unstubAllEnvs())

const IDENTIFIED = { identity: IDENTITY, issuer: ISSUER }

/** A served instance, and a model to sign with it. */
async function ready(options: ServerOptions = {}) {
  const server = new SigstoreServer(options)
  const url = await serving(server.answer)
  const directory = scratch({ 'model/weights': 'w', 'trust.json': await server.trustConfig(url) })
  const [model, signature, file] = ['model', 'model.sig', 'trust.json'].map((name) => join(directory, name)) as [
    string,
    string,
    string,
  ]
  const sign = async (more: SigstoreSignerOptions = {}, timeoutMs = 5000) => {
    const signer = await sigstoreSigner({ trustRoot: { file }, useAmbientCredentials: false, timeoutMs, ...more })
    return signModel(model, { signer, signature })
  }
  const verify = () => verifyModel(model, { signature, verifier: { ...IDENTIFIED, trustRoot: { file } } })
  return { server, url, directory, model, signature, file, sign, verify }
}

describe.each([
  ['Rekor v1', { rekor: 'v1', timestampAuthority: false }, 'rekor'],
  ['Rekor v1 and a timestamp authority', { rekor: 'v1' }, 'rekor'],
  ['Rekor v2 and a timestamp authority', { rekor: 'v2' }, 'rfc3161'],
] satisfies [string, ServerOptions, string][])('an instance of %s', (_, options, source) => {
  test('creates a signature that verifies, and says who signed and when', async () => {
    const { server, sign, verify } = await ready(options)
    const signed = await sign({ identityToken: identityToken({ ref: 'refs/heads/main' }) })
    const { signer, time } = await verify()
    const { method, description, fingerprint } = signer
    expect(description).toBe(`${IDENTITY} (issuer ${ISSUER})`)
    expect(signed).toMatchObject({ signer: { method, description, fingerprint, ...IDENTIFIED }, time })
    expect(signed.logEntries).toEqual([{ log: expect.stringMatching(/^http/), index: expect.stringMatching(/^\d+$/) }])
    expect(signer).toMatchObject({ ...IDENTIFIED, extensions: { sourceRepositoryRef: 'refs/heads/main' } })
    expect(time?.source).toBe(source)
    expect(server.asked).toEqual([
      '/api/v2/signingCert',
      options.rekor === 'v2' ? '/api/v2/log/entries' : '/api/v1/log/entries',
      ...('timestampAuthority' in options ? [] : ['/timestamp']),
    ])
  })

  test('attests a model, and knows its own attestation again', async () => {
    const { model, signature, file, sign } = await ready(options)
    await sign({ identityToken: identityToken() })
    const [trustRoot, useAmbientCredentials] = [{ file }, false]
    const signer = await sigstoreSigner({ trustRoot, useAmbientCredentials, identityToken: identityToken() })
    const review = { signer, signature, type: 'https://example.org/review/v1', predicate: { approved: true } }
    const logEntries = [{ index: expect.stringMatching(/^\d+$/) as string }]
    expect(await attestModel(model, review)).toMatchObject({
      added: true,
      signer: IDENTIFIED,
      logEntries,
      time: { source },
    })
    expect(await attestModel(model, review)).toMatchObject({ added: false })
  })

  test.each([
    ['the authority refuses', '/api/v2/signingCert', 'SERVICE_REFUSED', () => ({ status: 403, body: 'no' })],
    [
      'the authority returns nonsense',
      '/api/v2/signingCert',
      'SERVICE_UNREACHABLE',
      () => ({ status: 200, body: '{}' }),
    ],
    ['the log refuses', '/log/entries', 'SERVICE_REFUSED', () => ({ status: 409, body: '{"message":"no"}' })],
    ['the log returns nonsense', '/log/entries', 'SERVICE_UNREACHABLE', () => ({ status: 201, body: '[]' })],
    [
      'the log returns another entry',
      '/log/entries',
      'LOG_INCLUSION_INVALID',
      ({ status, body }: Answer) => ({ status, body: swapped(String(body)) }),
    ],
  ] satisfies [string, string, ErrorCode, (answer: Answer) => Answer][])(
    'writes nothing if %s, and does not reveal the token',
    async (_what, service, code, change) => {
      const answered = (path: string, answer: Answer) => (path.endsWith(service) ? change(answer) : answer)
      const { sign, signature } = await ready({ ...options, answered })
      const token = identityToken()
      const error: unknown = await sign({ identityToken: token }).catch((reason: unknown) => reason)
      expect(error).toEqual(refusal(code))
      expect(existsSync(signature)).toBe(false)
      for (const part of token.split('.')) expect(everythingIn(error)).not.toContain(part)
    },
  )
})

/** The same entry, with another digest in its body. */
function swapped(answer: string): string {
  return answer.replace(/"(body|canonicalizedBody)":"([^"]+)"/, (_, name: string, body: string) => {
    const text = Buffer.from(body, 'base64')
      .toString()
      .replace(/"(value|digest)":"./, '"$1":"0')
    return `"${name}":"${Buffer.from(`${text} `).toString('base64')}"`
  })
}

function everythingIn(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return `${JSON.stringify(error)} ${error.stack ?? ''} ${everythingIn(error.cause)}`
}

describe('the signer is identified by', () => {
  test('the given token before all others, then by the CI system, then by a person', async () => {
    const { sign, verify, directory } = await ready()
    const shown: string[] = []
    vi.stubEnv('GITHUB_ACTIONS', '')
    vi.stubEnv('GITLAB_CI', 'true')
    vi.stubEnv('SIGSTORE_ID_TOKEN', identityToken())
    const interactive = { show: (url: string) => void shown.push(url) }
    await sign({
      identityToken: identityToken({ sub: 'https://given.test' }),
      useAmbientCredentials: true,
      interactive,
    })
    await expect(verify()).rejects.toEqual(refusal('IDENTITY_MISMATCH', { found: '"https://given.test"' }))
    await sign({ useAmbientCredentials: true, interactive })
    await verify()
    expect(shown).toEqual([])
    expect(readFileSync(join(directory, 'model.sig'), 'utf8')).not.toContain('SIGSTORE_ID_TOKEN')
  })

  const encoded = (claims: object) => Buffer.from(JSON.stringify(claims)).toString('base64url')
  test.each([
    ['is not a token', 'secret', 'TOKEN_INVALID', 'Cannot use the identity token: it is not a signed JSON Web Token'],
    ['is empty', '', 'TOKEN_INVALID', 'it is empty'],
    ['is an HTTP header', `Bearer ${identityToken()}`, 'TOKEN_INVALID', 'begins with "Bearer"'],
    ['contains line breaks', identityToken().replace('.', '.\n'), 'TOKEN_INVALID', 'white space or line breaks'],
    ['is encrypted', 'a.b.c.d.e', 'TOKEN_INVALID', 'five parts'],
    ['has two parts', identityToken().replace(/\.[^.]*$/, ''), 'TOKEN_INVALID', 'three parts'],
    ['contains no JSON', 'a.b.c', 'TOKEN_INVALID', 'claims are not JSON'],
    ['has no subject', `a.${encoded({ aud: 'sigstore', exp: 9e9 })}.c`, 'TOKEN_INVALID', 'lacks the claims'],
    ['expired', identityToken({ exp: 1 }), 'TOKEN_EXPIRED', '1970'],
    ['is for another service', identityToken({ aud: 'npm' }), 'TOKEN_AUDIENCE', '"npm"'],
  ] satisfies [string, string, ErrorCode, string][])(
    'a token that %s is refused before anything is hashed or requested',
    async (_, token, code, found) => {
      const { model, signature, file, server } = await ready()
      const signer = await sigstoreSigner({ trustRoot: { file }, identityToken: token, useAmbientCredentials: false })
      const onProgress = vi.fn()
      const error: unknown = await signModel(model, { signer, signature, onProgress }).catch((e: unknown) => e)
      expect(error).toEqual(refusal(code, { message: expect.stringContaining(found) }))
      if (token !== '') expect(everythingIn(error)).not.toContain(token)
      expect(onProgress).not.toHaveBeenCalled()
      expect(server.asked).toEqual([])
    },
  )

  test.each([
    ['GitHub Actions', { GITHUB_ACTIONS: 'true', ACTIONS_ID_TOKEN_REQUEST_URL: '' }, 'TOKEN_MISSING'],
    ['GitLab CI', { GITHUB_ACTIONS: '', GITLAB_CI: 'true', SIGSTORE_ID_TOKEN: '' }, 'TOKEN_MISSING'],
    [
      'GitLab CI with an old token',
      { GITHUB_ACTIONS: '', GITLAB_CI: 'true', SIGSTORE_ID_TOKEN: identityToken({ exp: 1 }) },
      'TOKEN_EXPIRED',
    ],
    ['no CI system', { GITHUB_ACTIONS: '', GITLAB_CI: '', BUILDKITE: '' }, 'TOKEN_MISSING'],
  ] satisfies [string, Record<string, string>, ErrorCode][])(
    'no one in %s, which is reported before anything is hashed',
    async (_, env, code) => {
      for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value)
      const { model, signature, file } = await ready()
      const onProgress = vi.fn()
      const signer = await sigstoreSigner({ trustRoot: { file } })
      await expect(signModel(model, { signer, signature, onProgress })).rejects.toEqual(refusal(code))
      expect(onProgress).not.toHaveBeenCalled()
    },
  )

  test('nobody yet, at the public instance unless another one is given', async () => {
    vi.stubEnv('MODELSEAL_CACHE', scratch())
    const signer = await sigstoreSigner({ identityToken: identityToken() })
    expect(await signer.prepare?.()).toBeUndefined()
  })

  test('nobody, which is reported with instructions', async () => {
    const { sign, server } = await ready()
    await expect(sign()).rejects.toEqual(
      refusal('TOKEN_MISSING', { hint: expect.stringContaining('--identity-token') }),
    )
    expect(server.asked).toEqual([])
  })
})

describe('the services of an instance that publishes its root by TUF', () => {
  test('are the ones that it publishes beside the root', async () => {
    const server = new SigstoreServer({ rekor: 'v2' })
    const url = await serving(server.answer)
    const tuf = new TestTuf({
      'trusted_root.json': JSON.stringify(await server.trustedRoot()),
      'signing_config.v0.2.json': JSON.stringify(server.signingConfig(url)),
    })
    const directory = scratch({ 'root.json': tuf.anchor, 'model/weights': 'w' })
    vi.stubEnv('MODELSEAL_CACHE', join(directory, 'cache'))
    const trustRoot = { tufUrl: await serving(tuf.answer), tufRoot: join(directory, 'root.json') }
    await expect(sigstoreSigner({ trustRoot })).rejects.toEqual(refusal('TRUST_ROOT_MISSING'))

    await updateTrustRoot(trustRoot)
    const [model, signature] = [join(directory, 'model'), join(directory, 'model.sig')]
    await signModel(model, { signer: await sigstoreSigner({ trustRoot, identityToken: identityToken() }), signature })
    expect(server.asked).toContain('/api/v2/log/entries')
    const { signer } = await verifyModel(model, { signature, verifier: { ...IDENTIFIED, trustRoot } })
    expect(signer).toMatchObject({ trustRoot: { source: 'refreshed', name: trustRoot.tufUrl } })

    tuf.publish({ 'trusted_root.json': JSON.stringify(await server.trustedRoot()) })
    await updateTrustRoot(trustRoot)
    await expect(sigstoreSigner({ trustRoot })).rejects.toEqual(refusal('SIGNING_CONFIG_INVALID'))
  })
})

test('asks for a token only when the model has been hashed', async () => {
  const { model, signature, file } = await ready()
  const events: string[] = []
  const interactive = {
    show: () => void events.push('login'),
    askCode: () => Promise.reject(new ModelSealError('TOKEN_INVALID', 'No one is there.')),
  }
  const issuer = await serving((request, response) => {
    const login = {
      authorization_endpoint: `http://${request.headers.host}/`,
      token_endpoint: `http://${request.headers.host}/`,
    }
    response.end(JSON.stringify(login))
  })
  const config = JSON.parse(readFileSync(file, 'utf8')) as { signingConfig: { oidcUrls: object[] } }
  config.signingConfig.oidcUrls = [{ url: issuer, majorApiVersion: 1, validFor: { start: '2020-01-01T00:00:00Z' } }]
  const trustRoot = { file: join(scratch({ 'trust.json': JSON.stringify(config) }), 'trust.json') }
  const signer = await sigstoreSigner({ trustRoot, useAmbientCredentials: false, interactive })
  const onProgress = (done: number, total: number) => void events.push(done === total ? 'hashed' : 'hashing')
  await expect(signModel(model, { signer, signature, onProgress })).rejects.toEqual(refusal('TOKEN_INVALID'))
  expect(events.at(-1)).toBe('login')
  expect(events).toContain('hashed')
})
