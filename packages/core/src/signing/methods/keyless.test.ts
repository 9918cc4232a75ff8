import { chmodSync, existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { SigningConfig } from '@sigstore/protobuf-specs'
import { describe, expect, test } from 'vitest'
import { ModelSealError } from '../../errors.ts'
import { scratch } from '../../testing/scratch.ts'
import { serving } from '../../testing/serving.ts'
import { ambientToken } from '../sigstore/ambient-token.ts'
import { checkToken } from '../sigstore/identity-token.ts'
import { keylessSigner } from './keyless.ts'
import { chooseServices, publicServices } from '../sigstore/services.ts'

function tokenOf(claims: object): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  return `${part({ alg: 'none' })}.${part(claims)}.c2lnbmF0dXJl`
}

/** On Google Cloud, the machine itself says so. */
function onGoogleCloud(): boolean {
  const file = '/sys/class/dmi/id/product_name'
  return existsSync(file) && readFileSync(file, 'latin1').startsWith('Google')
}

const now = Math.floor(Date.now() / 1000)
const GOOD = { sub: 'me', aud: 'sigstore', exp: now + 600 }

async function refusal(work: () => unknown): Promise<ModelSealError> {
  try {
    await work()
  } catch (error) {
    if (error instanceof ModelSealError) return error
    throw error
  }
  throw new Error('It was accepted.')
}

describe('a token', () => {
  test.each([
    ['is accepted', GOOD],
    ['for several audiences is accepted', { ...GOOD, aud: ['other', 'sigstore'] }],
  ])('%s', (_, claims) => {
    expect(() => checkToken(tokenOf(claims), 'sigstore')).not.toThrow()
  })

  test.each([
    ['that expired', 'TOKEN_EXPIRED', tokenOf({ ...GOOD, exp: now - 1 })],
    ['that is not valid yet', 'TOKEN_EXPIRED', tokenOf({ ...GOOD, nbf: now + 300 })],
    ['for another audience', 'TOKEN_AUDIENCE', tokenOf({ ...GOOD, aud: 'sigstore2' })],
    ['without an audience', 'TOKEN_AUDIENCE', tokenOf({ sub: 'me', exp: now + 600 })],
    ['without an expiry', 'TOKEN_INVALID', tokenOf({ sub: 'me', aud: 'sigstore' })],
    ['without a subject', 'TOKEN_INVALID', tokenOf({ aud: 'sigstore', exp: now + 600 })],
    ['that is not a token', 'TOKEN_INVALID', 'secret-text'],
    ['with claims that are not an object', 'TOKEN_INVALID', 'c2VjcmV0.c2VjcmV0.c2VjcmV0'],
    ['that is empty', 'TOKEN_INVALID', ''],
  ])('%s is refused, and not revealed', async (_, code, token) => {
    const error = await refusal(() => checkToken(token, 'sigstore'))
    expect(error.code).toBe(code)
    for (const part of token.split('.').filter(Boolean)) expect(JSON.stringify(error)).not.toContain(part)
    expect(error.cause).toBeUndefined()
  })
})

describe('a CI system', () => {
  test('of GitHub is asked with its own credentials, for the right audience', async () => {
    let asked: (string | undefined)[] = []
    const url = await serving(({ url, headers }, response) => {
      asked = [url, headers.authorization]
      response.end(JSON.stringify({ value: 'the-token' }))
    })
    const env = {
      GITHUB_ACTIONS: 'true',
      ACTIONS_ID_TOKEN_REQUEST_URL: `${url}/?api-version=2`,
      ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'bearer-secret',
    }
    expect(await ambientToken('sigstore', undefined, env)).toBe('the-token')
    expect(asked).toEqual(['/?api-version=2&audience=sigstore', 'Bearer bearer-secret'])
  })

  test.each([
    ['TOKEN_MISSING', { GITHUB_ACTIONS: 'true' }],
    ['TOKEN_MISSING', { GITLAB_CI: 'true' }],
    [
      'SERVICE_UNREACHABLE',
      {
        GITHUB_ACTIONS: 'true',
        ACTIONS_ID_TOKEN_REQUEST_URL: 'http://127.0.0.1:1/',
        ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'bearer-secret',
      },
    ],
  ])('that issues no token is named: %s for %j', async (code, env) => {
    const error = await refusal(() => ambientToken('sigstore', undefined, env))
    expect(error.code).toBe(code)
    expect(JSON.stringify(error)).not.toContain('bearer-secret')
  })

  test('of Google is asked for the full token of its account, at the host that the environment names', async () => {
    let asked: (string | string[] | undefined)[] = []
    const url = await serving(({ url, headers }, response) => {
      asked = [url, headers['metadata-flavor']]
      response.end('the-token\n')
    })
    expect(await ambientToken('sig store', undefined, { GCE_METADATA_HOST: new URL(url).host })).toBe('the-token')
    const path = '/computeMetadata/v1/instance/service-accounts/default/identity?audience=sig%20store&format=full'
    expect(asked).toEqual([path, 'Google'])
  })

  test('of Google that issues no token, or is unreachable, is named', async () => {
    const url = await serving((_, response) => response.writeHead(404).end('no service account'))
    const none = await refusal(() => ambientToken('sigstore', undefined, { GCE_METADATA_HOST: new URL(url).host }))
    expect(none).toMatchObject({ code: 'TOKEN_MISSING', message: expect.stringContaining('Google Cloud') })
    const away = await refusal(() => ambientToken('sigstore', undefined, { GCE_METADATA_HOST: '127.0.0.1:1' }))
    expect(away).toMatchObject({ code: 'SERVICE_UNREACHABLE', message: expect.stringContaining('metadata server') })
  })

  test.skipIf(process.platform === 'win32')('of Buildkite is asked through its agent', async () => {
    const agent = (script: string) => {
      const directory = scratch({ 'buildkite-agent': `#!/bin/sh\n${script}\n` })
      chmodSync(join(directory, 'buildkite-agent'), 0o755)
      return { BUILDKITE: 'true', PATH: `${directory}:/usr/bin:/bin` }
    }
    const asked = agent('test "$*" = "oidc request-token --audience sigstore" && echo the-token')
    expect(await ambientToken('sigstore', undefined, asked)).toBe('the-token')
    for (const script of ['echo the-token; exit 1', 'echo the-token >&2', 'exit 0']) {
      const error = await refusal(() => ambientToken('sigstore', undefined, agent(script)))
      expect(error).toMatchObject({ code: 'TOKEN_MISSING', message: expect.stringContaining('Buildkite') })
      expect(JSON.stringify(error)).not.toContain('the-token')
      expect(error.cause).toBeUndefined()
    }
    const missing = await refusal(() => ambientToken('sigstore', undefined, { BUILDKITE: 'true', PATH: '/nowhere' }))
    expect(missing.code).toBe('TOKEN_MISSING')
  })

  test('that responds without a token, or with an error, is named', async () => {
    for (const [status, body, code] of [
      [200, '{}', 'TOKEN_MISSING'],
      [200, 'nonsense', 'SERVICE_REFUSED'],
      [403, '{"message":"bearer-secret is not right"}', 'SERVICE_REFUSED'],
    ] as const) {
      const url = await serving((_, response) => response.writeHead(status).end(body))
      const env = {
        GITHUB_ACTIONS: 'true',
        ACTIONS_ID_TOKEN_REQUEST_URL: url,
        ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'bearer-secret',
      }
      const error = await refusal(() => ambientToken('sigstore', undefined, env))
      expect(error.code).toBe(code)
      expect(JSON.stringify(error)).not.toContain('bearer-secret')
    }
  })

  test.skipIf(onGoogleCloud())('is not detected if nothing indicates one', async () => {
    expect(await ambientToken('sigstore', undefined, {})).toBeUndefined()
  })

  test('of GitLab provides the token in the environment', async () => {
    const env = { GITLAB_CI: 'true', SIGSTORE_ID_TOKEN: 'the-token', OUR_CLIENT_ID_TOKEN: 'another' }
    expect(await ambientToken('sigstore', undefined, env)).toBe('the-token')
    expect(await ambientToken('our-client', undefined, env)).toBe('another')
  })
})

describe('services', () => {
  const past = { start: '2020-01-01T00:00:00Z' }
  const service = (url: string, majorApiVersion: number, more: object = {}) => ({
    url,
    majorApiVersion,
    validFor: past,
    operator: 'us',
    ...more,
  })
  const config = (more: object) =>
    SigningConfig.fromJSON({
      caUrls: [service('https://ca', 1)],
      rekorTlogUrls: [service('https://v1', 1), service('https://v2', 2)],
      tsaUrls: [service('https://tsa', 1)],
      rekorTlogConfig: { selector: 'ANY' },
      tsaConfig: { selector: 'ANY' },
      ...more,
    })

  test('are the newest ones that are currently valid and supported', () => {
    expect(chooseServices(config({}), 'f')).toMatchObject({
      authority: 'https://ca',
      logs: [{ url: 'https://v2', version: 2 }],
      timestampAuthorities: ['https://tsa'],
    })
    const rekorTlogUrls = [
      service('https://v3', 3),
      service('https://later', 2, { validFor: { start: '2999-01-01T00:00:00Z' } }),
      service('https://gone', 2, { validFor: { ...past, end: '2021-01-01T00:00:00Z' } }),
      service('https://v1', 1),
    ]
    expect(chooseServices(config({ rekorTlogUrls }), 'f').logs).toEqual([{ url: 'https://v1', version: 1 }])
  })

  test('are one per operator, if all are requested', () => {
    const tsaUrls = [service('https://a', 1), service('https://b', 1), service('https://c', 1, { operator: 'them' })]
    const chosen = chooseServices(config({ tsaUrls, tsaConfig: { selector: 'ALL' } }), 'f')
    expect(chosen.timestampAuthorities).toEqual(['https://a', 'https://c'])
  })

  test.each([
    ['no authority', { caUrls: [] }],
    ['no log', { rekorTlogUrls: [] }],
    ['a log that provides no time, and no timestamp authority', { tsaUrls: [] }],
  ])('are refused with %s', async (_, more) => {
    expect((await refusal(() => chooseServices(config(more), 'f'))).code).toBe('SIGNING_CONFIG_INVALID')
  })
})

describe('an authority', () => {
  const signing = (authority: string, token = tokenOf(GOOD)) =>
    keylessSigner({
      services: { ...publicServices('staging'), authority },
      identityToken: () => Promise.resolve(token),
      timeoutMs: 300,
    }).sign(Buffer.from('encoded'))

  test('that does not respond in time is named', async () => {
    const url = await serving(() => {})
    const error = await refusal(() => signing(url))
    expect(error.code).toBe('SERVICE_UNREACHABLE')
    expect(error.message).toContain(url)
  })

  test('that refuses is quoted without the token', async () => {
    const token = tokenOf(GOOD)
    const url = await serving((_, response) => {
      response.writeHead(400, { 'content-type': 'application/json' })
      response.end(JSON.stringify({ message: `the token ${token} is not right` }))
    })
    const error = await refusal(() => signing(url, token))
    expect(error.code).toBe('SERVICE_REFUSED')
    expect(error.message).toContain('is not right')
    expect(JSON.stringify(error)).not.toContain(token)
    expect(error.cause).toBeUndefined()
  })

  test('is not sent a token that cannot work', async () => {
    let asked = false
    const url = await serving(() => (asked = true))
    expect((await refusal(() => signing(url, tokenOf({ ...GOOD, exp: now - 1 })))).code).toBe('TOKEN_EXPIRED')
    expect(asked).toBe(false)
  })
})
