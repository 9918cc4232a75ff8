import { generateKeyPairSync, sign } from 'node:crypto'
import { createServer, type Server } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'

export interface TokenClaims {
  email: string
  aud?: string
  /** Seconds from now. */
  expiresIn?: number
  nonce?: string
}

/** An OpenID Connect issuer on loopback that lets anyone log in. */
export class IdentityProvider {
  readonly #keys = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  readonly #nonces = new Map<string, string>()
  readonly #server: Server
  url = ''

  /** @param email the e-mail address of the user who logs in */
  constructor(email: string) {
    this.#server = createServer((request, response) => {
      const url = new URL(request.url ?? '', this.url)
      const json = (value: object) => {
        response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value))
      }
      if (url.pathname === '/.well-known/openid-configuration') {
        json({
          issuer: this.url,
          authorization_endpoint: `${this.url}/login`,
          token_endpoint: `${this.url}/token`,
          jwks_uri: `${this.url}/keys`,
          response_types_supported: ['code'],
          subject_types_supported: ['public'],
          id_token_signing_alg_values_supported: ['ES256'],
        })
      } else if (url.pathname === '/keys') {
        const jwk = this.#keys.publicKey.export({ format: 'jwk' })
        json({ keys: [{ ...jwk, kid: 'test', use: 'sig', alg: 'ES256' }] })
      } else if (url.pathname === '/login') {
        const [state, nonce] = [url.searchParams.get('state') ?? '', url.searchParams.get('nonce') ?? '']
        this.#nonces.set(`code-${state}`, nonce)
        const back = new URL(url.searchParams.get('redirect_uri') ?? '')
        back.searchParams.set('state', state)
        back.searchParams.set('code', `code-${state}`)
        response.writeHead(302, { location: back.href }).end()
      } else if (url.pathname === '/token') {
        let body = ''
        request.on('data', (chunk) => (body += String(chunk)))
        request.on('end', () => {
          const nonce = this.#nonces.get(new URLSearchParams(body).get('code') ?? '')
          if (nonce === undefined) response.writeHead(400).end('{}')
          else json({ id_token: this.token({ email, nonce }) })
        })
      } else response.writeHead(404).end()
    })
  }

  async start(): Promise<this> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    this.url = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
    return this
  }

  stop(): void {
    this.#server.closeAllConnections()
    this.#server.close()
  }

  /** A signed token (RFC 7519). */
  token({ email, aud = 'sigstore', expiresIn = 600, nonce }: TokenClaims): string {
    const now = Math.floor(Date.now() / 1000)
    const claims = {
      iss: this.url,
      sub: email,
      aud,
      iat: now - 1000,
      nbf: now - 1000,
      exp: now + expiresIn,
      email,
      email_verified: true,
      ...(nonce === undefined ? {} : { nonce }),
    }
    const text = [{ alg: 'ES256', kid: 'test', typ: 'JWT' }, claims]
      .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
      .join('.')
    const signature = sign('sha256', Buffer.from(text), { key: this.#keys.privateKey, dsaEncoding: 'ieee-p1363' })
    return `${text}.${signature.toString('base64url')}`
  }
}
