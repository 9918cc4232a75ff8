import { randomUUID } from 'node:crypto'
import { readSmallFile } from '@modelseal/core/adapter'
import { ModelSealError } from '@modelseal/core/errors'
import { isLoopback } from '@modelseal/core/http'
import type { Credentials, Surroundings } from './credentials.ts'
import { asked, credentialsIn, serviceUrl, type Asking } from './service.ts'

const MAX_TOKEN_BYTES = 64 * 1024
const TIMEOUT_MS = 20_000

/**
 * Assumes the role `AWS_ROLE_ARN` with the token in `AWS_WEB_IDENTITY_TOKEN_FILE`, as pods of Kubernetes do (STS `AssumeRoleWithWebIdentity`).
 *
 * @throws {@link ModelSealError} `CREDENTIALS_UNAVAILABLE`, `FILE_NOT_FOUND` and other codes of reading the token, and those of {@link asked}
 */
export async function webIdentityCredentials({ environment, region }: Surroundings, how: Asking): Promise<Credentials> {
  const { AWS_WEB_IDENTITY_TOKEN_FILE: file = '', AWS_ROLE_ARN: role, AWS_ROLE_SESSION_NAME: name } = environment
  if (!role) throw missing('the role that the web identity assumes, in AWS_ROLE_ARN')
  const url = tokenService(environment, region)
  const token = await readSmallFile(file, { what: 'token of the web identity', maxBytes: MAX_TOKEN_BYTES })
  const form = new URLSearchParams({
    Action: 'AssumeRoleWithWebIdentity',
    Version: '2011-06-15',
    RoleArn: role,
    RoleSessionName: name || `modelseal-${randomUUID()}`,
    WebIdentityToken: token.toString('utf8').trim(),
  })
  const body = Buffer.from(form.toString())
  const what = 'credentials of the web identity'
  const content = {
    type: 'application/x-www-form-urlencoded',
    length: body.length,
    async *chunks() {
      yield await Promise.resolve(body)
    },
  }
  const headers = { accept: 'application/json' }
  const bytes = await asked({ url, method: 'POST', what, headers, content, timeoutMs: TIMEOUT_MS, ...how })
  if (!bytes) throw missing('an answer of the security token service')
  return credentialsIn(bytes, { what, url }, (answer) => {
    const { AssumeRoleWithWebIdentityResponse: response } = (answer ?? {}) as Answer
    return response?.AssumeRoleWithWebIdentityResult?.Credentials
  })
}

interface Answer {
  AssumeRoleWithWebIdentityResponse?: { AssumeRoleWithWebIdentityResult?: { Credentials?: unknown } }
}

/** `AWS_ENDPOINT_URL` is often meant for an object store, which could use the token of this machine as well. */
function tokenService(environment: Surroundings['environment'], region: string): URL {
  const isIgnored = /^true$/i.test(environment.AWS_IGNORE_CONFIGURED_ENDPOINT_URLS ?? '')
  const { AWS_ENDPOINT_URL_STS: own, AWS_ENDPOINT_URL: general } = isIgnored ? {} : environment
  if (!own && general)
    throw missing('the address of the token service in AWS_ENDPOINT_URL_STS, as AWS_ENDPOINT_URL is set')
  return serviceUrl(own || stsUrl(region), 'AWS_ENDPOINT_URL_STS', isLoopback)
}

function stsUrl(region: string): string {
  return `https://sts.${region}.${region.startsWith('cn-') ? 'amazonaws.com.cn' : 'amazonaws.com'}/`
}

function missing(expected: string): ModelSealError {
  return new ModelSealError(
    'CREDENTIALS_UNAVAILABLE',
    'Cannot get credentials with the web identity of this machine.',
    {
      expected,
      hint: 'Check AWS_ROLE_ARN, AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ENDPOINT_URL_STS.',
    },
  )
}
