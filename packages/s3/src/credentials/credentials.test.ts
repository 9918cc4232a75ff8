import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { refusal, scratch } from '../../../core/src/testing/scratch.ts'
import { credentialsFrom } from './credentials.ts'
import { providerChain } from './provider-chain.ts'
import { profileOf } from './shared-files.ts'

type Environment = Record<string, string>

const NEVER = new AbortController().signal
/** No test asks the machine that it runs on. */
const ELSEWHERE = {
  AWS_EC2_METADATA_DISABLED: 'true',
  AWS_CONFIG_FILE: '/nowhere',
  AWS_SHARED_CREDENTIALS_FILE: '/nowhere',
}

async function found(environment: Environment, given?: unknown) {
  const all = { ...ELSEWHERE, ...environment }
  // The chain of AWS is installed here.
  const surroundings = {
    environment: all,
    profile: await profileOf(all),
    region: 'eu-central-1',
    chain: () => undefined,
  }
  return credentialsFrom(given, surroundings)?.get(NEVER)
}

/** A service on this machine. Its requests are collected. */
async function service(answer: (request: IncomingMessage, body: string) => object | string | undefined) {
  const asked: { target: string; headers: IncomingMessage['headers']; body: string }[] = []
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk: Buffer) => (body += chunk.toString()))
    request.on('end', () => {
      asked.push({ target: `${request.method} ${request.url}`, headers: request.headers, body })
      const found = answer(request, body)
      if (found === undefined) response.writeHead(404).end()
      else response.end(typeof found === 'string' ? found : JSON.stringify(found))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return { origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked }
}

const STATED = { AccessKeyId: 'key', SecretAccessKey: 'secret', Token: 'token', Expiration: '2100-01-01T00:00:00Z' }
const WEB_IDENTITY = { AWS_WEB_IDENTITY_TOKEN_FILE: '/nowhere', AWS_ROLE_ARN: 'arn:aws:iam::1:role/r' }
const EXPECTED = { accessKeyId: 'key', secretAccessKey: 'secret', sessionToken: 'token' }

describe('the provider chain of AWS', () => {
  const ask = async (environment: Environment) => {
    for (const [name, value] of Object.entries({ ...ELSEWHERE, ...environment })) vi.stubEnv(name, value)
    onTestFinished(() => void vi.unstubAllEnvs())
    const surroundings = { environment: process.env as Environment, profile: await profileOf(process.env), region: 'x' }
    return providerChain(surroundings)?.()
  }

  test('is asked for a profile whose credentials a process prints', async () => {
    const printed = JSON.stringify({ Version: 1, AccessKeyId: 'key', SecretAccessKey: 'secret', SessionToken: 'token' })
    const directory = scratch({ 'credentials.json': printed })
    const config = `[default]\ncredential_process = cat ${join(directory, 'credentials.json')}\n`
    const AWS_CONFIG_FILE = join(scratch({ config }), 'config')
    expect(await ask({ AWS_CONFIG_FILE })).toMatchObject(EXPECTED)
  })

  test('may find none', async () => {
    expect(await ask({})).toBeUndefined()
  })

  test('says what failed', async () => {
    const AWS_CONFIG_FILE = join(scratch({ config: '[default]\ncredential_process = exit 3\n' }), 'config')
    await expect(ask({ AWS_CONFIG_FILE })).rejects.toEqual(refusal('CREDENTIALS_UNAVAILABLE'))
  })
})

describe('credentials', () => {
  test('of the caller come first', async () => {
    const environment = { AWS_ACCESS_KEY_ID: 'other', AWS_SECRET_ACCESS_KEY: 'other' }
    expect(await found(environment, { accessKeyId: 'key', secretAccessKey: 'secret' })).toMatchObject({
      accessKeyId: 'key',
    })
    expect(await found(environment, false)).toBeUndefined()
  })

  test.each([{}, { accessKeyId: 'key' }, { accessKeyId: 'key', secretAccessKey: 'a\nb' }, 'key:secret', null])(
    'of the caller must be complete: %o',
    async (given) => {
      await expect(found({}, given)).rejects.toEqual(refusal('INVALID_ARGUMENT'))
    },
  )

  test('of the environment', async () => {
    const environment = { AWS_ACCESS_KEY_ID: 'key', AWS_SECRET_ACCESS_KEY: 'secret', AWS_SESSION_TOKEN: 'token' }
    expect(await found(environment)).toMatchObject(EXPECTED)
  })

  test.each([
    { AWS_ACCESS_KEY_ID: 'key' },
    { AWS_SECRET_ACCESS_KEY: 'secret' },
    { AWS_PROFILE: 'none' },
    { AWS_DEFAULT_PROFILE: 'none' },
  ])('that are only half there are refused, not left out: %o', async (environment) => {
    await expect(found(environment)).rejects.toEqual(refusal('CREDENTIALS_UNAVAILABLE'))
  })

  test('of a profile that is only half there are refused', async () => {
    const AWS_CONFIG_FILE = join(scratch({ config: '[default]\naws_access_key_id = key\n' }), 'config')
    await expect(found({ AWS_CONFIG_FILE })).rejects.toEqual(refusal('CREDENTIALS_UNAVAILABLE'))
  })

  test('with a line break are refused, and not shown', async () => {
    const environment = { AWS_ACCESS_KEY_ID: 'key', AWS_SECRET_ACCESS_KEY: 's3cret', AWS_SESSION_TOKEN: 's3cret\n2' }
    const error: unknown = await found(environment).catch((thrown: unknown) => thrown)
    expect(error).toEqual(refusal('INVALID_ARGUMENT'))
    expect(inspect(error)).not.toContain('s3cret')
  })

  test('of a profile in the shared files', async () => {
    const files = scratch({
      credentials:
        '[default]\naws_access_key_id=no\naws_secret_access_key=no\n[my.team]\naws_access_key_id = key\naws_secret_access_key = a/b+c=\n',
      config: '[profile my.team]\nregion = eu-west-1\ns3 =\n  addressing_style = path\n',
    })
    const environment = {
      AWS_ACCESS_KEY_ID: 'no',
      AWS_SECRET_ACCESS_KEY: 'no',
      AWS_PROFILE: 'my.team',
      AWS_CONFIG_FILE: join(files, 'config'),
      AWS_SHARED_CREDENTIALS_FILE: join(files, 'credentials'),
    }
    expect(await found(environment)).toMatchObject({ accessKeyId: 'key', secretAccessKey: 'a/b+c=' })
    expect((await profileOf(environment)).values).toMatchObject({ region: 'eu-west-1' })
  })

  test.each(['role_arn', 'sso_session', 'credential_process'])(
    'of a profile with %s need the provider chain',
    async (key) => {
      const AWS_CONFIG_FILE = join(scratch({ config: `[default]\n${key} = x\n` }), 'config')
      await expect(found({ AWS_CONFIG_FILE })).rejects.toEqual(
        refusal('CREDENTIALS_UNAVAILABLE', { hint: expect.stringContaining('credential-provider-node') as string }),
      )
    },
  )

  test('of a web identity', async () => {
    const { origin, asked } = await service(() => ({
      AssumeRoleWithWebIdentityResponse: {
        AssumeRoleWithWebIdentityResult: {
          Credentials: {
            AccessKeyId: 'key',
            SecretAccessKey: 'secret',
            SessionToken: 'token',
            Expiration: 4_102_444_800,
          },
        },
      },
    }))
    const AWS_WEB_IDENTITY_TOKEN_FILE = join(scratch({ token: 'jwt\n' }), 'token')
    const environment = {
      AWS_WEB_IDENTITY_TOKEN_FILE,
      AWS_ENDPOINT_URL_STS: origin,
      AWS_ROLE_ARN: 'arn:aws:iam::1:role/r',
    }
    expect(await found(environment)).toEqual({ ...EXPECTED, expiration: new Date('2100-01-01') })
    expect(Object.fromEntries(new URLSearchParams(asked[0]?.body))).toMatchObject({
      Action: 'AssumeRoleWithWebIdentity',
      RoleArn: 'arn:aws:iam::1:role/r',
      WebIdentityToken: 'jwt',
    })
    await expect(found({ ...environment, AWS_ROLE_ARN: '' })).rejects.toEqual(refusal('CREDENTIALS_UNAVAILABLE'))
  })

  test('of a container, with its token', async () => {
    const { origin, asked } = await service(() => STATED)
    const AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE = join(scratch({ token: 'secret-token\n' }), 'token')
    const AWS_CONTAINER_CREDENTIALS_FULL_URI = `${origin}/v1/credentials`
    const environment = { AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE, AWS_CONTAINER_CREDENTIALS_FULL_URI }
    expect(await found(environment)).toMatchObject(EXPECTED)
    expect(asked).toMatchObject([{ target: 'GET /v1/credentials', headers: { authorization: 'secret-token' } }])
  })

  test('of a container are not asked for at another host in the clear', async () => {
    const AWS_CONTAINER_CREDENTIALS_FULL_URI = 'http://store.example/v1'
    await expect(found({ AWS_CONTAINER_CREDENTIALS_FULL_URI })).rejects.toEqual(refusal('CREDENTIALS_UNAVAILABLE'))
  })

  test('of a container that has none are refused, and not those of the machine', async () => {
    const { origin } = await service(() => undefined)
    const machine = await service(() => STATED)
    const environment = {
      AWS_CONTAINER_CREDENTIALS_FULL_URI: origin,
      AWS_EC2_METADATA_DISABLED: '',
      AWS_EC2_METADATA_SERVICE_ENDPOINT: machine.origin,
    }
    await expect(found(environment)).rejects.toEqual(refusal('CREDENTIALS_UNAVAILABLE'))
    expect(machine.asked).toEqual([])
  })

  test('are not asked for with a token that has a line break, which is not shown', async () => {
    const { origin, asked } = await service(() => STATED)
    const environment = {
      AWS_CONTAINER_CREDENTIALS_FULL_URI: origin,
      AWS_CONTAINER_AUTHORIZATION_TOKEN: 's3cret\nx: y',
    }
    const error: unknown = await found(environment).catch((thrown: unknown) => thrown)
    expect(error).toEqual(refusal('CREDENTIALS_UNAVAILABLE'))
    expect(inspect(error)).not.toContain('s3cret')
    expect(asked).toEqual([])
  })

  test.each([
    { AWS_CONTAINER_CREDENTIALS_FULL_URI: 'https://user:s3cret@127.0.0.1/' },
    { AWS_CONTAINER_CREDENTIALS_FULL_URI: 's3cret' },
    { AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: '@store.example/s3cret' },
    { AWS_EC2_METADATA_DISABLED: '', AWS_EC2_METADATA_SERVICE_ENDPOINT: 'http://user:s3cret@127.0.0.1' },
    { AWS_EC2_METADATA_DISABLED: '', AWS_EC2_METADATA_SERVICE_ENDPOINT: 's3cret' },
    { ...WEB_IDENTITY, AWS_ENDPOINT_URL_STS: 's3cret' },
    { ...WEB_IDENTITY, AWS_ENDPOINT_URL_STS: 'https://user:s3cret@sts.example' },
    { ...WEB_IDENTITY, AWS_ENDPOINT_URL_STS: 'http://sts.example' },
    { ...WEB_IDENTITY, AWS_ENDPOINT_URL: 'https://minio.example' },
  ])('of a service with an unusable address are refused, and it is not shown: %o', async (environment) => {
    const error: unknown = await found(environment as Environment).catch((thrown: unknown) => thrown)
    expect(error).toEqual(refusal('CREDENTIALS_UNAVAILABLE'))
    expect(inspect(error)).not.toContain('s3cret')
  })

  test('of the instance, with the token of its metadata service', async () => {
    const { origin, asked } = await service(({ method, url, headers }) => {
      if (method === 'PUT') return 'session'
      if (headers['x-aws-ec2-metadata-token'] !== 'session') return undefined
      return url?.endsWith('/my-role') ? STATED : 'my-role\n'
    })
    const environment = { AWS_EC2_METADATA_DISABLED: '', AWS_EC2_METADATA_SERVICE_ENDPOINT: origin }
    expect(await found(environment)).toMatchObject(EXPECTED)
    expect(asked.map(({ target }) => target)).toEqual([
      'PUT /latest/api/token',
      'GET /latest/meta-data/iam/security-credentials/',
      'GET /latest/meta-data/iam/security-credentials/my-role',
    ])
  })

  test.each([{}, { AccessKeyId: 'key' }, { ...STATED, Expiration: 'soon' }, [], 'text'])(
    'of a service that states %o are refused',
    async (stated) => {
      const { origin } = await service(() => stated)
      const error = found({ AWS_CONTAINER_CREDENTIALS_FULL_URI: origin })
      await expect(error).rejects.toEqual(refusal(stated === 'text' ? 'JSON_INVALID' : 'CREDENTIALS_UNAVAILABLE'))
    },
  )

  test('are none where nothing provides any', async () => {
    expect(await found({})).toBeUndefined()
    const environment = { AWS_EC2_METADATA_DISABLED: '', AWS_EC2_METADATA_SERVICE_ENDPOINT: 'http://127.0.0.1:1' }
    expect(await found(environment)).toBeUndefined()
  })

  test('are kept until shortly before they expire', async () => {
    vi.useFakeTimers({ toFake: ['Date'], now: 0 })
    onTestFinished(() => void vi.useRealTimers())
    let asked = 0
    const environment = { ...ELSEWHERE }
    const provider = credentialsFrom(
      () => Promise.resolve({ accessKeyId: `key${++asked}`, secretAccessKey: 's', expiration: new Date(3_600_000) }),
      { environment, profile: await profileOf(environment), region: 'x' },
    )
    const at = async (time: number) => {
      vi.setSystemTime(time)
      return (await provider?.get(NEVER))?.accessKeyId
    }
    expect(await at(0)).toBe('key1')
    expect(await at(3_299_000)).toBe('key1')
    expect(await at(3_301_000)).toBe('key2')
  })

  test('are asked for again after a failure', async () => {
    let asked = 0
    const provider = credentialsFrom(
      () => (++asked === 1 ? Promise.reject(new Error('no')) : Promise.resolve(EXPECTED)),
      {
        environment: ELSEWHERE,
        profile: await profileOf(ELSEWHERE),
        region: 'x',
      },
    )
    await expect(provider?.get(NEVER)).rejects.toThrow('no')
    expect(await provider?.get(NEVER)).toMatchObject(EXPECTED)
  })
})
