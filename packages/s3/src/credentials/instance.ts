import { ModelSealError } from '@modelseal/core/errors'
import type { Credentials } from './credentials.ts'
import { asked, credentialsIn, serviceUrl, unavailable, type Asking } from './service.ts'

/** It answers at once, or is not there: on other machines, every load without credentials waits for it. */
const TIMEOUT_MS = 1_000
const ROLES = '/latest/meta-data/iam/security-credentials/'

/**
 * The credentials of a virtual machine of EC2 (instance metadata, version 2).
 *
 * @returns undefined on other machines, and without a role
 * @throws {@link ModelSealError} `CREDENTIALS_UNAVAILABLE`, `ABORTED`
 */
export async function instanceCredentials(
  environment: Readonly<Record<string, string | undefined>>,
  how: Asking,
): Promise<Credentials | undefined> {
  if (/^true$/i.test(environment.AWS_EC2_METADATA_DISABLED ?? '')) return undefined
  const variable = 'AWS_EC2_METADATA_SERVICE_ENDPOINT'
  const endpoint = serviceUrl(environment[variable] || 'http://169.254.169.254', variable, () => true)
  const what = 'credentials of the instance'
  const at = (path: string) => ({ url: new URL(path, endpoint), what, timeoutMs: TIMEOUT_MS, ...how })
  const token = await tokenOf(at('/latest/api/token'))
  if (token === undefined) return undefined
  const headers = { 'x-aws-ec2-metadata-token': token }
  const role = (await asked({ ...at(ROLES), headers }))?.toString('utf8').split('\n')[0]?.trim()
  if (!role) return undefined
  const request = at(ROLES + encodeURIComponent(role))
  const bytes = await asked({ ...request, headers })
  if (!bytes) throw unavailable(what, { expected: 'those of the role that the instance has', found: 'none' })
  return credentialsIn(bytes, request)
}

async function tokenOf(request: Parameters<typeof asked>[0]): Promise<string | undefined> {
  const headers = { 'x-aws-ec2-metadata-token-ttl-seconds': '21600' }
  const content = { type: 'text/plain', length: 0, async *chunks() {} }
  try {
    return (await asked({ ...request, method: 'PUT', headers, content }))?.toString('utf8').trim()
  } catch (error) {
    // No such service here.
    const isElsewhere = error instanceof ModelSealError && /^HTTP_/.test(error.code)
    if (isElsewhere) return undefined
    throw error
  }
}
