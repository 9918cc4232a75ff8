/** Recognizes secrets that were given where something else belongs, so that no message repeats them. */

const PEM =
  /-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----(?!")[^]*?(?:-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----|$)/g

/**
 * The beginning of a private key in DER, as Base64: PKCS #8 (RFC 5958), SEC 1 (RFC 5915) or PKCS #1, with a length of one, two or
 * three bytes; or an encrypted one, by the object identifier of PKCS #5. Then the rest of the line, and the lines after it.
 */
const BASE64 =
  /(?<![A-Za-z0-9+])M(?:[A-Za-z0-9+/]{2}CAQ(?:Aw|EE|AC)|I[A-Za-z0-9+/]{2}AgE(?:AM|BB|AA)|II[A-Za-z0-9+/]{3}IBA(?:DA|AK|QQ)|[A-Za-z0-9+/]{3,14}(?:KoZIhvcNAQU|SqGSIb3DQEF|hkiG9w0BBQ))[A-Za-z0-9+/=]*(?:(?:\s|\\+[nr]|\\u\{[ad]\})+[A-Za-z0-9+/=]{20,}|[\r\n]+[A-Za-z0-9+/=]+(?=[\s,."]|$))*/g

/**
 * RFC 7515 section 3.1: a header in Base64url, which begins with `{"`, and two to four further parts. A token begins at the first `eyJ` of a
 * word: if none begins there, none begins at a later one, so that the time stays linear.
 */
const TOKEN = /eyJ(?<!eyJ[\w-]*?eyJ)[\w-]{8,}(?:\.[\w-]*){2,4}/g

/**
 * Access tokens that their issuers made recognizable: how each kind starts, and what follows. In an escaped URL, a digit or letter may come
 * before. Word characters after a token are withheld with it.
 */
const ISSUED: readonly (readonly [issuer: string, start: string, rest: string])[] = [
  // huggingface.co/docs/hub/security-tokens: of users and of organizations.
  ['Hugging Face', '(?:hf|api_org)_', '[A-Za-z]{34}\\w*'],
  // docs.github.com, "About authentication to GitHub": classic, OAuth, of users, refresh; of servers, which may be JWTs; fine-grained.
  ['GitHub', 'gh[pour]_', '[A-Za-z0-9]{36}\\w*'],
  ['GitHub', 'ghs_', '[\\w.-]{36,}'],
  ['GitHub', 'github_pat_', '\\w{36,}'],
  // docs.gitlab.com/security/tokens, "Token prefixes". Routable tokens have two more parts.
  ['GitLab', 'gl(?:pat|oas|dt|rtr?|cbt|ptt|ft|imt|agent|soat|ffct)-', '[\\w-]{20,}(?:\\.\\w+){0,2}'],
  // docs.aws.amazon.com, "Unique identifiers" of IAM: permanent and temporary access keys.
  ['AWS', '(?:AKIA|ASIA)', '[A-Z2-7]{16}\\w*'],
  // At the start of a word only, so that the time stays linear.
  ['OpenAI', 'sk-', '(?<=(?:^|[^\\w-]|%[0-9A-Fa-f]{2})sk-)(?=[\\w-]{20,200}T3BlbkFJ)[\\w-]+'],
  ['Anthropic', 'sk-ant-', '[a-z]{3,8}\\d\\d-[\\w-]{32,}'],
  ['OpenRouter', 'sk-or-v1-', '[0-9a-f]{64}\\w*'],
  // docs.slack.dev/authentication/tokens: of bots, users, workspaces, sessions and refresh; of apps.
  ['Slack', 'xox[a-z][.-]', '[\\w.-]{20,}'],
  ['Slack', 'xapp-', '\\d-[\\w-]{20,}'],
  // docs.docker.com/security/access-tokens: of users and of organizations.
  ['Docker Hub', 'dckr_(?:pat|oat)_', '[\\w-]{27,}'],
  // docs.cloud.google.com/docs/authentication: API keys; access tokens of OAuth.
  ['Google', 'AIza', '[\\w-]{35,}'],
  ['Google', 'ya29\\.', '[\\w-]{20,}'],
  ['npm', 'npm_', '[A-Za-z0-9]{36}\\w*'],
  // A macaroon in Base64url whose location is pypi.org.
  ['PyPI', 'pypi-AgEIcHlwaS5vcmc', '[\\w-]{50,}'],
]
const ACCESS_TOKEN = new RegExp(ISSUED.map(([, start, rest]) => start + rest).join('|'), 'g')

/** RFC 7512 section 2.4. */
const PIN = /(?<=pin-value=)[^&\s"]+/gi

/** Each kind of secret, and what to give in its place where a path is expected. */
const KINDS: readonly (readonly [RegExp, string, string])[] = [
  [PEM, 'private key', 'This is the key itself. Give the path of its file.'],
  [BASE64, 'private key', 'This is the key itself. Give the path of its file.'],
  [TOKEN, 'token', 'This is a token, not a path.'],
  [ACCESS_TOKEN, 'token', 'This is a token, not a path.'],
  [PIN, 'PIN', 'This is a PKCS#11 URI with a PIN, not a path. Sign with "pkcs11-key" or pkcs11KeySigner().'],
]

/** What every secret has in it. Most texts have none of it, so that they are searched only once. */
const TRACES = new RegExp(
  `-----BEGIN|CAQ|AgE|IBA|KoZI|SqGS|hkiG|eyJ|[pP][iI][nN]-[vV]|${ISSUED.map(([, start]) => start).join('|')}`,
)

/** The text without any secret that can be recognized. */
export function withoutSecrets(text: string): string {
  if (!TRACES.test(text)) return text
  return KINDS.reduce((rest, [pattern, what]) => rest.replace(pattern, `[${what} withheld]`), text)
}

/** What kind of secret a text holds, and what to do; undefined if there is none. */
export function secretIn(text: unknown): { what: string; hint: string } | undefined {
  if (typeof text !== 'string') return undefined
  const [, what, hint] = KINDS.find(([pattern]) => text.search(pattern) >= 0) ?? []
  return what !== undefined && hint !== undefined ? { what, hint } : undefined
}
