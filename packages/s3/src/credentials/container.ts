import { readSmallFile } from '@modelseal/core/adapter'
import { shown } from '@modelseal/core/errors'
import { isLoopback, plainUrl } from '@modelseal/core/http'
import type { Credentials } from './credentials.ts'
import { asked, credentialsIn, serviceUrl, unavailable, type Asking } from './service.ts'

const TIMEOUT_MS = 5_000
const MAX_TOKEN_BYTES = 64 * 1024
/** Of ECS, and of EKS (Pod Identity). */
const HOSTS: ReadonlySet<string> = new Set(['169.254.170.2', '169.254.170.23', '[fd00:ec2::23]'])

/**
 * The credentials of a container of ECS, or a pod of EKS.
 *
 * @returns undefined outside of one
 * @throws {@link ModelSealError} `CREDENTIALS_UNAVAILABLE`, codes of reading the token, and those of {@link asked}
 */
export async function containerCredentials(
  environment: Readonly<Record<string, string | undefined>>,
  how: Asking,
): Promise<Credentials | undefined> {
  const { AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: path, AWS_CONTAINER_CREDENTIALS_FULL_URI: full } = environment
  if (!path && !full) return undefined
  // The token must not go to another host in the clear.
  const isPlain = (hostname: string) => HOSTS.has(hostname) || isLoopback(hostname)
  const url = path
    ? serviceUrl(`http://169.254.170.2${path}`, 'AWS_CONTAINER_CREDENTIALS_RELATIVE_URI', isPlain)
    : serviceUrl(full ?? '', 'AWS_CONTAINER_CREDENTIALS_FULL_URI', isPlain)
  const what = 'credentials of the container'
  const authorization = await tokenOf(environment)
  const headers = authorization === undefined ? {} : { authorization }
  const bytes = await asked({ url, what, headers, timeoutMs: TIMEOUT_MS, ...how })
  // Those of the machine, which are asked for elsewhere, are not meant for the container.
  if (!bytes) throw unavailable(what, { expected: `credentials at ${shown(plainUrl(url))}`, found: 'none' })
  return credentialsIn(bytes, { what, url })
}

async function tokenOf({
  AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: file,
  AWS_CONTAINER_AUTHORIZATION_TOKEN: token,
}: Readonly<Record<string, string | undefined>>): Promise<string | undefined> {
  if (!file) return token || undefined
  const bytes = await readSmallFile(file, { what: 'token of the container', maxBytes: MAX_TOKEN_BYTES })
  return bytes.toString('utf8').trim()
}
