/** Recognizes secrets that were given where something else belongs, so that no message repeats them. */

const PEM =
  /-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----(?!")[^]*?(?:-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----|$)/g

/**
 * The beginning of a private key in DER, as Base64: PKCS #8 (RFC 5958), SEC 1 (RFC 5915) or PKCS #1, with a length of one, two or
 * three bytes; or an encrypted one, by the object identifier of PKCS #5. Then the rest of the line, and the lines after it.
 */
const BASE64 =
  /(?<![A-Za-z0-9+])M(?:[A-Za-z0-9+/]{2}CAQ(?:Aw|EE|AC)|I[A-Za-z0-9+/]{2}AgE(?:AM|BB|AA)|II[A-Za-z0-9+/]{3}IBA(?:DA|AK|QQ)|[A-Za-z0-9+/]{3,14}(?:KoZIhvcNAQU|SqGSIb3DQEF|hkiG9w0BBQ))[A-Za-z0-9+/=]*(?:(?:\s|\\+[nr]|\\u\{[ad]\})+[A-Za-z0-9+/=]{20,}|[\r\n]+[A-Za-z0-9+/=]+(?=[\s,."]|$))*/g

/** RFC 7515 section 3.1: a header in Base64url, which begins with `{"`, and two to four further parts. */
const TOKEN = /eyJ[\w-]{8,}(?:\.[\w-]*){2,4}/g

/** RFC 7512 section 2.4. */
const PIN = /(?<=pin-value=)[^&\s"]+/gi

/** Each kind of secret, and what to give in its place where a path is expected. */
const KINDS: readonly (readonly [RegExp, string, string])[] = [
  [PEM, 'private key', 'This is the key itself. Give the path of its file.'],
  [BASE64, 'private key', 'This is the key itself. Give the path of its file.'],
  [TOKEN, 'token', 'This is a token, not a path.'],
  [PIN, 'PIN', 'This is a PKCS#11 URI with a PIN, not a path. Sign with "pkcs11-key" or pkcs11KeySigner().'],
]

/** The text without any secret that can be recognized. */
export function withoutSecrets(text: string): string {
  return KINDS.reduce((rest, [pattern, what]) => rest.replace(pattern, `[${what} withheld]`), text)
}

/** What kind of secret a text holds, and what to do; undefined if there is none. */
export function secretIn(text: unknown): { what: string; hint: string } | undefined {
  if (typeof text !== 'string') return undefined
  const [, what, hint] = KINDS.find(([pattern]) => text.search(pattern) >= 0) ?? []
  return what !== undefined && hint !== undefined ? { what, hint } : undefined
}
