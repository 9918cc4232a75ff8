import { ModelSealError, shown } from '@modelseal/core/errors'
import { checkedHttpOptions, collected, HttpClient, isLoopback, isPrivate, plainUrl } from '@modelseal/core/http'
import type { Credentials } from './docker-credentials.ts'

/** Tokens with many claims have some ten kilobytes. */
const MAX_ANSWER_BYTES = 256 * 1024
const CLIENT_ID = 'modelseal'

/** What a token is requested for. */
interface TokenRequest {
  readonly realm: URL
  readonly service: string | undefined
  /** Never taken from the challenge, so that a registry cannot obtain a token for more. */
  readonly scope: string
}

/**
 * The token service that a registry names: with `https`, or at the registry's own origin. A registry on the internet
 * cannot name a service in a private network.
 *
 * @throws {@link ModelSealError} `HTTP_RESPONSE`
 */
export async function checkedRealm(realm: string | undefined, registry: URL): Promise<URL> {
  const url = realm === undefined ? null : URL.parse(realm)
  if (url === null || url.username !== '' || url.password !== '')
    throw refused(registry, 'the URL of a token service, without credentials', 'none that is valid')
  if (url.origin === registry.origin) return url
  if (url.protocol !== 'https:') throw refused(registry, 'a token service with https', shown(url.origin))
  if ((await isPrivate(url.hostname)) && !(await isPrivate(registry.hostname)))
    throw refused(registry, 'a token service with a public address', shown(url.origin))
  return url
}

/**
 * Whether a token service receives the credentials that are stored for a registry: if both are on one host, or the
 * service is below the registry's name, or below the name above the registry's, as `auth.docker.io` is for
 * `registry-1.docker.io`, and `gitlab.com` for `registry.gitlab.com`. Any other service issues anonymous tokens only.
 */
export function mayReceiveCredentials(realm: URL, registry: URL): boolean {
  const [service, host] = [realm.hostname, registry.hostname]
  if (realm.origin === registry.origin || service === host) return true
  if (isLoopback(host) || /^[\d.]+$|^\[/.test(host)) return false
  const above = host.replace(/^[^.]+\./, '')
  return [host, ...(isShared(above) ? [] : [above])].some((name) => service === name || service.endsWith(`.${name}`))
}

/** A name under which strangers register theirs: `com`, `co.uk`, `com.au`. */
function isShared(name: string): boolean {
  return /^[^.]+$|^(?:..?|com|edu|gob|gov|mil|net|nom|org)\...$/.test(name)
}

/**
 * Requests a token: with a GET (distribution, "Token Authentication Specification"), or with the POST of OAuth 2.0 if
 * `docker login` stored an identity token.
 *
 * @throws {@link ModelSealError} `HTTP_RESPONSE`, `HTTP_UNREACHABLE`, `HTTP_TIMEOUT`, `HTTP_REDIRECT`, `SOURCE_FAILED`, `ABORTED`
 */
export async function fetchToken(
  { realm, service, scope }: TokenRequest,
  credentials: Credentials | undefined,
  { signal, hint }: { readonly signal: AbortSignal; readonly hint: string },
): Promise<string> {
  const url = new URL(realm)
  url.hash = ''
  const parameters = new URLSearchParams(service === undefined ? { scope } : { service, scope })
  const refreshes = credentials?.identityToken !== undefined
  if (!refreshes) for (const [name, value] of parameters) url.searchParams.set(name, value)
  const body = refreshes
    ? { grant_type: 'refresh_token', client_id: CLIENT_ID, refresh_token: credentials.identityToken }
    : {}
  const post = new URLSearchParams([...parameters, ...Object.entries(body)])
  const client = new HttpClient(
    url.origin,
    {
      ...checkedHttpOptions(
        refreshes ? { fetch: (to, init) => fetch(to, { ...init, method: 'POST', body: post }) } : {},
      ),
      mayRedirect: (target) =>
        Promise.resolve({ expected: `the origin ${shown(url.origin)}`, found: shown(target.origin) }),
      hints: { response: hint, redirect: hint, timeout: 'and try again.' },
    },
    signal,
  )
  const headers: Record<string, string> =
    credentials?.identityToken === undefined && credentials ? { authorization: basic(credentials) } : {}
  const answer = await client.get({ url, what: 'token of the registry', headers, absent: new Set() }, (received) =>
    collected('token of the registry', MAX_ANSWER_BYTES, received),
  )
  const token = answer && tokenIn(answer)
  if (token !== undefined) return token
  throw new ModelSealError('HTTP_RESPONSE', `Cannot use the token service ${shown(plainUrl(url))}: it sent no token.`, {
    file: plainUrl(url),
    hint,
  })
}

/** RFC 7617, in UTF-8. */
export function basic({ username, password }: { readonly username: string; readonly password: string }): string {
  return `Basic ${Buffer.from(`${username}:${password}`, 'utf8').toString('base64')}`
}

/** Only characters that a header can have (RFC 6750 2.1). */
function tokenIn(answer: Buffer): string | undefined {
  try {
    const { token, access_token: other } = JSON.parse(answer.toString('utf8')) as Record<string, unknown>
    return [token, other].find((each): each is string => typeof each === 'string' && /^[\w.~+/=-]+$/.test(each))
  } catch {
    return undefined
  }
}

function refused(registry: URL, expected: string, found: string): ModelSealError {
  return new ModelSealError('HTTP_RESPONSE', `Cannot log in to the registry ${shown(registry.origin)}.`, {
    file: registry.origin,
    expected,
    found,
    hint: 'Check the URL of the model, and ask the operator of the registry.',
  })
}
