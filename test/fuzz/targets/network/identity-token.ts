import { checkToken } from '../../../../packages/core/src/signing/sigstore/identity-token.ts'
import { ModelSealError } from '../../../../packages/core/src/errors.ts'
import { mustEqual, readOrRefused, REFUSED, texts, textOf, type Target } from '../../target.ts'

// An input is a token; or its claims, which the target puts into one.

const AUDIENCE = 'sigstore'
const NOW = new Date('2026-11-29T12:00:00Z')
const SECONDS = NOW.getTime() / 1000
const HEADER = Buffer.from('{"alg":"RS256"}').toString('base64url')
const SECRET = 'c2lnbmF0dXJlLXRoYXQtaXMtc2VjcmV0'
/** As much of it as no message has by chance. */
const SHOWN = SECRET.slice(0, 12)

const target: Target = {
  longest: 1000,
  dictionary: [
    '"aud":',
    `"aud":["${AUDIENCE}","x"]`,
    `"exp":${SECONDS + 60}`,
    '"nbf":',
    '"sub":"x"',
    '"__proto__":',
    'null',
    '.',
  ],
  seeds: () =>
    texts(
      JSON.stringify({ aud: AUDIENCE, exp: SECONDS + 60, sub: 'x' }),
      JSON.stringify({
        aud: [AUDIENCE, 'y'],
        exp: SECONDS + 60,
        nbf: SECONDS - 60,
        sub: 'x',
        iss: 'https://i.example',
      }),
      JSON.stringify({ aud: 'other', exp: SECONDS + 60, sub: 'x' }),
      JSON.stringify({ aud: AUDIENCE, exp: SECONDS - 1, nbf: 1e300, sub: 'x' }),
      `${HEADER}.e30.${SECRET}`,
      `Bearer ${HEADER}.e30.${SECRET}`,
      `a.b.c.d.${SECRET}`,
    ),
  check(input) {
    const text = textOf(input)
    if (text === undefined) return
    checkSecrecy(text)
    // Claims may be shown.
    if (text.includes(SHOWN)) return
    const token = [HEADER, Buffer.from(text).toString('base64url'), SECRET].join('.')
    checkSecrecy(token)
    if (readOrRefused(() => checkToken(token, AUDIENCE, NOW)) === REFUSED) return
    const { aud, exp, nbf, sub } = JSON.parse(text) as { aud: unknown; exp: number; nbf?: unknown; sub: string }
    mustEqual(aud === AUDIENCE || (Array.isArray(aud) && aud.includes(AUDIENCE)), true, 'Whether it is for Sigstore')
    mustEqual(exp > SECONDS && sub.length > 0, true, 'Whether it is valid')
    if (typeof nbf === 'number') mustEqual(nbf <= SECONDS + 30, true, 'Whether it is valid already')
  },
}
export default target

/** What is wrong may be anywhere in a token, and its signature is as good as a password. */
function checkSecrecy(token: string): void {
  try {
    checkToken(token, AUDIENCE, NOW)
  } catch (error) {
    if (error instanceof ModelSealError && JSON.stringify([error.message, error]).includes(SHOWN))
      throw new Error('The message has a part of the token.')
  }
}
