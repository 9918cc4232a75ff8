import { chmodSync } from 'node:fs'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { serve } from '../../../../core/src/testing/http-server.ts'
import { refusal, scratch } from '../../../../core/src/testing/scratch.ts'
import { TestRegistry } from '../../testing/oci-registry.ts'
import { ociSource } from '../oci-source.ts'
import { challengeIn } from './challenge.ts'
import { dockerCredentials } from './docker-credentials.ts'
import { checkedRealm, mayReceiveCredentials } from './token-service.ts'

const USER = { name: 'robot', password: 'pass:word' }
const AUTH = Buffer.from(`${USER.name}:${USER.password}`).toString('base64')
const { signal } = new AbortController()

/** Uses a directory with this configuration of docker, for one test. */
function docker(config: object | string, helpers: Record<string, string> = {}): void {
  const content = typeof config === 'string' ? config : JSON.stringify(config)
  const directory = scratch({ 'config.json': content, ...helpers })
  for (const name of Object.keys(helpers)) chmodSync(`${directory}/${name}`, 0o755)
  vi.stubEnv('DOCKER_CONFIG', directory)
  vi.stubEnv('PATH', `${directory}:${process.env.PATH ?? ''}`)
  onTestFinished(() => void vi.unstubAllEnvs())
}

/** Opens the model of a registry and lists its files. */
async function names(registry: TestRegistry): Promise<string[]> {
  const session = await ociSource(registry.url()).open({ signal: undefined })
  const files = await session.model()
  const found: string[] = []
  for await (const { name } of files.list?.(undefined) ?? []) found.push(name)
  await session.close?.()
  return found
}

async function registryFor(options: Parameters<typeof TestRegistry.start>[0]): Promise<TestRegistry> {
  const registry = await TestRegistry.start(options)
  registry.pushFiles(new Map([['config.json', Buffer.from('{}')]]))
  return registry
}

describe('a login', () => {
  test('is not looked for if the registry does not demand it', async () => {
    docker('no JSON')
    const registry = await registryFor({})
    expect(await names(registry)).toEqual(['config.json'])
    expect(registry.logins).toEqual([undefined])
  })

  test('obtains a token, only to pull from this repository', async () => {
    const registry = await registryFor({ user: USER })
    docker({ auths: { [registry.host]: { auth: AUTH } } })
    expect(await names(registry)).toEqual(['config.json'])
    expect(registry.asked[1]).toBe('/token?service=registry&scope=repository%3Amodels%2Fvad%3Apull')
    expect(registry.logins).toEqual([undefined, `Basic ${AUTH}`, expect.stringMatching(/^Bearer /)])
  })

  test('sends a password where the registry demands one', async () => {
    const registry = await registryFor({ user: USER, scheme: 'basic' })
    docker({ auths: { [`https://${registry.host}/v1/`]: { auth: AUTH } } })
    expect(await names(registry)).toEqual(['config.json'])
    expect(registry.logins).toEqual([undefined, `Basic ${AUTH}`])
  })

  test.each(['token', 'basic'] as const)(
    'with a wrong password is refused, without it in the message (%s)',
    async (scheme) => {
      const registry = await registryFor({ user: USER, scheme })
      docker({ auths: { [registry.host]: { username: 'robot', password: 'wrong-one' } } })
      const error: unknown = await names(registry).catch((reason: unknown) => reason)
      expect(error).toEqual(
        refusal('HTTP_RESPONSE', { hint: expect.stringContaining(`docker login ${registry.host}`) }),
      )
      expect(JSON.stringify(error)).not.toMatch(/wrong-one|cm9ib3Q/)
      expect(registry.asked.length).toBeLessThan(5)
    },
  )

  test('without credentials is refused, and names the command', async () => {
    const registry = await registryFor({ user: USER, scheme: 'basic' })
    docker({})
    await expect(names(registry)).rejects.toEqual(refusal('HTTP_RESPONSE', { found: 'status 401' }))
  })

  test('with an expired token obtains another', async () => {
    const registry = await registryFor({ user: USER })
    docker({ auths: { [registry.host]: { auth: AUTH } } })
    const realm = `Bearer realm="${registry.origin}/token",service="registry"`
    const session = await ociSource(registry.url()).open({ signal: undefined })
    registry.faults.push({
      path: 'blobs/',
      answer: (_, response) => registry.send(response, 401, '', { 'www-authenticate': realm }),
    })
    const files = await session.model()
    const received: string[] = []
    await files.read({ name: 'config.json', signal }, async ({ chunks }) => {
      for await (const chunk of chunks) received.push(Buffer.from(chunk).toString())
    })
    expect(received).toEqual(['{}'])
    expect(registry.asked.filter((path) => path.startsWith('/token'))).toHaveLength(2)
    await session.close?.()
  })

  test('sends the identity token of docker in the body of a POST', async () => {
    const registry = await registryFor({ user: USER })
    docker({ auths: { [registry.host]: { identitytoken: 'refresh-me' } } })
    const sent: string[] = []
    registry.faults.push({
      path: '/token',
      answer: (request, response) => {
        void (async () => {
          for await (const part of request) sent.push(`${request.method} ${request.url} ${String(part)}`)
          registry.send(response, 200, JSON.stringify({ access_token: 'granted' }))
        })()
      },
    })
    await expect(names(registry)).rejects.toEqual(refusal('HTTP_RESPONSE'))
    expect(sent).toEqual([
      'POST /token service=registry&scope=repository%3Amodels%2Fvad%3Apull&grant_type=refresh_token&client_id=modelseal&refresh_token=refresh-me',
    ])
    expect(registry.logins).toContain('Bearer granted')
  })

  test.each([
    ['no token', '{}'],
    ['a token that is no header', JSON.stringify({ token: 'a\r\nx: y' })],
    ['no JSON', 'granted'],
  ])('that answers with %s is refused', async (_, body) => {
    const registry = await registryFor({ user: USER })
    docker({})
    registry.faults.push({ path: '/token', answer: (_request, response) => registry.send(response, 200, body) })
    await expect(names(registry)).rejects.toEqual(refusal('HTTP_RESPONSE'))
  })

  test('does not follow a redirect to another origin', async () => {
    const seen: (string | undefined)[] = []
    const store = await serve({
      '/blob': ({ headers }, response) => {
        seen.push(headers.authorization)
        response.end('{}')
      },
    })
    const registry = await registryFor({ user: USER })
    docker({ auths: { [registry.host]: { auth: AUTH } } })
    const session = await ociSource(registry.url()).open({ signal: undefined })
    registry.faults.push({
      path: 'blobs/',
      answer: (_, response) => void response.writeHead(307, { location: `${store.origin}/blob` }).end(),
    })
    const files = await session.model()
    await files.read({ name: 'config.json', signal }, async ({ chunks }) => {
      for await (const chunk of chunks) expect(Buffer.from(chunk).toString()).toBe('{}')
    })
    expect(registry.logins.at(-1)).toMatch(/^Bearer /)
    expect(seen).toEqual([undefined])
    await session.close?.()
  })

  test('does not answer a challenge that comes from the target of a redirect', async () => {
    const other = await serve({
      '/blob': (_, response) => void response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end(),
    })
    const registry = await registryFor({})
    docker({ auths: { [registry.host]: { auth: AUTH }, [new URL(other.origin).host]: { auth: AUTH } } })
    const session = await ociSource(registry.url()).open({ signal: undefined })
    registry.faults.push({
      path: 'blobs/',
      answer: (_, response) => void response.writeHead(307, { location: `${other.origin}/blob` }).end(),
    })
    const files = await session.model()
    await expect(files.read({ name: 'config.json', signal }, () => Promise.resolve())).rejects.toEqual(
      refusal('HTTP_RESPONSE'),
    )
    expect(other.asked).toEqual(['/blob'])
    expect(registry.logins).toEqual([undefined, undefined])
    await session.close?.()
  })

  test('asks no token service at another origin without https', async () => {
    const evil = await serve({})
    const registry = await registryFor({ user: USER })
    docker({ auths: { [registry.host]: { auth: AUTH } } })
    registry.faults.push({
      path: 'manifests/',
      answer: (_, response) =>
        registry.send(response, 401, '', { 'www-authenticate': `Bearer realm="${evil.origin}/token"` }),
    })
    await expect(names(registry)).rejects.toEqual(refusal('HTTP_RESPONSE', { found: `"${evil.origin}"` }))
    expect(evil.asked).toEqual([])
  })
})

describe('the token service of a registry', () => {
  const registry = new URL('https://registry.example')

  test.each([
    ['none', undefined],
    ['an invalid URL', 'token'],
    ['http', 'http://registry.example/token'],
    ['a file', 'file:///etc/passwd'],
    ['credentials', 'https://user:secret@registry.example/token'],
    ['a private address', 'https://169.254.169.254/token'],
    ['this machine', 'https://localhost/token'],
  ])('with %s is refused', async (_, realm) => {
    await expect(checkedRealm(realm, new URL('https://93.184.216.34'))).rejects.toEqual(refusal('HTTP_RESPONSE'))
  })

  test('may be private if the registry is', async () => {
    const { host } = await checkedRealm('https://10.0.0.2/token', new URL('https://10.0.0.1'))
    expect(host).toBe('10.0.0.2')
  })

  test.each([
    ['https://registry.example/token', 'https://registry.example', true],
    ['https://registry.example:8443/token', 'https://registry.example', true],
    ['https://auth.docker.io/token', 'https://registry-1.docker.io', true],
    ['https://gitlab.com/jwt/auth', 'https://registry.gitlab.com', true],
    ['https://git.company.co.uk/jwt/auth', 'https://registry.company.co.uk', true],
    ['https://auth.quay.io/token', 'https://quay.io', true],
    ['https://evil.example/token', 'https://registry.example', false],
    ['https://evil.io/token', 'https://quay.io', false],
    ['https://auth.abc.de/token', 'https://registry.abc.de', true],
    ['https://evil.co.uk/token', 'https://company.co.uk', false],
    ['https://evil.com.au/token', 'https://company.com.au', false],
    ['https://evilquay.io/token', 'https://quay.io', false],
    ['https://10.0.0.2/token', 'https://10.0.0.1', false],
  ])('%s receives credentials for %s: %s', (realm, of, expected) => {
    expect(mayReceiveCredentials(new URL(realm), new URL(of))).toBe(expected)
  })

  test('at a public address is used', async () => {
    expect((await checkedRealm('https://registry.example/token?a=b', registry)).search).toBe('?a=b')
  })
})

describe('a challenge', () => {
  test.each([
    ['Basic realm="a, b"', 'basic', { realm: 'a, b' }],
    [
      'Bearer realm="https://a/t",service=s,scope="repository:x:pull,push"',
      'bearer',
      { realm: 'https://a/t', service: 's' },
    ],
    ['Basic realm="a", Bearer realm = "https://a/\\"t"', 'bearer', { realm: 'https://a/"t' }],
    ['Negotiate, bearer REALM=t', 'bearer', { realm: 't' }],
    ['Bearer realm="first", realm="second"', 'bearer', { realm: 'first' }],
    ['Bearer', 'bearer', {}],
  ])('is read from %s', (header, scheme, parameters) => {
    const challenge = challengeIn(header)
    expect(challenge?.scheme).toBe(scheme)
    expect(Object.fromEntries(challenge?.parameters ?? [])).toMatchObject(parameters)
  })

  test.each([[null], [''], ['Negotiate'], ['"'], ['='], [`Basic ${'x'.repeat(10_000)}`]])(
    'is absent from %.20j',
    (header) => {
      expect(challengeIn(header)).toBeUndefined()
    },
  )
})

describe("docker's configuration", () => {
  const HOST = 'registry.example:5000'

  test('may be missing', async () => {
    vi.stubEnv('DOCKER_CONFIG', scratch())
    onTestFinished(() => void vi.unstubAllEnvs())
    expect(await dockerCredentials(HOST, signal)).toEqual({})
  })

  test('that is not JSON is refused, without its text', async () => {
    docker('{"auths": secret-text')
    const error: unknown = await dockerCredentials(HOST, signal).catch((reason: unknown) => reason)
    expect(error).toEqual(refusal('JSON_INVALID'))
    expect(JSON.stringify(error)).not.toContain('secret-text')
  })

  test.each([
    ['of another host', { auths: { 'registry.example': { auth: AUTH } } }],
    ['of a longer host', { auths: { [`${HOST}.evil.example`]: { auth: AUTH } } }],
    ['that are not text', { auths: { [HOST]: { auth: 5 } } }],
    ['in a list', { auths: [{ auth: AUTH }] }],
    ['of no object', 'null'],
  ])('has no use for credentials %s', async (_, config) => {
    docker(config)
    expect(await dockerCredentials(HOST, signal)).toEqual({})
  })

  test("has Docker Hub's credentials under its old name", async () => {
    docker({ auths: { 'https://index.docker.io/v1/': { auth: AUTH } } })
    const expected = { credentials: { username: USER.name, password: USER.password } }
    expect(await dockerCredentials('docker.io', signal)).toEqual(expected)
  })

  const answering = (user: string) => `#!/bin/sh
[ "$1" = get ] && read -r host || true
printf '{"ServerURL":"%s","Username":"${user}","Secret":"s3cret"}' "$host"`

  test.each([
    ['<token>', { identityToken: 's3cret' }],
    ['robot', { username: 'robot', password: 's3cret' }],
  ])('asks a helper, which answers for %s', async (user, credentials) => {
    docker({ credHelpers: { [HOST]: 'test' }, credsStore: 'absent' }, { 'docker-credential-test': answering(user) })
    expect(await dockerCredentials(HOST, signal)).toEqual({ credentials })
  })

  test.each([
    ['is not installed', 'absent', { trouble: expect.stringContaining('is not installed') }],
    ['fails', 'failing', { trouble: 'docker-credential-failing failed.' }],
    ['has no credentials', 'empty', {}],
    ['answers something else', 'other', { trouble: expect.stringContaining('unusable answer') }],
    ['has the name of a path', '../evil', { trouble: expect.stringContaining('not a valid name') }],
    ['has the name of a command', 'x; touch y', { trouble: expect.stringContaining('not a valid name') }],
  ])('goes on without credentials if the helper %s', async (_, credsStore, expected) => {
    docker(
      { credsStore },
      {
        'docker-credential-failing': '#!/bin/sh\necho secret-detail >&2; exit 1',
        'docker-credential-empty': '#!/bin/sh\necho "credentials not found in native keychain"; exit 1',
        'docker-credential-other': '#!/bin/sh\necho granted',
      },
    )
    expect(await dockerCredentials(HOST, signal)).toEqual(expected)
  })
})
