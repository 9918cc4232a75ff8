import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { ModelSealError } from '../../errors.ts'
import { checkToken } from './identity-token.ts'
import { DEFAULT_TIMEOUT_MS, callService, fetchJson, type ServiceCall } from '../../source/http/service-call.ts'

/** The environment of the process, which identifies the CI system. */
type Variables = Readonly<Record<string, string | undefined>>

/** Default host of the metadata server; `GCE_METADATA_HOST` overrides it, as in Google's own libraries. */
const METADATA_HOST = 'metadata.google.internal'
const METADATA_PATH = '/computeMetadata/v1/instance/service-accounts/default/identity'
const PRODUCT_NAME = '/sys/class/dmi/id/product_name'

/**
 * Requests an identity token from the CI system of this process: GitHub Actions, GitLab CI, Google Cloud or Buildkite,
 * in this order.
 *
 * @returns undefined if it runs in none of them
 * @throws {@link ModelSealError} `TOKEN_MISSING`, `SERVICE_UNREACHABLE`, `SERVICE_REFUSED`, `ABORTED`
 */
export async function ambientToken(
  audience: string,
  signal?: AbortSignal,
  env: Variables = process.env,
): Promise<string | undefined> {
  if (env['GITHUB_ACTIONS']) return gitHubToken(audience, signal, env)
  if (env['GITLAB_CI']) return gitLabToken(audience, env)
  if (await runsOnGoogleCloud(env)) return googleToken(audience, signal, env)
  if (env['BUILDKITE']) return buildkiteToken(audience, signal, env)
  return undefined
}

/**
 * Whether the CI system of this process can issue a token, without requesting one.
 *
 * @throws {@link ModelSealError} `TOKEN_MISSING` if it issues none to this job, `TOKEN_*` if there is one that cannot
 * work
 */
export async function hasAmbientToken(audience: string, env: Variables = process.env): Promise<boolean> {
  if (env['GITHUB_ACTIONS']) return Boolean(gitHubService(env))
  if (env['GITLAB_CI']) {
    checkToken(gitLabToken(audience, env), audience)
    return true
  }
  return (await runsOnGoogleCloud(env)) || Boolean(env['BUILDKITE'])
}

/** @throws {@link ModelSealError} `TOKEN_MISSING` */
function gitHubService(env: Variables): { url: URL; bearer: string } {
  const [address, bearer] = [env['ACTIONS_ID_TOKEN_REQUEST_URL'], env['ACTIONS_ID_TOKEN_REQUEST_TOKEN']]
  const url = URL.parse(address ?? '')
  if (url && bearer) return { url, bearer }
  throw missing('GitHub Actions', 'Give the job the permission "id-token: write", or pass --identity-token.')
}

async function gitHubToken(audience: string, signal: AbortSignal | undefined, env: Variables): Promise<string> {
  const { url, bearer } = gitHubService(env)
  url.searchParams.set('audience', audience)
  const call = { ...callTo('identity provider of GitHub Actions', url.href, signal), secrets: [bearer] }
  const { value } = await fetchJson(call, { headers: { authorization: `Bearer ${bearer}` } })
  if (typeof value === 'string') return value
  throw missing('GitHub Actions', 'Its response contained none.')
}

/** GitLab stores tokens in the variables that the job names. Other Sigstore clients use this name as well. */
function gitLabToken(audience: string, env: Variables): string {
  const variable = `${audience.toUpperCase().replace(/[^A-Z0-9]/g, '_')}_ID_TOKEN`
  const token = env[variable]
  if (token) return token
  throw missing('GitLab CI', `Give the job "id_tokens: { ${variable}: { aud: ${audience} } }".`)
}

async function runsOnGoogleCloud(env: Variables): Promise<boolean> {
  if (env['GCE_METADATA_HOST']) return true
  const name = await readFile(PRODUCT_NAME, 'latin1').catch(() => '')
  return name.startsWith('Google Compute Engine')
}

function googleToken(audience: string, signal: AbortSignal | undefined, env: Variables): Promise<string> {
  const host = env['GCE_METADATA_HOST'] ?? METADATA_HOST
  const url = `http://${host}${METADATA_PATH}?audience=${encodeURIComponent(audience)}&format=full`
  const call = callTo('metadata server of Google Cloud', url, signal)
  return callService(call, async (limit) => {
    const response = await fetch(url, { headers: { 'Metadata-Flavor': 'Google' }, redirect: 'error', signal: limit })
    const text = await response.text()
    if (response.ok && text !== '') return text.trim()
    throw missing('Google Cloud', 'Give the machine a service account, or pass --identity-token.')
  })
}

function buildkiteToken(audience: string, signal: AbortSignal | undefined, env: Variables): Promise<string> {
  return callService(callTo('agent of Buildkite', 'https://agent.buildkite.com', signal), async (limit) => {
    try {
      const args = ['oidc', 'request-token', '--audience', audience]
      const { execFile } = process.getBuiltinModule('node:child_process')
      const { stdout } = await promisify(execFile)('buildkite-agent', args, { signal: limit, env })
      if (stdout.trim() !== '') return stdout.trim()
    } catch {
      // Its output may contain the token.
    }
    throw missing('Buildkite', 'Check that "buildkite-agent oidc request-token" works in this job.')
  })
}

function callTo(service: string, url: string, signal: AbortSignal | undefined): ServiceCall {
  return { service, url, timeoutMs: DEFAULT_TIMEOUT_MS, signal }
}

function missing(system: string, hint: string): ModelSealError {
  return new ModelSealError('TOKEN_MISSING', `Cannot sign: ${system} issued no identity token.`, { hint })
}
