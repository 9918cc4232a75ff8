import { createHash, randomBytes } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import { ModelSealError, shown } from '../../errors.ts'
import { withoutPrototype } from '../../snapshot.ts'
import { callService, DEFAULT_TIMEOUT_MS, fetchJson, type ServiceCall } from '../../source/http/service-call.ts'

export interface InteractiveOptions {
  /** URL of the OpenID Connect issuer. */
  issuer: string
  clientId: string
  clientSecret?: string | undefined
  /** Shows a person the login page. With `askCode`, that page then displays a code. */
  show: (url: string) => void
  /** Asks the person for that code, if no browser can reach this machine. */
  askCode?: ((signal: AbortSignal) => Promise<string>) | undefined
  signal?: AbortSignal | undefined
}

/** Long enough for a person to log in. */
const PATIENCE_MS = 5 * 60_000
/** RFC 6749 does not define this value, but the issuers of Sigstore and Google accept it. */
const OUT_OF_BAND = 'urn:ietf:wg:oauth:2.0:oob'

/**
 * Lets a person log in with the authorization code flow of OpenID Connect and PKCE (RFC 7636). The response arrives on
 * a loopback port (RFC 8252 section 7.3), or as a code that the person types.
 *
 * @returns the identity token
 * @throws {@link ModelSealError} `TOKEN_INVALID`, `SERVICE_UNREACHABLE`, `SERVICE_REFUSED`, `ABORTED`
 */
export async function interactiveToken(options: InteractiveOptions): Promise<string> {
  const provider = await discover(options)
  const [state, nonce, verifier] = [random(), random(), random()]
  const authorize = (redirect: string) => {
    const url = new URL(provider.authorization)
    const parameters = {
      response_type: 'code',
      client_id: options.clientId,
      redirect_uri: redirect,
      scope: 'openid email',
      state,
      nonce,
      code_challenge: createHash('sha256').update(verifier).digest('base64url'),
      code_challenge_method: 'S256',
    }
    for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value)
    return url.href
  }
  const { code, redirect } = await login(options, authorize, state)
  const token = await exchange(options, provider.token, { code, redirect_uri: redirect, code_verifier: verifier })
  if (claimOf(token, 'nonce') === nonce) return token
  throw new ModelSealError(
    'TOKEN_INVALID',
    'Cannot log in: the response of the identity provider is for another login.',
  )
}

async function discover({ issuer, signal }: InteractiveOptions): Promise<{ authorization: string; token: string }> {
  const url = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`
  const { authorization_endpoint: authorization, token_endpoint: token } = await fetchJson(callTo(url, signal))
  if (typeof authorization === 'string' && typeof token === 'string' && URL.canParse(authorization))
    return { authorization, token }
  throw new ModelSealError(
    'SERVICE_REFUSED',
    `Cannot log in: the identity provider ${shown(issuer)} does not publish its login page.`,
  )
}

async function login(
  options: InteractiveOptions,
  authorize: (redirect: string) => string,
  state: string,
): Promise<{ code: string; redirect: string }> {
  const { askCode, show } = options
  const call = { ...callTo(options.issuer, options.signal), timeoutMs: PATIENCE_MS }
  if (askCode) {
    show(authorize(OUT_OF_BAND))
    return { code: (await callService(call, askCode)).trim(), redirect: OUT_OF_BAND }
  }
  return callService(call, (signal) => loopback(show, authorize, state, signal))
}

/** Accepts one response, and only with the right state. */
function loopback(
  show: (url: string) => void,
  authorize: (redirect: string) => string,
  state: string,
  signal: AbortSignal,
): Promise<{ code: string; redirect: string }> {
  // Modules of Node.js that few processes need are loaded lazily.
  const { createServer } = process.getBuiltinModule('node:http')
  return new Promise((resolve, reject) => {
    let redirect = ''
    const server = createServer((request, response) => {
      const query = URL.parse(request.url ?? '', 'http://localhost')?.searchParams
      const [code, error] = [query?.get('code'), query?.get('error')]
      if (query?.get('state') !== state || (!code && !error)) {
        response.writeHead(404).end()
        return
      }
      response.writeHead(200, { 'content-type': 'text/plain', connection: 'close' })
      response.end(code ? 'You are logged in. You can close this page.\n' : 'The login failed.\n')
      server.close()
      if (code) resolve({ code, redirect })
      else reject(new ModelSealError('TOKEN_INVALID', 'The login failed.', { found: shown(error ?? '') }))
    })
    signal.addEventListener('abort', () => server.close(), { once: true })
    server.on('error', reject)
    server.listen(0, 'localhost', () => {
      redirect = `http://localhost:${(server.address() as AddressInfo).port}/auth/callback`
      show(authorize(redirect))
    })
  })
}

async function exchange(options: InteractiveOptions, url: string, answer: Record<string, string>): Promise<string> {
  const { clientId, clientSecret = '', signal } = options
  const secrets = [answer['code'] ?? '', answer['code_verifier'] ?? '', clientSecret]
  const { id_token: token } = await fetchJson(
    { ...callTo(url, signal), secrets },
    {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({
        grant_type: 'authorization_code',
        client_id: clientId,
        ...(clientSecret === '' ? {} : { client_secret: clientSecret }),
        ...answer,
      }).toString(),
    },
  )
  if (typeof token === 'string') return token
  throw new ModelSealError('TOKEN_INVALID', 'Cannot log in: the identity provider issued no identity token.')
}

function claimOf(token: string, name: string): unknown {
  try {
    const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as Record<string, unknown>
    return withoutPrototype(claims)[name]
  } catch {
    return undefined
  }
}

function callTo(url: string, signal: AbortSignal | undefined): ServiceCall {
  return { service: 'identity provider', url, timeoutMs: DEFAULT_TIMEOUT_MS, signal }
}

function random(): string {
  return randomBytes(32).toString('base64url')
}
