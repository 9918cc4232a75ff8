import { ModelSealError, shown } from '../../errors.ts'
import { withoutPrototype } from '../../snapshot.ts'

/** The audience of tokens for Sigstore, and the id of the client that requests them. */
export const SIGSTORE_CLIENT = 'sigstore'

/** Allowed clock skew between servers and this machine. */
const CLOCK_SKEW_S = 30
/** Tokens are a few KB. */
const MAX_TOKEN_LENGTH = 64 * 1024

/**
 * Checks an identity token (OpenID Connect Core 1.0, section 2; RFC 7519) before it is sent, to refuse one that cannot
 * work with the reason. Fulcio verifies its signature. Messages never contain the token itself.
 *
 * @param audience required audience of the token
 * @throws {@link ModelSealError} `TOKEN_INVALID`, `TOKEN_EXPIRED`, `TOKEN_AUDIENCE`
 */
export function checkToken(token: string, audience: string, now: Date = new Date()): void {
  const { aud, exp, nbf, sub } = claimsOf(token)
  const audiences = [aud].flat()
  if (!audiences.includes(audience)) {
    throw new ModelSealError('TOKEN_AUDIENCE', 'Cannot use the identity token: it is for another service.', {
      expected: `the audience ${shown(audience)}`,
      found: audiences.map((found) => shown(typeof found === 'string' ? found : 'none')).join(', '),
      hint: 'Ask your identity provider for a token with this audience.',
    })
  }
  const seconds = now.getTime() / 1000
  const lapsed = typeof exp === 'number' && exp <= seconds
  const early = typeof nbf === 'number' && nbf > seconds + CLOCK_SKEW_S
  if (typeof exp !== 'number' || typeof sub !== 'string' || sub === '')
    throw unusable('it lacks the claims "exp" or "sub"')
  if (lapsed || early) {
    throw new ModelSealError(
      'TOKEN_EXPIRED',
      `Cannot use the identity token: it is ${lapsed ? 'no longer' : 'not yet'} valid.`,
      {
        expected: 'a token that is valid now',
        found: time(lapsed ? 'one until' : 'one from', lapsed ? exp : Number(nbf)),
        hint: 'Request a new one just before signing: such tokens are valid for minutes.',
      },
    )
  }
}

interface Claims {
  aud?: unknown
  exp?: unknown
  nbf?: unknown
  sub?: unknown
}

function claimsOf(token: string): Claims {
  const fault = formFault(token)
  if (fault !== undefined) throw unusable(fault)
  try {
    const claims: unknown = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())
    if (typeof claims === 'object' && claims !== null) return withoutPrototype(claims)
  } catch {
    // The error of the parser would contain parts of the token.
  }
  throw unusable('its claims are not JSON')
}

/** Says why a text is not a JSON Web Signature in compact form (RFC 7515 section 3.1), without repeating any part of it. */
function formFault(token: unknown): string | undefined {
  if (typeof token !== 'string') return 'it is not text'
  if (token.trim() === '') return 'it is empty'
  if (token.length > MAX_TOKEN_LENGTH) return 'it is longer than any token'
  if (/^bearer\s/i.test(token)) return 'it begins with "Bearer", which is not part of a token'
  if (/\s/.test(token)) return 'it contains white space or line breaks'
  if (!/^[A-Za-z0-9._-]+$/.test(token)) return 'it is not a signed JSON Web Token'
  const { length } = token.split('.')
  if (length === 5) return 'it is encrypted (five parts); a token that is only signed has three'
  return length === 3 ? undefined : 'it is not a signed JSON Web Token, which has three parts'
}

function unusable(fault: string): ModelSealError {
  return new ModelSealError('TOKEN_INVALID', `Cannot use the identity token: ${fault}.`, {
    hint: 'Pass the token exactly as the identity provider issued it.',
  })
}

function time(words: string, seconds: number): string {
  const date = new Date(seconds * 1000)
  return Number.isNaN(date.getTime()) ? words : `${words} ${date.toISOString()}`
}
